"""Moments at which several operations stood still together inside the management server.

What waits for a host, for its turn in a queue or for a thread waits by design; everything else that an operation does
is over in less than a second. Where several take longer at the same time they have one reason. When the whole server
stands still everything does, whatever it waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.schema import STALLS, check, frame

INSIDE = ("lock", "database", "execution", "unlogged")  # categories of the ledger
LEAST = 1.0  # seconds of an interval, and of what several share
TOGETHER = 3  # operations
MOST = 20  # names that a row lists
SILENT = "no thread of the server wrote a line"


def stalls(ledger: pd.DataFrame, operations: pd.DataFrame, silences: pd.DataFrame) -> pd.DataFrame:
    """Table STALLS: stretches in which TOGETHER operations or more each spent LEAST in one interval, worst first.

    Intervals are those of the ledger in a category of INSIDE. The whole server's `silences` (`diagnose.clock`) are
    stretches of their own, however many operations were under way.
    """
    long = frames.instants(ledger["end"]) - frames.instants(ledger["start"]) >= LEAST * 1e6
    still = ledger.take(np.flatnonzero(long & frames.among(ledger["category"], INSIDE)))
    still = still[still["operation"].isin(operations["operation"])].drop_duplicates(["operation", "start", "end"])
    start, end = frames.instants(still["start"]), frames.instants(still["end"])
    open_ = UnderWay(operations)
    rows = []
    for low, high in shared(start, end):
        at = np.flatnonzero((start < high) & (end > low))
        peak = most_at_once(start[at], end[at])
        together = still.iloc[at[(start[at] <= peak) & (end[at] > peak)]]
        rows.append(stall(low, high, together, len(open_.at(peak))))
    rows += [silence(one, open_.at(frames.micros(one.start))) for one in frames.rows(silences)]
    rows.sort(key=lambda row: (-row["operations"] * row["duration"], row["start"]))
    return check(frame(STALLS, {name: [row[name] for row in rows] for name in STALLS}), STALLS, "stalls")


class UnderWay:
    """Operations by the time in which they were under way."""

    def __init__(self, operations: pd.DataFrame) -> None:
        begun, over = (frames.instants(operations[name]) for name in ("submitted", "completed"))
        at = np.flatnonzero(begun != frames.NEVER)
        self._names, self._begun = operations["operation"].to_numpy(dtype=object)[at], begun[at]
        self._over = np.where(over == frames.NEVER, np.iinfo(np.int64).max, over)[at]

    def at(self, moment: int) -> list[str]:
        """Those that had begun and not ended at a moment."""
        return self._names[(self._begun <= moment) & (self._over > moment)].tolist()  # type: ignore[no-any-return]


def silence(one: Any, names: Sequence[str]) -> dict[str, Any]:
    """One row: the whole server stood still, with these operations under way."""
    return {
        "start": one.start,
        "end": one.end,
        "duration": one.end - one.start,
        "operations": len(names),
        "under_way": len(names),
        "waited": SILENT,
        "names": names[:MOST],
        "first_record": one.first,
        "last_record": one.last,
    }


def shared(start: frames.Numbers, end: frames.Numbers) -> list[tuple[int, int]]:
    """Stretches of LEAST or more that at least TOGETHER intervals cover throughout."""
    moments = np.concatenate([start, end])
    order = np.lexsort((np.repeat([1, 0], len(start)), moments))  # what ends makes room first
    level = np.cumsum(np.repeat([1, -1], len(start))[order])
    crowded = np.concatenate([[False], level >= TOGETHER, [False]])
    edges = np.flatnonzero(crowded[1:] != crowded[:-1])
    bounds = moments[order][edges].reshape(-1, 2)
    return [(int(low), int(high)) for low, high in bounds if high - low >= LEAST * 1e6]


def most_at_once(start: frames.Numbers, end: frames.Numbers) -> int:
    """The first moment at which most of the intervals are under way."""
    level = np.searchsorted(np.sort(start), start, "right") - np.searchsorted(np.sort(end), start, "right")
    return int(start[level == level.max()].min())


def stall(low: int, high: int, still: pd.DataFrame, under_way: int) -> dict[str, Any]:
    """One row: who stood still in a stretch and for what most of them waited."""
    owners = still["owner"].fillna("no rule explains it")
    said = (f"{category}: {owner}" for category, owner in zip(still["category"], owners, strict=True))
    longest = still.iloc[int((still["end"] - still["start"]).argmax())]
    return {
        "start": pd.Timestamp(low, unit="us"),
        "end": pd.Timestamp(high, unit="us"),
        "duration": pd.Timedelta(microseconds=high - low),
        "operations": len(set(still["operation"])),
        "under_way": under_way,
        "waited": Counter(said).most_common(1)[0][0],
        "names": list(dict.fromkeys(still["operation"]))[:MOST],
        "first_record": longest["first_record"],
        "last_record": longest["last_record"],
    }
