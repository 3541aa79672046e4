"""Where everything stands in the drawings: per cent across, pixels down. The templates only write it out.

Across is per cent so that a drawing fills any width while its text keeps its size; labels are placed for a drawing
about a thousand pixels wide, and the style sheet drops those outside their bar where it is narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from tracekit.frames import NEVER, micros
from tracekit.report import hostside
from tracekit.report.critical import Step
from tracekit.report.lanes import LANES
from tracekit.report.log import Log
from tracekit.report.model import Bar, Lane, Timeline
from tracekit.report.scale import Axis, percent, ticks
from tracekit.report.shapes import Segment, Tick
from tracekit.report.spans import Interval, Span
from tracekit.report.words import between, clock, count, duration, is_time, known, text

NOMINAL = 1040.0  # pixels across that labels are placed for
CHARACTER = 6.4  # pixels of one, at the labels' size
ROW, GAP, AXIS = 20, 8, 22  # pixels down: a row, between lanes, the time axis
BAR = 16
MAX_ROWS = 12  # of one lane; shorter spans are left out beyond
TOUCH = 0.3  # per cent that a bar without a label takes at least
SEEN = 0.12  # per cent; narrower marks of the ledger are less than two pixels, and stand together
NARROW = 0.3  # per cent; marks of the ledger below it are merged and have no edge
BAND_SHARE = 0.02  # unlogged intervals from this share on are drawn through all lanes

POLLS = "polls"  # the lane of requests after an operation's own

KIND_CSS = {"queue": "c-queue", "wait": "c-queue", "command": "c-agent", "call": "c-execution"}


class Mark(NamedTuple):
    """A bar before it has its place."""

    css: str
    start: float  # per cent
    end: float
    label: str
    title: str
    open_end: bool = False
    failed: bool = False
    edge: bool = True  # a line at its beginning, so that it is seen however short


def timeline(
    operation: Any, spans: Sequence[Span], ledger: Sequence[Interval], log: Log, path: Sequence[tuple[Step, Span]] = ()
) -> Timeline | None:
    """The timeline of one operation: `operation` a row of OPERATIONS, `spans` and `ledger` its rows.

    `path` is its critical path, each step with its span.

    None where no two moments of it are known.
    """
    axis = axis_of(operation, spans, ledger)
    if axis is None:
        return None
    top = AXIS
    lanes = []
    for label, marks in _lanes(operation, spans, ledger, log, axis, path):
        lane = _lane(label, marks, top)
        if lane is not None:
            lanes.append(lane)
            top += lane.height + GAP
    end = axis.start + pd.Timedelta(seconds=axis.length)
    return Timeline(
        title=f"Timeline of {text(operation.operation)}",
        description=f"{clock(axis.start)} to {clock(end)}, {duration(axis.length)}; the tables below say the same.",
        height=top,
        ticks=ticks(axis.length),
        phases=(),
        bands=tuple(_bands(ledger, axis)),
        marks=tuple(_moments(operation, axis)),
        lanes=tuple(lanes),
    )


def axis_of(operation: Any, spans: Sequence[Span], ledger: Sequence[Interval]) -> Axis | None:
    """From the first to the last known moment of an operation; None where there are no two."""
    moments = filter(is_time, (operation.submitted, operation.returned, operation.completed, operation.client_seen))
    there = [*map(micros, moments), *(time for row in ledger for time in (row.begin, row.stop))]
    there += [time for row in spans for time in (row.begin, row.stop) if time != NEVER]
    if not there or min(there) == max(there):
        return None
    return Axis(min(there), (max(there) - min(there)) / 1e6)


def _lanes(
    operation: Any,
    spans: Sequence[Span],
    ledger: Sequence[Interval],
    log: Log,
    axis: Axis,
    path: Sequence[tuple[Step, Span]],
) -> Iterable[tuple[str, list[Mark]]]:
    yield "phases", list(_phases(operation, axis))
    yield "time", [_ledger_mark(group, log, axis) for group in _intervals(ledger, axis)]
    yield "critical", [_step_mark(step, row, log, axis) for step, row in _wide(path, axis)]
    by_lane = _by_lane(spans, operation)
    for label, _ in LANES:
        yield label, [_span_mark(row, log, axis, str(operation.entity)) for row in by_lane.get(label, ())]
    yield POLLS, [_span_mark(row, log, axis, "")._replace(label="") for row in by_lane.get(POLLS, ())]


def _by_lane(spans: Sequence[Span], operation: Any) -> dict[str, list[Span]]:
    """The spans of each lane; requests of the client after its own are polls, in a lane of their own."""
    lane_of = {kind: label for label, kinds in LANES for kind in kinds}
    every = not known(operation.request)
    made: dict[str, list[Span]] = {}
    for row in spans:
        if row.kind in lane_of:
            own = row.kind != "request" or every or row.span == operation.request
            made.setdefault(lane_of[row.kind] if own else POLLS, []).append(row)
    return made


def _phases(operation: Any, axis: Axis) -> Iterable[Mark]:
    if known(operation.submitted) and known(operation.returned):
        took = duration(between(operation.submitted, operation.returned))
        start, end = axis.at(micros(operation.submitted)), axis.at(micros(operation.returned))
        yield Mark("k-sync", start, end, f"sync {took}", f"synchronous: {took}")
    begin = operation.returned if known(operation.returned) else operation.submitted
    if known(operation.job) and known(begin):
        start = axis.at(micros(begin))
        if known(operation.completed):
            took, end = duration(between(begin, operation.completed)), axis.at(micros(operation.completed))
            yield Mark("k-async", start, end, f"async {took}", f"asynchronous: {took}")
        else:
            yield Mark("k-async", start, 100.0, "async, end unknown", "asynchronous: end unknown", open_end=True)


def _intervals(ledger: Sequence[Interval], axis: Axis) -> list[list[Interval]]:
    """The intervals of a ledger; neighbours that are too narrow to be told apart together.

    Those of one category in any number, others until they are as wide as can be seen.
    """
    groups: list[list[Interval]] = []
    narrow_before, begun, before = False, 0.0, 0.0  # where the last group begins and ends
    for row in ledger:
        start, end = axis.at(row.begin), axis.at(row.stop)
        narrow = end - start < NARROW
        if groups and narrow and narrow_before and _joins(groups[-1], row, before - begun < SEEN):
            groups[-1].append(row)
        else:
            groups.append([row])
            begun = start
        narrow_before, before = narrow, end
    return groups


def _joins(group: Sequence[Interval], row: Interval, small: bool) -> bool:
    alike = group[0].category == group[-1].category == row.category
    return group[-1].stop == row.begin and (alike or small)


def _mostly(group: Sequence[Interval]) -> str:
    """The category that most of a group's time belongs to."""
    sums: dict[str, float] = {}
    for row in group:
        sums[row.category] = sums.get(row.category, 0.0) + row.took
    return max(sums, key=lambda name: (sums[name], name))


def _ledger_mark(group: Sequence[Interval], log: Log, axis: Axis) -> Mark:
    first, last = group[0], group[-1]
    start, end = axis.at(first.begin), axis.at(last.stop)
    category = _mostly(group)
    css = f"c-{category}"
    if end - start < NARROW:  # three pixels: nothing to point at, and the table has it
        return Mark(css, start, end, "", "", edge=False)
    owner = text(first.owner, 80) if len(group) == 1 else count(len(group), "short interval")
    window = f"{clock(first.start)} – {clock(last.end)} ({duration((last.stop - first.begin) / 1e6)})"
    lines = log.brief(first.first_record, last.last_record)
    title = " · ".join(part for part in (f"{category}: {owner}", window, lines) if part)
    return Mark(css, start, end, log.names.short(owner), log.names.short(title))


def _span_mark(row: Span, log: Log, axis: Axis, entity: str) -> Mark:
    failed = row.status == "error"
    name = span_name(row)
    about = row.attributes.get("vm")
    if known(about) and str(about) != entity and row.kind == "stage":
        name = f"{name} ({text(about, 40)})"
    if row.is_open:
        window, took = f"{clock(row.start)} – end unknown", ""
    else:
        sign = "≤ " if row.ends == "before" else ""
        window = f"{clock(row.start)} – {sign}{clock(row.end)}"
        took = f" ({sign}{duration(row.took)})"
    told = hostside.note(row)
    said = f"{'failed: ' if failed else ''}{name} · {window}{took}" + (f" · {told}" if told else "")
    title = _with_lines(said, row, log)
    return Mark(
        css_of(row),
        axis.at(row.begin),
        100.0 if row.is_open else axis.at(row.stop),
        f"✕ {name}" if failed else name,
        title,
        open_end=row.is_open or row.ends != "logged",
        failed=failed,
    )


def _wide(path: Sequence[tuple[Step, Span]], axis: Axis) -> Iterable[tuple[Step, Span]]:
    """The steps that can be seen; what is between them is in the table."""
    least = NARROW / 100 * axis.length * 1e6 - 1  # microseconds
    return (
        (step, row)
        for step, row in path
        if step.stop - step.begin >= least and axis.at(step.stop) - axis.at(step.begin) >= NARROW
    )


def _step_mark(step: Step, row: Span, log: Log, axis: Axis) -> Mark:
    took = duration(step.duration.total_seconds())
    window = f"{clock(step.start)} – {clock(step.end)} ({took})"
    title = _with_lines(f"on the critical path: {span_name(row)} · {window}", row, log)
    return Mark(f"{css_of(row)} crit", axis.at(step.begin), axis.at(step.stop), span_name(row, 60), title)


def css_of(row: Span) -> str:
    """The fill of a span: that of the category that its time has, or of its kind."""
    return KIND_CSS.get(row.kind, f"k-{row.kind}")


def span_name(row: Span, limit: int = 80) -> str:
    """What a span is called: its name, with its number where it is a job."""
    name = text(row.name, limit) or row.kind
    if row.kind not in ("job", "work"):
        return name
    number = row.attributes.get("job")
    job = f"job-{text(number, 20)}" if known(number) else ""
    return f"{name} {job}" if job and job not in name else name


def _with_lines(title: str, row: Span, log: Log) -> str:
    lines = log.brief(row.first_record, row.last_record)
    return f"{title} · {lines}" if lines else title


def _lane(label: str, marks: Sequence[Mark], top: int) -> Lane | None:
    """Bars in as few rows as their labels allow; the shortest are left out when there would be too many rows."""
    if not marks:
        return None
    connected = label in ("time", "critical")
    ends: list[float] = []
    bars: list[Bar] = []
    lost = 0
    for mark in sorted(marks, key=lambda m: (m.start, -m.end)):
        place, left, right = ("in" if _fits(mark) else "none", mark.start, mark.end) if connected else _placed(mark)
        row = next((i for i, end in enumerate(ends) if connected or end <= left + 1e-9), len(ends))
        if row >= MAX_ROWS:
            lost += 1
            continue
        if row == len(ends):
            ends.append(0.0)
        ends[row] = right
        beside = percent(mark.start if place == "before" else mark.end)
        bars.append(
            Bar(
                mark.css, percent(mark.start), percent(mark.end - mark.start), top + row * ROW, BAR, mark.label,
                place, beside, mark.title, mark.open_end, mark.failed, mark.edge,
            )
        )  # fmt: skip
    note = f"{lost} not drawn: more than {MAX_ROWS} at once" if lost else ""
    return Lane(label, top + 12, top, len(ends) * ROW, tuple(bars), note)


def _label_width(mark: Mark) -> float:
    return (len(mark.label) * CHARACTER + 10) / NOMINAL * 100


def _fits(mark: Mark) -> bool:
    return _label_width(mark) <= mark.end - mark.start


def _placed(mark: Mark) -> tuple[str, float, float]:
    """Where the label stands, and from where to where bar and label reach."""
    width = _label_width(mark)
    if not mark.label:
        return "none", mark.start, mark.end + TOUCH
    if _fits(mark):
        return "in", mark.start, mark.end
    if mark.end + width <= 100:
        return "after", mark.start, mark.end + width
    if mark.start - width >= 0:
        return "before", mark.start - width, mark.end
    return "in", mark.start, mark.end


def _bands(ledger: Sequence[Interval], axis: Axis) -> Iterable[Segment]:
    for row in (row for row in ledger if row.category == "unlogged"):
        width = axis.at(row.stop) - axis.at(row.begin)
        if width >= BAND_SHARE * 100:
            yield Segment("band", percent(axis.at(row.begin)), percent(width))


def _moments(operation: Any, axis: Axis) -> Iterable[Tick]:
    for name, label in (("returned", "job id returned"), ("completed", "completed"), ("client_seen", "client saw it")):
        moment = getattr(operation, name)
        if known(moment):
            yield Tick(percent(axis.at(micros(moment))), f"{label} {clock(moment)}", "middle")
