"""One operation in full: everything that its section of the page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.frames import places, rows
from tracekit.report import calls, canvas, flow, hostside, ledger, path, svg, ticket, verdict
from tracekit.report.canvas import Canvas
from tracekit.report.critical import Step
from tracekit.report.log import Log
from tracekit.report.model import Command, Commands, Detail, Fact, Finding, Stage, Timeline
from tracekit.report.scale import Axis
from tracekit.report.shapes import Ticket
from tracekit.report.words import between, clock, count, duration, known, listed, number, seconds, stamp, text

if TYPE_CHECKING:
    from tracekit.trace import Trace

MAX_COMMANDS = 60
MAX_EVIDENCE = 6
FIXED = 400  # spans of a timeline without scripts, where there are many


class Limits(NamedTuple):
    """How much of one operation the page shows; the worst ones get more."""

    nodes: int  # of the call tree
    intervals: int  # of the ledger
    head: int  # first lines
    tail: int  # last lines
    messages: int  # of the component flow


FULL = Limits(nodes=220, intervals=40, head=70, tail=30, messages=44)
BRIEF = Limits(nodes=50, intervals=12, head=20, tail=10, messages=24)
DETAIL_SKIPPED = ("vm",)  # of a stage's attributes: it stands in the name


class Parts(NamedTuple):
    """The rows of one operation in each table, in the tables' own order."""

    spans: list[Any]
    ledger: list[Any]
    commands: list[Any]
    table: pd.DataFrame  # its spans
    intervals: pd.DataFrame  # its ledger


class Splitter:
    """Cuts the tables by operation; each table is read once, and the rows of `operations` are taken together."""

    def __init__(self, trace: Trace, operations: Iterable[str]) -> None:
        self._trace, self._wanted = trace, list(dict.fromkeys(operations))
        self._cut = [cut(table, self._wanted) for table in (trace.spans, trace.ledger, trace.commands)]

    def parts(self, operation: str) -> Parts:
        """The rows of `operation`, one of those asked for, in the tables' own order."""
        spans, intervals, sent = (made[operation] for made in self._cut)
        return Parts(spans[1], intervals[1], sent[1], spans[0], intervals[0])

    def findings(self, operation: str) -> list[Any]:
        """Its rows of the findings, which nothing else waits for."""
        return self._findings[operation][1]

    @cached_property
    def _findings(self) -> dict[str, tuple[pd.DataFrame, list[Any]]]:
        return cut(self._trace.findings, self._wanted)


def cut(table: pd.DataFrame, operations: Sequence[str]) -> dict[str, tuple[pd.DataFrame, list[Any]]]:
    """The part of a table that belongs to each of some operations, and its rows."""
    place = places(table["operation"], operations)
    at = np.flatnonzero(place >= 0)
    at = at[np.argsort(place[at], kind="stable")]
    bounds = np.searchsorted(place[at], range(len(operations) + 1)).tolist()
    taken = table.take(at)
    whole, made = rows(taken, plain=True), {}
    for operation, part in zip(operations, map(slice, bounds, bounds[1:]), strict=False):
        made[operation] = (taken.iloc[part], whole[part])
    return made


def detail(operation: Any, splitter: Splitter, log: Log, end_of_log: object, limits: Limits) -> Detail:
    """The section of one operation; `operation` is its row of OPERATIONS."""
    name = str(operation.operation)
    parts, found = splitter.parts(name), splitter.findings(name)
    hint = f"tracekit tree LOG {text(name, 60)}"
    split = ledger.view(parts.ledger, log, limits.intervals)
    steps = path.steps_of(operation, parts.table)
    by_number = {int(row.span): row for row in parts.spans}
    drawn = flow.view(operation, parts.spans, parts.ledger, parts.commands, log, limits.messages)
    made = Detail(
        anchor=anchor(name),
        operation=text(name, 60),
        command=text(operation.command, 80) or "unknown command",
        entity=text(operation.entity, 80),
        status=str(operation.status),
        sentence=verdict.sentence(operation, ledger.within(parts.ledger), parts.commands, found, end_of_log, log),
        error=text(operation.error, 400),
        facts=facts(operation),
        timeline=_timeline(operation, parts, log, [(step, by_number[step.span]) for step in steps], hint),
        canvas=_canvas(operation, parts, log),
        ledger=split,
        no_ledger="" if split else _why_no_ledger(operation),
        stages=stages(parts.spans, str(operation.entity), log),
        findings=findings(found, log),
        commands=commands(parts.commands, parts.spans, log),
        tree=calls.view(parts.spans, log, limits.nodes, hint),
        lines=log.lines(name, limits.head, limits.tail),
        path=path.view(steps, parts.table, by_number, log),
        flow=drawn,
        states=flow.states(parts.spans, log),
        doubts=doubts(operation),
    )
    return made._replace(ticket=Ticket(ticket.markdown(made), drawn.mermaid if drawn else ""))


def _timeline(operation: Any, parts: Parts, log: Log, path: Sequence[tuple[Step, Any]], hint: str) -> Timeline | None:
    """The drawing that needs no script: of many spans the longest."""
    if len(parts.spans) <= canvas.MANY:
        return svg.timeline(operation, parts.spans, parts.ledger, log, path)
    others = [row for row in parts.spans if str(row.kind) not in canvas.INNER]
    drawn = svg.timeline(operation, canvas.longest(others, FIXED), parts.ledger, log, path)
    said = (
        f"Without scripts {min(FIXED, len(others)):,} of {len(parts.spans):,} spans are drawn: no calls, of the others "
        f"the longest; {hint} shows all"
    )
    return drawn._replace(left_out=said) if drawn else None


def long_axis(operation: Any, parts: Parts) -> Axis | None:
    """The axis of an operation of so many spans that a script draws them."""
    return svg.axis_of(operation, parts.spans, parts.ledger) if len(parts.spans) > canvas.MANY else None


def _canvas(operation: Any, parts: Parts, log: Log) -> Canvas | None:
    """The drawing by script, for operations of many spans."""
    axis = long_axis(operation, parts)
    if axis is None:
        return None
    return canvas.view(parts.table, axis, parts.intervals, f"Timeline of {text(operation.operation)}", log)


def doubts(operation: Any) -> tuple[str, ...]:
    """The sentences of `doubts`, one for each join that had several candidates."""
    return tuple(text(operation.doubts, 2000).split("; ")) if known(operation.doubts) else ()


def anchor(operation: str) -> str:
    """The id of an operation's section: its own id, with everything but letters, digits, `-`, `.`, `_` as `-`."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "-._") else "-" for char in operation)


def facts(operation: Any) -> tuple[Fact, ...]:
    """What is known of an operation beside its times' shares; what is not known is left out, but for its moments."""
    said = [
        Fact("account", text(operation.account)),
        Fact("user", text(operation.user)),
        Fact("caller", text(operation.caller)),
        Fact("job", number(operation.job)),
        Fact("job uuid", text(operation.uuid)),
        Fact("entity uuid", text(operation.entity_uuid)),
        Fact("server", text(operation.server)),
    ]
    moments = [Fact("submitted", stamp(operation.submitted)), Fact("returned", clock(operation.returned))]
    if known(operation.job):
        moments += [
            Fact("queued", clock(operation.queued)),
            Fact("started", clock(operation.started)),
            Fact("completed", clock(operation.completed)),
            Fact("client saw it", clock(operation.client_seen)),
        ]
    spans = [
        Fact("wall", duration(seconds(operation.wall))),
        Fact("sync", duration(seconds(operation.sync))),
        Fact("queue", duration(seconds(operation.queue))),
        Fact("run", duration(seconds(operation.run))),
    ]
    return tuple([fact for fact in said if fact.value] + moments + (spans if known(operation.job) else spans[:1]))


def stages(spans: Sequence[Any], entity: str, log: Log) -> tuple[Stage, ...]:
    """The stages in time order; the longest of the operation's own machine is marked."""
    rows = sorted((row for row in spans if str(row.kind) == "stage"), key=lambda row: (row.start, row.span))
    lengths = [seconds(row.duration) or 0.0 for row in rows]
    longest = max(lengths, default=0.0)
    return tuple(_stage(row, entity, length == longest > 0, log) for row, length in zip(rows, lengths, strict=True))


def _stage(row: Any, entity: str, slowest: bool, log: Log) -> Stage:
    attributes = row.attributes if isinstance(row.attributes, dict) else {}
    about = attributes.get("vm")
    said = [_said(key, value, log) for key, value in attributes.items() if key not in DETAIL_SKIPPED and known(value)]
    before = "≤ " if str(row.ends) == "before" else ""
    return Stage(
        name=text(row.name, 60) + (f" ({text(about, 60)})" if known(about) and str(about) != entity else ""),
        start=clock(row.start),
        end=before + clock(row.end) if known(row.end) else "no end logged",
        time=before + duration(seconds(row.duration)) if known(row.end) else "unknown",
        detail=" · ".join(said),
        slowest=slowest,
        failed=str(row.status) == "error",
    )


def _said(key: str, value: object, log: Log) -> str:
    """One attribute of a stage: as `words.toml` says it, else its name and its value."""
    whole = text(value, 2000)
    said = log.names.detail(key, whole)
    return said if said != log.names.short(whole) else f"{key} {listed(said, 3)}"


def commands(rows: Sequence[Any], spans: Sequence[Any], log: Log) -> Commands:
    """The agent commands in the order in which they were sent; the shortest are left out beyond MAX_COMMANDS."""
    failed = {row.span for row in spans if str(row.status) == "error"}
    told = {int(row.span): hostside.attributes_of(row) for row in spans if str(row.kind) == "command"}
    longest = sorted(range(len(rows)), key=lambda i: (-(verdict.answer_time(rows[i]) or 0.0), i))[:MAX_COMMANDS]
    shown = tuple(_command(rows[i], failed, told, log) for i in sorted(longest))
    lost = len(rows) - len(shown)
    return Commands(
        shown,
        f"{count(lost, 'shorter command')} left out" if lost else "",
        hostside.total(list(told.values())),
        hostside.missing(rows, told),
    )


def _command(row: Any, failed: set[int], told: Mapping[int, Mapping[str, Any]], log: Log) -> Command:
    host = text(row.host_name, 120) or (f"host {number(row.host)}" if known(row.host) else "unknown")
    waited = between(row.scheduled, row.sent)
    said = [text(row.result, 60), text(row.details, 200)]
    return Command(
        name=text(row.command, 160) or "unknown",
        host=log.names.short(host),
        host_full=host,
        seq=f"{number(row.host)}-{row.seq}",
        sent=clock(row.sent),
        waited=duration(waited) if waited else "",
        time=duration(verdict.answer_time(row)) if known(row.sent) else "unknown",
        on_host=hostside.split(told.get(int(row.span), {})) if known(row.span) else None,
        result=": ".join(part for part in said if part) or "no answer logged",
        failed=known(row.span) and int(row.span) in failed,
    )


def findings(rows: Sequence[Any], log: Log) -> tuple[Finding, ...]:
    """What was found, as the rules rank it."""
    return tuple(
        Finding(
            severity=str(row.severity),
            title=log.names.short(text(row.title, 300)),
            cost=duration(seconds(row.cost)) if known(row.cost) else "",
            advice=tuple(text(line, 500) for line in str(row.advice).splitlines()) if known(row.advice) else (),
            evidence=tuple(log.line(int(record)) for record in list(row.evidence or ())[:MAX_EVIDENCE]),
            certainty=text(getattr(row, "certainty", None), 30),
            holder=text(getattr(row, "holder", None), 120),
        )
        for row in rows
        if str(row.verdict) == "found"
    )


def _why_no_ledger(operation: Any) -> str:
    if not known(operation.submitted):
        return "Its beginning is not in this log, so there is no wall time to split."
    if not known(operation.completed) and not (known(operation.returned) and not known(operation.job)):
        return "Its end is not in this log, so there is no wall time to split."
    return "It took no time that the log can show: first and last line carry the same time."
