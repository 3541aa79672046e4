"""All operations over time, twice from the same points: a static drawing, and the Plotly figure that takes its place.

The figure is written as the plotly package would write it, which takes 0.2 s to load. What draws it is not the 4.8 MB
bundle of that package, of which a page would take 2 MB, but plotly.js' own basic bundle, under reports/assets/vendor.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple, Self

import pandas as pd

from tracekit.frames import micros, moment
from tracekit.prepared import prepared
from tracekit.report.model import Dot, Overview
from tracekit.report.scale import Axis, percent, ticks
from tracekit.report.shapes import Tick
from tracekit.report.words import between, clock, count, duration
from tracekit.resources import reports

PLOT_TOP, PLOT_HEIGHT, PLOT_FOOT = 16, 252, 30  # pixels
MAX_DOTS = 400  # in the static drawing
MAX_POINTS = 2500  # in the Plotly figure
LABELLED = 5
# Pixels: width of the static drawing at least, of a letter, of what stands between mark and name and behind it, between
# two names one above the other.
NARROWEST, LETTER, GAP, LINE = 556, 7, 14, 14
ASIDE = 85  # percent from the left; behind it a name stands before its mark
SYMBOLS = {
    "succeeded": "circle",
    "failed": "x",
    "cancelled": "square",
    "unfinished": "triangle-right",
    "unknown": "diamond",
}
DECADES = (
    (0.001, "1 ms"),
    (0.01, "10 ms"),
    (0.1, "100 ms"),
    (1, "1 s"),
    (10, "10 s"),
    (100, "100 s"),
    (1000, "1000 s"),
    (10_000, "10,000 s"),
    (100_000, "100,000 s"),
)
LEAST = 0.001  # seconds; what took no time that the log shows is drawn at one millisecond


class Point(NamedTuple):
    """One operation."""

    operation: str
    href: str
    title: str
    status: str
    begin: int  # microseconds since the epoch
    seconds: float

    @classmethod
    def of(cls, operation: str, href: str, label: str, status: str, begin: int, seconds: float) -> Self:
        """One with a title that says all of it; `label` is what it did."""
        took = f"{'has taken ' if status == 'unfinished' else ''}{duration(seconds)}"
        title = f"{operation} {label} · {clock(moment(begin))} · {took} · {status}"
        return cls(operation, href, title, status, begin, seconds)

    @property
    def start(self) -> datetime:
        """When it began."""
        return moment(self.begin)


class Reach(NamedTuple):
    """How many operations there are and how far they reach, those that are not drawn among them."""

    operations: int
    start: datetime
    last: datetime
    shortest: float  # seconds
    longest: float


class Bundle(NamedTuple):
    """plotly.js: what the page carries, and what tells the script it unpacks to from others."""

    packed: str  # gzip, base64
    digest: str  # of the script, as a policy names it


def overview(longest: Sequence[Point], reach: Reach) -> Overview:
    """The overview of operations whose beginning is known: those that took longest, at most MAX_POINTS, in this order.

    `reach` is that of all of them.
    """
    start = reach.start
    axis = Axis(micros(start), max(between(start, reach.last) or 0.0, LEAST))
    low, high = _decades(reach)
    down = _scale(low, high)
    drawn = sorted(longest[:MAX_DOTS], key=lambda point: (point.begin, point.operation))
    labelled = _labelled(longest[: 4 * LABELLED], axis, down)
    end = axis.start + timedelta(seconds=axis.length)
    return Overview(
        title="All operations over time",
        description=(
            f"{count(reach.operations, 'operation')} from {clock(start)} to {clock(end)}. Each line goes from the "
            "beginning to the end of an operation; the higher it is, the longer it took. The table holds the same "
            "figures."
        ),
        height=PLOT_TOP + PLOT_HEIGHT + PLOT_FOOT,
        x_ticks=tuple(_clocked(ticks(axis.length), axis)),
        y_ticks=tuple((down(value), label) for value, label in DECADES if low <= value <= high),
        dots=tuple(_dot(point, axis, down, point.operation in labelled) for point in drawn),
        figure=_figure(sorted(longest, key=lambda point: (point.begin, point.operation)), low, high),
        left_out=_left_out(reach.operations),
    )


@cache
def bundle() -> Bundle:
    """The vendored plotly.js; read once."""
    folders = [entry for entry in (reports() / "assets" / "vendor").iterdir() if entry.name.startswith("plotly-basic-")]
    packed = (folders[0] / "plotly-basic.min.js.gz").read_bytes()
    digest = prepared("plotly", hashlib.sha256(packed).hexdigest(), lambda: digest_of(gzip.decompress(packed)))
    return Bundle(base64.b64encode(packed).decode("ascii"), digest)


def digest_of(script: bytes) -> str:
    """What tells a script or a style sheet from others in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode('ascii')}'"


def _decades(reach: Reach) -> tuple[float, float]:
    """The powers of ten that hold all durations."""
    low = 10.0 ** math.floor(math.log10(max(reach.shortest, LEAST)) + 1e-9)
    high = 10.0 ** math.ceil(math.log10(max(reach.longest, LEAST)) - 1e-9)
    return low, max(high, low * 10)


def _scale(low: float, high: float) -> Callable[[float], int]:
    reach = math.log10(high / low)

    def down(value: float) -> int:
        part = math.log10(max(value, LEAST) / low) / reach
        return round(PLOT_TOP + PLOT_HEIGHT * (1 - part))

    return down


def _labelled(longest: Iterable[Point], axis: Axis, down: Callable[[float], int]) -> set[str]:
    """The first operations whose names have room beside those that stand already."""
    names: dict[str, tuple[float, float, int]] = {}  # where the name stands
    for point in longest:
        x, y, width = axis.at(point.begin), down(point.seconds), (len(point.operation) * LETTER + GAP) / NARROWEST * 100
        left = x - width if x > ASIDE else x
        room = all(left + width < start or end < left or abs(y - at) >= LINE for start, end, at in names.values())
        if room and len(names) < LABELLED:
            names[point.operation] = (left, left + width, y)
    return set(names)


def _clocked(marks: Iterable[Tick], axis: Axis) -> Iterable[Tick]:
    for mark in marks:
        time = axis.start + pd.Timedelta(seconds=axis.length * float(mark.x) / 100).round("ms")
        label = f"{time:%H:%M:%S}" if axis.length >= 20 else clock(time)
        yield Tick(mark.x, label, mark.anchor, mark.minor)


def _dot(point: Point, axis: Axis, down: Callable[[float], int], labelled: bool) -> Dot:
    x = axis.at(point.begin)
    end = axis.at(point.begin + round(point.seconds * 1e6))
    return Dot(
        css=f"s-{point.status}",
        x=percent(x),
        width=percent(end - x),
        y=down(point.seconds),
        label=point.operation if labelled else "",
        anchor="end" if x > ASIDE else "start",
        title=point.title,
        href=point.href,
    )


def _left_out(total: int) -> str:
    if total > MAX_POINTS:
        return f"The {MAX_POINTS:,} longest of {total:,} operations are drawn; tracekit operations LOG lists all."
    return f"Without scripts the {MAX_DOTS:,} longest of {total:,} operations are drawn." if total > MAX_DOTS else ""


def _figure(points: Sequence[Point], low: float, high: float) -> dict[str, object]:
    """Plotly's JSON. Colours come from the page's style sheet, by each trace's `meta`."""
    members = {status: [point for point in points if point.status == status] for status in SYMBOLS}
    drawn = [_markers(status, mine) for status, mine in members.items() if mine]
    return {"data": [_lines(points), *drawn], "layout": _layout(low, high)}


def _lines(points: Sequence[Point]) -> dict[str, object]:
    """A line from the beginning to the end of each operation."""
    xs: list[object] = []
    ys: list[float | None] = []
    for point in points:
        height = max(point.seconds, LEAST)
        end = point.start + timedelta(seconds=point.seconds)
        xs += [point.start.isoformat(), end.isoformat(), None]
        ys += [height, height, None]
    return {
        "hoverinfo": "skip",
        "line": {"width": 3},
        "meta": "line",
        "mode": "lines",
        "showlegend": False,
        "x": xs,
        "y": ys,
        "type": "scatter",
    }


def _markers(status: str, points: Sequence[Point]) -> dict[str, object]:
    """A mark at the beginning of each operation that ended so."""
    return {
        "customdata": [point.href for point in points],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 9, "symbol": SYMBOLS[status]},
        "meta": status,
        "mode": "markers",
        "name": f"{status} ({len(points)})",
        # Plotly reads a subset of HTML in hover texts.
        "text": [html.escape(point.title) for point in points],
        "x": [point.start.isoformat() for point in points],
        "y": [max(point.seconds, LEAST) for point in points],
        "type": "scatter",
    }


def _layout(low: float, high: float) -> dict[str, object]:
    """Axes and margins; an empty template instead of Plotly's own colours."""
    within = [(value, label) for value, label in DECADES if low <= value <= high]
    return {
        "template": {"data": {"scatter": [{"type": "scatter"}]}},
        "margin": {"l": 72, "r": 16, "t": 32, "b": 44},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"type": "date", "showgrid": True, "tickangle": 0, "nticks": 8},
        "yaxis": {
            "type": "log",
            "tickvals": [value for value, _ in within],
            "ticktext": [label for _, label in within],
            "range": [math.log10(low) - 0.1, math.log10(high) + 0.1],
            "zeroline": False,
        },
        "height": 320,
        "hovermode": "closest",
        "dragmode": "zoom",
    }
