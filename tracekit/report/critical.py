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

import numpy as np
import pandas as pd

from tracekit.frames import NEVER, instants, micros, moment, numbers_of

# The later in this order carries the operation while both are there.
CARRIERS: Mapping[str, int] = {"request": 0, "job": 1, "queue": 2, "work": 3}
NOT_STEPS = ("stage", "state")


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


class Stretch(NamedTuple):
    """One span that may hold the operation up; times in microseconds since the epoch."""

    kind: str
    span: int
    parent: int  # -1: none
    depth: int
    start: int
    end: int  # of one that is open the operation's


class Candidate(NamedTuple):
    """A span of which the smallest key holds the operation up while it is there; times as above."""

    key: tuple[int, int, int]
    span: int
    start: int
    end: int


def critical_path(spans: pd.DataFrame, start: datetime, end: datetime) -> list[Step]:
    """Steps from `start` (submitted) to `end` (completed) without hole or overlap; [] where `spans` has none.

    `spans` are those of one operation. Polls are no steps: a client that looks does not hold anything up.
    """
    low, high = micros(start), micros(end)
    steps = stretches_of(spans, high)
    carriers = carriers_of(steps)
    there = [
        Candidate(key_of(row, carrier), row.span, max(row.start, low), row.end)
        for row in steps
        if (carrier := carriers[row.span]) is not None and row.end > low
    ]
    if not there:
        return []
    edges = sorted({low, high, *(one.start for one in there), *(min(one.end, high) for one in there)})
    return sweep(there, edges)


def stretches_of(spans: pd.DataFrame, end: int) -> list[Stretch]:
    """The spans that can be steps and begin before `end`, in their order."""
    begin, stop = instants(spans["start"]), instants(spans["end"])
    kind = spans["kind"].array
    step = np.array([*(name not in NOT_STEPS for name in kind.categories), False])
    at = np.flatnonzero(step[kind.codes] & (begin != NEVER) & (begin < end))
    numbers = (
        spans["span"].to_numpy(),
        numbers_of(spans["parent"]),
        spans["depth"].to_numpy(),
        begin,
        np.where(stop == NEVER, end, stop),
    )
    kinds = map(kind.categories.tolist().__getitem__, kind.codes[at].tolist())
    return list(map(Stretch._make, zip(kinds, *(column[at].tolist() for column in numbers), strict=True)))


def carriers_of(steps: Sequence[Stretch]) -> dict[int, Stretch | None]:
    """For each span the request, queue, job or work job on whose thread it lies; None below a poll."""
    made: dict[int, Stretch | None] = {}
    first = next((row.span for row in steps if row.kind == "request"), None)  # later requests are its polls
    for row in steps:
        if row.kind in CARRIERS:
            made[row.span] = None if row.kind == "request" and row.span != first else row
        else:
            made[row.span] = made.get(row.parent)
    return made


def key_of(row: Stretch, carrier: Stretch) -> tuple[int, int, int]:
    """Smallest for the step that holds the operation up: latest carrier, latest end, innermost."""
    return (-CARRIERS[carrier.kind], -carrier.end, -row.depth)


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


def savings(steps: Sequence[Step], spans: pd.DataFrame) -> dict[int, timedelta]:
    """For each span on the path the time that the operation would save without it and all that lies below it."""
    saved: dict[int, int] = {}  # microseconds
    for step in steps:
        saved[step.span] = saved.get(step.span, 0) + step.stop - step.begin
    # Backwards, because parents come before children: what lies below a span is added up when it is reached.
    numbers = spans["span"].tolist(), numbers_of(spans["parent"]).tolist()
    for span, parent in zip(*map(reversed, numbers), strict=True):
        if span in saved and parent >= 0:
            saved[parent] = saved.get(parent, 0) + saved[span]
    return {span: timedelta(microseconds=length) for span, length in saved.items()}
