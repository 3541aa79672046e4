"""What the terminal shows: the table of operations, one operation's call tree, its lines, and a line explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.errors import UsageError
from tracekit.frames import objects, plain_cells, rows
from tracekit.redact import shown
from tracekit.report.critical import critical_path, savings
from tracekit.report.spans import span_rows
from tracekit.report.words import known
from tracekit.schema import OBJECT, SPAN_OF_TIME, TIME

if TYPE_CHECKING:
    from tracekit.trace import Trace

COLUMNS = ("operation", "command", "entity", "account", "submitted", "wall", "sync", "queue", "most time in", "status")
MARKS = {"error": "\u2717", "open": "\u2026", "orphan": "?"}
DOUBT = "? "  # before what hangs on a join for which there were several candidates
WIDEST = 44  # characters of a column of text


def operations_table(operations: pd.DataFrame) -> str:
    """One line an operation: what, for whom, when, how long, where the time went, how it ended.

    `?` before the status says that a join of it had several candidates; `tree` says which.
    """
    cells = zip(
        operations["operation"].tolist(),
        *(texts(operations[name]) for name in ("command", "entity", "account")),
        clocks(operations["submitted"]),
        *(times(operations[name]) for name in ("wall", "sync", "queue")),
        map(most, operations["owner"].tolist(), operations["share"].tolist()),
        map(ended, *(operations[name].tolist() for name in ("doubts", "status", "error"))),
        strict=True,
    )
    return "\n".join(aligned([COLUMNS, *cells], right={5, 6, 7}))


def most(owner: object, share: float) -> str:
    """Who had most of an operation's wall time, and its share of it."""
    return f"{text(owner)} {share:.0%}" if known(owner) else ""


def ended(doubts: object, status: str, error: object) -> str:
    """How an operation ended, and why."""
    return f"{DOUBT if known(doubts) else ''}{status}{': ' + text(error) if known(error) else ''}"


def operations_json(operations: pd.DataFrame) -> str:
    """The same rows for machines: ISO times, milliseconds, null for what is not known."""
    # With an indent json would do without its compiled encoder, so the ends of lines are separators.
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": "))
    made = [encoder.encode(row)[1:-1] for row in json_rows(operations)]
    return "[\n" + ",\n".join(f" {{\n  {row}\n }}" for row in made) + "\n]" if made else "[]"


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON has them: ISO times, durations in milliseconds, null for what is not known."""
    names = table.columns.tolist()
    cells = zip(*(json_cells(column) for _, column in table.items()), strict=True)
    return [dict(zip(names, row, strict=True)) for row in cells]


def json_cells(column: pd.Series[Any]) -> list[Any]:
    """The cells of a column as JSON has them."""
    if column.dtype == TIME:
        said = np.datetime_as_string(column.to_numpy(), "us").tolist()
        return [None if time == "NaT" else time for time in said]
    if column.dtype == SPAN_OF_TIME:
        column = pd.Series(column.to_numpy() / np.timedelta64(1, "ms"))
    cells: list[Any] = objects(column).tolist()
    if column.dtype == OBJECT:
        return list(map(json_value, cells))
    return [None if cell is None else shown(cell) for cell in cells] if column.dtype.kind == "O" else cells


def json_value(value: Any) -> Any:
    """A text, a number or a list of them as JSON has it."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [json_value(one) for one in value]
    return value if known(value) else None


def operation_of(trace: Trace, name: str) -> str:
    """The id of the operation that a user means by `job-43`, `43` or `req-1a2b3c4d`. Raises UsageError otherwise."""
    wanted = f"job-{name}" if name[:1].isdigit() else name
    ids = trace.operations["operation"]
    if wanted in set(ids):
        return wanted
    job = wanted.removeprefix("job-")
    if job.isdigit():
        part = trace.jobs.loc[trace.jobs["job"] == int(job), "operation"].dropna()
        if len(part):
            return str(part.iloc[0])
    near = ", ".join(ids[ids.str.startswith("job-")].head(5))
    raise UsageError(
        f"no operation {shown(name)} in this log; there are {len(ids)}: {near}, \u2026; see `tracekit operations`"
    )


def tree_text(trace: Trace, operation: str) -> str:
    """Call tree of one operation: time, own time, kind, name; consecutive calls of one name folded."""
    spans = spans_of(trace, operation)
    children: dict[int, list[Any]] = {}
    here = set(spans["span"])
    for row in rows(spans):
        children.setdefault(int(row.parent) if known(row.parent) and row.parent in here else -1, []).append(row)
    shown_rows: list[tuple[str, ...]] = [("  total", "own", "from", "")]
    stack = [(group, 0) for group in reversed(folded(children.get(-1, [])))]
    begin = spans["start"].min()
    while stack:
        group, depth = stack.pop()
        shown_rows.append(tree_row(group, depth, begin))
        inner = [child for row in group for child in children.get(row.span, [])]
        stack.extend((inside, depth + 1) for inside in reversed(folded(inner)))
    return "\n".join([*doubts(trace, operation), *aligned(shown_rows, right={0, 1, 2})])


def spans_of(trace: Trace, operation: str) -> pd.DataFrame:
    """The spans of one operation. Its name is looked for among bare objects, which takes a third of the time."""
    return trace.spans.iloc[np.flatnonzero(trace.spans["operation"].to_numpy(dtype=object) == operation)]


def doubts(trace: Trace, operation: str) -> list[str]:
    """A line for each join of an operation that had several candidates."""
    said = trace.operations.loc[trace.operations["operation"] == operation, "doubts"].dropna()
    return [f"{DOUBT}{shown(sentence)}" for whole in said for sentence in str(whole).split("; ")]


def critical_text(trace: Trace, operation: str) -> str:
    """The critical path in order: begin, time, share of the wall time, step; what would be saved without it."""
    row = next(iter(rows(trace.operations[trace.operations["operation"] == operation])))
    if not known(row.completed):
        raise UsageError(f"{operation}: its end is not in the log, so it has no critical path")
    spans = span_rows(spans_of(trace, operation))
    steps = critical_path(spans, row.submitted, row.completed)
    saved = savings(steps, spans)
    named = {span.span: span for span in spans}
    cells: list[tuple[str, ...]] = [("from", "time", "share", "saves", "step")]
    for step in steps:
        span = named[step.span]
        kind = "" if span.kind == "call" else f"{span.kind} "
        cells.append(
            (
                seconds(step.start - row.submitted),
                seconds(step.duration),
                f"{step.duration / row.wall:.0%}",
                seconds(saved[step.span]),
                f"{kind}{shown(str(span.name))}",
            )
        )
    return "\n".join(
        [*aligned(cells, right={0, 1, 2, 3}), "", f"sum {seconds(row.wall)}; `saves` counts what lies below, too"]
    )


def folded(siblings: Sequence[Any]) -> list[list[Any]]:
    """Siblings in order of start, consecutive ones of the same kind and name together."""
    made: list[list[Any]] = []
    for row in sorted(siblings, key=lambda row: (row.start, row.span)):
        if made and (made[-1][0].kind, made[-1][0].name) == (row.kind, row.name):
            made[-1].append(row)
        else:
            made.append([row])
    return made


def tree_row(group: Sequence[Any], depth: int, begin: pd.Timestamp) -> tuple[str, ...]:
    """One line of the tree; `<` before the time says that the end is known only by the next line outside."""
    first = group[0]
    total = sum((row.duration for row in group if known(row.duration)), pd.Timedelta(0))
    own = sum((row.self_time for row in group if known(row.self_time)), pd.Timedelta(0))
    before = "<" if any(row.ends == "before" for row in group) else ""
    mark = next((MARKS[row.status] for row in group if row.status in MARKS), "")
    times = f" [{len(group)}x]" if len(group) > 1 else ""
    kind = "" if first.kind == "call" else f"{first.kind} "
    number = first.attributes.get("job")
    job = f" (job-{number})" if number is not None and first.kind != "queue" else ""
    name = f"{'  ' * depth}{mark}{kind}{shown(str(first.name))}{job}{times}"
    is_open = not known(first.duration)
    return (f"{before}{'open' if is_open else seconds(total)}", seconds(own), seconds(first.start - begin), name)


def lines_text(trace: Trace, operation: str) -> Iterator[str]:
    """Every line of one operation in the order of the log, whichever thread or file wrote it."""
    mine = trace.records[trace.records["operation"] == operation]
    several = mine["source"].nunique() > 1
    for row in rows(mine):
        place = f"{row.source}:{row.line}" if several else f"{row.line}"
        first, *more = trace.sources.text(row).split("\n")
        yield f"{place}: {shown(first)}"
        for line in more:
            yield f"{' ' * len(place)}| {shown(line)}"


def texts(column: pd.Series[Any]) -> list[str]:
    """Cells of texts, cut to the width of a column."""
    return list(map(text, column.tolist()))


@lru_cache(maxsize=4096)  # a table says the same names again and again
def text(value: object) -> str:
    """A cell of text, cut to the width of a column."""
    if not known(value):
        return ""
    said = shown(str(value))
    return said if len(said) <= WIDEST else said[: WIDEST - 1] + "\u2026"


def clocks(column: pd.Series[Any]) -> list[str]:
    """Cells of dates and times to the millisecond, without the year."""
    said = np.datetime_as_string(column.to_numpy(), "ms").tolist()
    return ["" if time == "NaT" else time[5:].replace("T", " ") for time in said]


def times(column: pd.Series[Any]) -> list[str]:
    """Cells of durations."""
    return list(map(seconds, plain_cells(column)))


def seconds(value: object) -> str:
    """A duration in seconds to the millisecond; empty where it is not known."""
    return f"{value.total_seconds():.3f}" if isinstance(value, timedelta) else ""


def aligned(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Rows as columns, those in `right` flush right, no blanks at the end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{'>' if i in right else '<'}{width}}}" for i, width in enumerate(widths))
    return [line.format(*row).rstrip() for row in rows]
