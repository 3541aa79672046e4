"""The critical path of one operation: which step held it up at each instant of its wall time.

The path follows the work over threads. While a work job runs the API job only waits, so the work job's innermost call
or command is the step; before it, its queue; before that, the API job; before that, the request. Of two that run at
the same time the one that ends later is waited for. So each instant has exactly one step, and without a step the
operation would have been shorter by the step's time on the path.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tracekit.frames import NEVER, micros, moment
from tracekit.report.spans import Span

# The later in this order carries the operation while both are there.
CARRIERS: Mapping[str, int] = {"request": 0, "job": 1, "queue": 2, "work": 3}
NOT_STEPS = ("stage", "state")

Carrier = tuple[int, int]  # smaller for the one that carries the operation: the later in CARRIERS, then in its end


class Step(NamedTuple):
    """One stretch of the path; times in microseconds since the epoch."""

    begin: int
    stop: int
    span: int

    @property
    def start(self) -> datetime:
        """When the span began to hold the operation up."""
        return moment(self.begin)

    @property
    def end(self) -> datetime:
        """When another one did."""
        return moment(self.stop)

    @property
    def duration(self) -> timedelta:
        """How long the operation was held up here."""
        return timedelta(microseconds=self.stop - self.begin)


class Candidate(NamedTuple):
    """A span of which the smallest key holds the operation up while it is there; times as above."""

    key: tuple[int, int, int]  # latest carrier, latest end, innermost
    span: int
    start: int
    end: int


def critical_path(spans: Sequence[Span], start: datetime, end: datetime) -> list[Step]:
    """Steps from `start` (submitted) to `end` (completed) without hole or overlap; [] where `spans` has none.

    `spans` are those of one operation. Polls are no steps: a client that looks does not hold anything up.
    """
    low, high = micros(start), micros(end)
    steps = [row for row in spans if row.kind not in NOT_STEPS and NEVER < row.begin < high]
    stops = [high if row.stop == NEVER else row.stop for row in steps]
    carriers = carriers_of(steps, stops)
    there = [
        Candidate((*carrier, -row.depth), row.span, max(row.begin, low), stop)
        for row, stop in zip(steps, stops, strict=True)
        if stop > low and (carrier := carriers[row.span])
    ]
    if not there:
        return []
    edges = sorted({low, high, *(one.start for one in there), *(min(one.end, high) for one in there)})
    return sweep(there, edges)


def carriers_of(steps: Sequence[Span], stops: Sequence[int]) -> dict[int, Carrier | None]:
    """For each span the request, queue, job or work job on whose thread it lies; None below a poll."""
    made: dict[int, Carrier | None] = {}
    first = next((row.span for row in steps if row.kind == "request"), None)  # later requests are its polls
    for row, stop in zip(steps, stops, strict=True):
        if row.kind in CARRIERS:
            poll = row.kind == "request" and row.span != first
            made[row.span] = None if poll else (-CARRIERS[row.kind], -stop)
        else:
            made[row.span] = made.get(row.parent)
    return made


def sweep(there: Sequence[Candidate], edges: Sequence[int]) -> list[Step]:
    """Between two edges the best step that is there; where none is, the one before goes on."""
    best = sorted(there)
    waiting = sorted(range(len(best)), key=lambda rank: best[rank].start)
    made: list[list[int]] = []
    active: list[int] = []  # ranks among the best
    at, span = 0, min(there, key=lambda one: one.start).span
    for low, high in itertools.pairwise(edges):
        while at < len(waiting) and best[waiting[at]].start <= low:
            heapq.heappush(active, waiting[at])
            at += 1
        while active and best[active[0]].end <= low:
            heapq.heappop(active)
        span = best[active[0]].span if active else span
        if made and made[-1][2] == span:
            made[-1][1] = high
        else:
            made.append([low, high, span])
    return list(map(Step._make, made))


def savings(steps: Sequence[Step], spans: Sequence[Span]) -> dict[int, timedelta]:
    """For each span on the path the time that the operation would save without it and all that lies below it."""
    saved: dict[int, int] = {}  # microseconds
    for step in steps:
        saved[step.span] = saved.get(step.span, 0) + step.stop - step.begin
    # Backwards, because parents come before children: what lies below a span is added up when it is reached.
    for row in reversed(spans):
        if row.parent >= 0 and row.span in saved:
            saved[row.parent] = saved.get(row.parent, 0) + saved[row.span]
    return {span: timedelta(microseconds=length) for span, length in saved.items()}
