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
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tracekit.frames import micros, rows

# The later in this order carries the operation while both are there.
CARRIERS: Mapping[str, int] = {"request": 0, "job": 1, "queue": 2, "work": 3}
NOT_STEPS = ("stage", "state")


@dataclass(frozen=True)
class Step:
    """One stretch of the path."""

    start: pd.Timestamp
    end: pd.Timestamp
    span: int

    @property
    def duration(self) -> pd.Timedelta:
        """How long the operation was held up here."""
        return self.end - self.start


def critical_path(spans: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> list[Step]:
    """Steps from `start` (submitted) to `end` (completed) without hole or overlap; [] where `spans` has none.

    `spans` are those of one operation. Polls are no steps: a client that looks does not hold anything up.
    """
    steps = [row for row in rows(spans[~spans["kind"].isin(NOT_STEPS)]) if row.start < end]
    carriers = carriers_of(steps, end)
    waiting = sorted(
        (
            (max(row.start, start), stop_of(row, end), key_of(row, carriers[row.span], end), row.span)
            for row in steps
            if carriers[row.span] is not None and stop_of(row, end) > start
        ),
        key=lambda item: item[0],
    )
    if not waiting:
        return []
    edges = sorted({start, end, *(item[0] for item in waiting), *(min(item[1], end) for item in waiting)})
    return joined(sweep(waiting, edges))


def carriers_of(steps: Sequence[Any], end: pd.Timestamp) -> dict[int, Any]:
    """For each span the request, queue, job or work job on whose thread it lies; None below a poll."""
    made: dict[int, Any] = {}
    roots = [row for row in steps if row.kind == "request"]
    first = roots[0].span if roots else None  # later requests of an operation are its polls
    for row in steps:
        if row.kind in CARRIERS:
            made[row.span] = None if row.kind == "request" and row.span != first else row
        else:
            made[row.span] = made.get(int(row.parent)) if pd.notna(row.parent) else None
    return made


def stop_of(row: Any, end: pd.Timestamp) -> pd.Timestamp:
    """End of a span; an open one lasts to the operation's end."""
    return end if pd.isna(row.end) else row.end


def key_of(row: Any, carrier: Any, end: pd.Timestamp) -> tuple[int, int, int]:
    """Smallest for the step that holds the operation up: latest carrier, latest end, innermost."""
    late = stop_of(carrier, end).to_datetime64().astype(np.int64) if carrier is not None else 0
    return (-CARRIERS[carrier.kind], -int(late), -int(row.depth))


def sweep(waiting: Sequence[tuple[Any, ...]], edges: Sequence[pd.Timestamp]) -> list[Step]:
    """Between two edges the best step that is there; where none is, the one before goes on."""
    made: list[Step] = []
    active: list[tuple[tuple[int, int, int], int, pd.Timestamp]] = []
    at = 0
    for low, high in itertools.pairwise(edges):
        while at < len(waiting) and waiting[at][0] <= low:
            heapq.heappush(active, (waiting[at][2], waiting[at][3], waiting[at][1]))
            at += 1
        while active and active[0][2] <= low:
            heapq.heappop(active)
        span = active[0][1] if active else made[-1].span if made else waiting[0][3]
        made.append(Step(low, high, span))
    return made


def joined(steps: Sequence[Step]) -> list[Step]:
    """Neighbours of one span as one step."""
    made: list[Step] = []
    for step in steps:
        if made and made[-1].span == step.span:
            made[-1] = Step(made[-1].start, step.end, step.span)
        else:
            made.append(step)
    return made


def savings(steps: Sequence[Step], spans: pd.DataFrame) -> dict[int, pd.Timedelta]:
    """For each span on the path the time that the operation would save without it and all that lies below it."""
    parent = dict(zip(spans["span"].tolist(), spans["parent"].astype("Int64").fillna(-1).tolist(), strict=True))
    saved: dict[int, int] = {}  # microseconds
    for step in steps:
        length, at = micros(step.end) - micros(step.start), step.span
        while at >= 0:
            saved[at] = saved.get(at, 0) + length
            at = parent.get(at, -1)
    return {span: pd.Timedelta(length, "us") for span, length in saved.items()}
