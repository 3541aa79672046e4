"""Two operations beside each other: which stage, category and command got slower, by how much, and what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tracekit.errors import UsageError
from tracekit.frames import median, rows
from tracekit.report import ledger, verdict
from tracekit.report.context import MASKED
from tracekit.report.log import Log
from tracekit.report.model import Detail, Fact
from tracekit.report.operation import FULL, detail
from tracekit.report.parts import Parts, Splitter
from tracekit.report.scale import percent
from tracekit.report.shapes import Change, Changes, Parameter
from tracekit.report.summary import file_names
from tracekit.report.terminal import operation_of
from tracekit.report.words import Category, duration, known, listed, seconds, text, words
from tracekit.trace import Trace

SAME = 0.05  # two times that differ by less, or by less than LEAST, are the same
LEAST = 0.01  # seconds
SAID = 3  # changes in the sentence
SKIPPED = ("submitted", "returned", "queued", "started", "completed", "client saw it", "wall", "sync", "queue", "run")


class Side(NamedTuple):
    """One of the two operations."""

    trace: Trace
    log: Log
    row: Any
    splitter: Splitter
    name: str  # the file it is from

    @property
    def parts(self) -> Parts:
        """Its rows in each table."""
        return self.splitter.parts(str(self.row.operation))

    @property
    def wall(self) -> float:
        """Seconds of the operation; 0 where they are not known."""
        return seconds(self.row.wall) or 0.0


class DiffContext(NamedTuple):
    """The page of a comparison."""

    title: str
    generator: str
    sentence: str
    tables: tuple[Changes, ...]
    parameters: tuple[Parameter, ...]
    details: tuple[Detail, ...]
    legend: tuple[Category, ...]
    masking: str


def between_traces(
    first: Trace, second: Trace, paths: tuple[str, str], pair: tuple[str, str] | None = None
) -> DiffContext:
    """Compare the operations `pair` of the traces of two paths, else the slowest of the command that both have and took
    most time in.

    Raises UsageError where there is no such pair.
    """
    names = (operation_of(first, pair[0]), operation_of(second, pair[1])) if pair else _slowest(first, second)
    one, two = _side(first, names[0], paths[0]), _side(second, names[1], paths[1])
    return compared(one, two, _by_command(first, second))


def compared(one: Side, two: Side, overall: Sequence[Changes] = ()) -> DiffContext:
    """The comparison of two operations, and tables of the whole logs after theirs."""
    tables = (
        _table("Stages", "The operation's own stages in order", "Stage", _stages(one), _stages(two)),
        _table("Where the time went", "Sums of the ledgers", "Category", _categories(one), _categories(two)),
        _table("Agent commands", "Time of all sendings together", "Command", _commands(one), _commands(two)),
        _table("Hosts", "Time of all commands together", "Host", _hosts(one), _hosts(two)),
    )
    return DiffContext(
        title=f"{one.name} → {two.name}",
        generator=f"tracekit {two.trace.meta.version}",
        sentence=_sentence(one, two, tables),
        tables=tuple(table for table in (*tables, *overall) if table.rows),
        parameters=_parameters(one, two),
        details=(_detail(one, "before"), _detail(two, "after")),
        legend=words().categories,
        masking=MASKED,
    )


def summary(made: DiffContext) -> str:
    """The sentence and what changed most, for the terminal."""
    lines = [made.sentence]
    for table in made.tables[:3]:
        lines += [f"  {table.title}: {row.name}  {row.before or '–'} → {row.after or '–'}  {row.change}"
                  for row in table.rows if row.css != "same"][:4]  # fmt: skip
    return "\n".join(lines)


def _side(trace: Trace, operation: str, path: str) -> Side:
    row = next(row for row in rows(trace.operations) if row.operation == operation)
    files = file_names(trace.meta.files)
    return Side(trace, Log(trace), row, Splitter(trace, [operation]), files[0] if files else text(path, 80))


def _slowest(first: Trace, second: Trace) -> tuple[str, str]:
    """The slowest operation of one command in each trace: the command that took most time in the second."""
    sides = [{}, {}]  # type: list[dict[str, Any]]
    for side, trace in zip(sides, (first, second), strict=True):
        for row in rows(trace.operations):
            if known(row.command) and known(row.wall) and known(row.job):
                held = side.get(str(row.command))
                if held is None or row.wall > held.wall:
                    side[str(row.command)] = row
    shared = [name for name in sides[1] if name in sides[0]]
    if not shared:
        raise UsageError(
            "the two logs share no API command with a job that ended; name two operations with --operation"
        )
    name = max(shared, key=lambda command: (sides[1][command].wall, command))
    return str(sides[0][name].operation), str(sides[1][name].operation)


def _detail(side: Side, prefix: str) -> Detail:
    records = side.trace.records["ts"]
    end = records.max() if len(records) else None
    made = detail(side.row, side.splitter, side.log, end, FULL)
    return made._replace(anchor=f"{prefix}-{made.anchor}", operation=f"{prefix}: {made.operation}")


def _stages(side: Side) -> dict[str, float]:
    """Seconds of the stages of the operation's own machine; of several attempts each."""
    made: dict[str, float] = {}
    for row in sorted((row for row in side.parts.spans if row.kind == "stage"), key=lambda row: row.begin):
        name, number = text(row.name, 60), 1
        while (key := name if number == 1 else f"{name}, again ({number})") in made:
            number += 1
        made[key] = row.took
    return made


def _categories(side: Side) -> dict[str, float]:
    mine = ledger.within(side.parts.ledger)
    sums = {entry.label: sum(row.took for row in mine if row.category == entry.key)
            for entry in words().categories}  # fmt: skip
    return {label: value for label, value in sums.items() if value > 0}


def _commands(side: Side) -> dict[str, float]:
    return _sums(side, lambda row: listed(row.command))


def _hosts(side: Side) -> dict[str, float]:
    return _sums(side, lambda row: side.log.names.short(text(row.host_name, 120)))


def _sums(side: Side, key: Callable[[Any], str]) -> dict[str, float]:
    made: dict[str, float] = {}
    for row in side.parts.commands:
        name = key(row) or "unknown"
        made[name] = made.get(name, 0.0) + (verdict.answer_time(row) or 0.0)
    return made


def _by_command(first: Trace, second: Trace) -> tuple[Changes, ...]:
    """The medians of every API command in the two logs."""
    if first is second:
        return ()
    medians: list[dict[str, float]] = []
    for trace in (first, second):
        walls: dict[str, list[float]] = {}
        for row in rows(trace.operations):
            if known(row.command) and known(row.wall):
                walls.setdefault(text(row.command, 60), []).append(seconds(row.wall) or 0.0)
        medians.append({name: median(values) for name, values in walls.items()})
    return (_table("Whole logs", "Median wall time of every API command", "API command", *medians),)


def _table(title: str, caption: str, head: str, before: Mapping[str, float], after: Mapping[str, float]) -> Changes:
    names = dict.fromkeys([*before, *after])
    most = max([*before.values(), *after.values()], default=0.0)
    return Changes(
        title, caption, head, tuple(_change(name, before.get(name), after.get(name), most) for name in names)
    )


def _change(name: str, before: float | None, after: float | None, most: float) -> Change:
    css, said = _judged(before, after)
    return Change(
        name,
        "" if before is None else duration(before),
        "" if after is None else duration(after),
        said,
        css,
        percent((before or 0.0) / most * 100 if most else 0.0),
        percent((after or 0.0) / most * 100 if most else 0.0),
    )


def _judged(before: float | None, after: float | None) -> tuple[str, str]:
    """How a change is marked and said."""
    if before is None:
        return "new", "new"
    if after is None:
        return "gone", "gone"
    change = after - before
    if abs(change) < LEAST or abs(change) < SAME * before:
        return "same", "as before"
    times = f", {after / before:.1f} times" if before > 0 and after > before else ""
    return ("slower", f"{duration(change)} slower{times}") if change > 0 else ("faster", f"{duration(-change)} faster")


def _sentence(one: Side, two: Side, tables: Sequence[Changes]) -> str:
    what = verdict.subject(two.row)
    change = two.wall - one.wall
    head = f"{what} took {duration(two.wall)} instead of {duration(one.wall)}"
    if abs(change) < SAME * max(one.wall, LEAST):
        return f"{head}: no slower, no faster."
    compared_with = f"{head}: {duration(abs(change))} {'slower' if change > 0 else 'faster'}"
    stages, commands = (_moved(_stages(one), _stages(two)), _moved(_commands(one), _commands(two)))
    sign = 1 if change > 0 else -1
    word = "more" if change > 0 else "less"
    said = [f"{duration(abs(value))} {word} in {name}" for name, value in _most(stages, sign, 2)]
    said += [f"{duration(abs(value))} {word} for {name}" for name, value in _most(commands, sign, SAID - len(said[:2]))]
    new = [row.name for row in tables[2].rows if row.css == "new"]
    said += [f"new: {', '.join(new[:2])}" + (f" and {len(new) - 2} more" if len(new) > 2 else "")] if new else []
    return "; ".join([compared_with, *said]) + "."


def _moved(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after.get(name, 0.0) - before.get(name, 0.0) for name in dict.fromkeys([*before, *after])}


def _most(moved: Mapping[str, float], sign: int, number: int) -> Iterable[tuple[str, float]]:
    ordered = sorted(moved.items(), key=lambda item: (-sign * item[1], item[0]))
    return [(name, value) for name, value in ordered[:number] if sign * value >= LEAST]


def _parameters(one: Side, two: Side) -> tuple[Parameter, ...]:
    """What is said of both but differs: who asked, for what, and what the planner chose."""
    first, second = _said(one), _said(two)
    names = dict.fromkeys([*first, *second])
    return tuple(
        Parameter(name, first.get(name, ""), second.get(name, ""))
        for name in names
        if first.get(name, "") != second.get(name, "")
    )


def _said(side: Side) -> dict[str, str]:
    made = _detail(side, "")
    facts = [Fact("command", made.command), Fact("entity", made.entity), Fact("status", made.status), *made.facts]
    said = {fact.term: fact.value for fact in facts if fact.term not in SKIPPED}
    planned = [stage.detail for stage in made.stages if stage.detail]
    if planned:
        said["planned"] = planned[0]
    request = next((row.attributes for row in side.parts.spans if row.kind == "request"), {})
    return said | {text(key, 40): text(value, 120) for key, value in request.items() if known(value)}
