"""Scales of the drawings: time across in per cent, marks at round numbers, stacked bars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from tracekit.frames import moment
from tracekit.report.shapes import Segment, Tick
from tracekit.report.words import duration, words


class Axis(NamedTuple):
    """A stretch of time across a drawing."""

    begin: int  # microseconds since the epoch
    length: float  # seconds

    @property
    def start(self) -> datetime:
        """Where it begins."""
        return moment(self.begin)

    def at(self, time: int) -> float:
        """Per cent of a time in microseconds, kept within the drawing."""
        part = (time - self.begin) / 1e6 / self.length * 100 if self.length > 0 else 0.0
        return 0.0 if part <= 0 else 100.0 if part >= 100 else part


def percent(value: float) -> str:
    """A coordinate: three decimals at most."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def tenths(value: float) -> str:
    """A coordinate of a small drawing: one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")


def ticks(length: float, wanted: int = 8) -> tuple[Tick, ...]:
    """Marks at round numbers of seconds since the beginning, about `wanted` of them."""
    if length <= 0:
        return ()
    step = _round_step(length / wanted)
    marks = []
    for i in range(int(length / step) + 1):
        x = i * step / length * 100
        anchor = "start" if x < 2 else "end" if x > 97 else "middle"
        marks.append(Tick(percent(x), _offset(i * step, step), anchor, minor=i % 2 == 1))
    return tuple(marks)


def stacked(intervals: Iterable[tuple[str, float]]) -> tuple[Segment, ...]:
    """A stacked bar of (category, seconds) in the legend's order; categories without time are left out."""
    sums: dict[str, float] = {}
    for category, value in intervals:
        sums[category] = sums.get(category, 0.0) + value
    total = sum(sums.values())
    segments, x = [], 0.0
    for entry in words().categories:
        value = sums.get(entry.key, 0.0)
        if value <= 0 or total <= 0:
            continue
        width = value / total * 100
        segments.append(Segment(f"c-{entry.key}", f"{x:.2f}", f"{width:.2f}", f"{entry.label} {duration(value)}"))
        x += width
    return tuple(segments)


def _round_step(least: float) -> float:
    """The round number of seconds that is `least` or just above."""
    for step in (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600):
        if 5 < least <= step:
            return float(step)
    decade = 10.0 ** math.floor(math.log10(least))
    return next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= least * (1 - 1e-9))


def _offset(value: float, step: float) -> str:
    if value == 0:
        return "0"
    if value >= 60 and step >= 60:
        return f"+{value / 60:g} min"
    return (
        f"+{value:g} s"
        if step >= 1
        else f"+{value * 1000:g} ms"
        if step < 0.01 or value < 1
        else f"+{round(value, 6):g} s"
    )
