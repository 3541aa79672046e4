"""One operation in full: everything that its section of the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracekit.report import calls, canvas, flow, hostside, ledger, path, svg, ticket, verdict
from tracekit.report.canvas import Canvas
from tracekit.report.critical import Step
from tracekit.report.log import Log
from tracekit.report.model import Command, Commands, Detail, Fact, Finding, Stage, Timeline
from tracekit.report.parts import Parts, Splitter
from tracekit.report.scale import Axis
from tracekit.report.shapes import Ticket
from tracekit.report.spans import Span
from tracekit.report.words import between, clock, count, duration, known, listed, number, seconds, stamp, text

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


def detail(operation: Any, splitter: Splitter, log: Log, end_of_log: object, limits: Limits) -> Detail:
    """The section of one operation; `operation` is its row of OPERATIONS."""
    name = str(operation.operation)
    parts, found = splitter.parts(name), splitter.findings(name)
    hint = f"tracekit tree LOG {text(name, 60)}"
    split = ledger.view(parts.ledger, log, limits.intervals)
    steps = path.steps_of(operation, parts.spans)
    by_number = {row.span: row for row in parts.spans}
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
        canvas=_canvas(operation, parts, splitter, log),
        ledger=split,
        no_ledger="" if split else _why_no_ledger(operation),
        stages=stages(parts.spans, str(operation.entity), log),
        findings=findings(found, log),
        commands=commands(parts.commands, parts.spans, log),
        tree=calls.view(parts.spans, log, limits.nodes, hint),
        lines=log.lines(name, limits.head, limits.tail),
        path=path.view(steps, parts.spans, by_number, log),
        flow=drawn,
        states=flow.states(parts.spans, log),
        doubts=doubts(operation),
    )
    return made._replace(ticket=Ticket(ticket.markdown(made), drawn.mermaid if drawn else ""))


def _timeline(operation: Any, parts: Parts, log: Log, path: Sequence[tuple[Step, Span]], hint: str) -> Timeline | None:
    """The drawing that needs no script: of many spans the longest."""
    if len(parts.spans) <= canvas.MANY:
        return svg.timeline(operation, parts.spans, parts.ledger, log, path)
    others = [row for row in parts.spans if row.kind not in canvas.INNER]
    drawn = svg.timeline(operation, canvas.longest(others, FIXED), parts.ledger, log, path)
    said = (
        f"Without scripts {min(FIXED, len(others)):,} of {len(parts.spans):,} spans are drawn: no calls, of the others "
        f"the longest; {hint} shows all"
    )
    return drawn._replace(left_out=said) if drawn else None


def long_axis(operation: Any, parts: Parts) -> Axis | None:
    """The axis of an operation of so many spans that a script draws them."""
    return svg.axis_of(operation, parts.spans, parts.ledger) if len(parts.spans) > canvas.MANY else None


def _canvas(operation: Any, parts: Parts, splitter: Splitter, log: Log) -> Canvas | None:
    """The drawing by script, for operations of many spans."""
    axis = long_axis(operation, parts)
    if axis is None:
        return None
    spans, intervals = splitter.tables(str(operation.operation))
    return canvas.view(spans, axis, intervals, f"Timeline of {text(operation.operation)}", log)


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


def stages(spans: Sequence[Span], entity: str, log: Log) -> tuple[Stage, ...]:
    """The stages in time order; the longest of the operation's own machine is marked."""
    rows = sorted((row for row in spans if row.kind == "stage"), key=lambda row: (row.begin, row.span))
    longest = max((row.took for row in rows), default=0.0)
    return tuple(_stage(row, entity, row.took == longest > 0, log) for row in rows)


def _stage(row: Span, entity: str, slowest: bool, log: Log) -> Stage:
    about = row.attributes.get("vm")
    told = {key: value for key, value in row.attributes.items() if key not in DETAIL_SKIPPED and known(value)}
    before = "≤ " if row.ends == "before" else ""
    return Stage(
        name=text(row.name, 60) + (f" ({text(about, 60)})" if known(about) and str(about) != entity else ""),
        start=clock(row.start),
        end="no end logged" if row.is_open else before + clock(row.end),
        time="unknown" if row.is_open else before + duration(row.took),
        detail=" · ".join(_said(key, value, log) for key, value in told.items()),
        slowest=slowest,
        failed=row.status == "error",
    )


def _said(key: str, value: object, log: Log) -> str:
    """One attribute of a stage: as `words.toml` says it, else its name and its value."""
    whole = text(value, 2000)
    said = log.names.detail(key, whole)
    return said if said != log.names.short(whole) else f"{key} {listed(said, 3)}"


def commands(rows: Sequence[Any], spans: Sequence[Span], log: Log) -> Commands:
    """The agent commands in the order in which they were sent; the shortest are left out beyond MAX_COMMANDS."""
    failed = {row.span for row in spans if row.status == "error"}
    told = {row.span: row.attributes for row in spans if row.kind == "command"}
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
