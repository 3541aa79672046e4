"""Moments at which several operations stood still together inside the management server.

What waits for a host, for its turn in a queue or for a thread waits by design; everything else that an operation does
is over in less than a second. Where several take longer at the same time they have one reason. When the whole server
stands still everything does, whatever it waits for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit import frames
from tracekit.schema import STALLS, check, frame

INSIDE = ("lock", "database", "execution", "unlogged")  # categories of the ledger
LEAST = 1.0  # seconds of an interval, and of what several share
TOGETHER = 3  # operations
MOST = 20  # names that a row lists
SILENT = "no thread of the server wrote a line"

Numbers = npt.NDArray[np.int64]


def stalls(ledger: pd.DataFrame, operations: pd.DataFrame, silences: pd.DataFrame) -> pd.DataFrame:
    """Table STALLS: stretches in which TOGETHER operations or more each spent LEAST in one interval, worst first.

    Intervals are those of the ledger in a category of INSIDE. The whole server's `silences` (`diagnose.clock`) are
    stretches of their own, however many operations were under way.
    """
    long = ledger["end"] - ledger["start"] >= pd.Timedelta(seconds=LEAST)
    still = ledger[long & ledger["category"].isin(INSIDE) & ledger["operation"].isin(operations["operation"])]
    still = still.drop_duplicates(["operation", "start", "end"])
    start, end = micros(still["start"]), micros(still["end"])
    rows = []
    for low, high in shared(start, end):
        at = np.flatnonzero((start < high) & (end > low))
        peak = most_at_once(start[at], end[at])
        together = still.iloc[at[(start[at] <= peak) & (end[at] > peak)]]
        rows.append(stall(low, high, together, len(under_way(operations, peak))))
    rows += [silence(one, operations) for one in frames.rows(silences)]
    rows.sort(key=lambda row: (-row["operations"] * row["duration"], row["start"]))
    return check(frame(STALLS, {name: [row[name] for row in rows] for name in STALLS}), STALLS, "stalls")


def under_way(operations: pd.DataFrame, moment: int) -> list[str]:
    """Operations that had begun and not ended at a moment."""
    begun, over = micros(operations["submitted"]), micros(operations["completed"])
    open_ = operations["completed"].isna().to_numpy()
    mine = operations["submitted"].notna().to_numpy() & (begun <= moment) & (open_ | (over > moment))
    return operations["operation"][mine].astype("object").tolist()


def silence(one: Any, operations: pd.DataFrame) -> dict[str, Any]:
    """One row: the whole server stood still."""
    names = under_way(operations, int(one.start.to_datetime64().astype("datetime64[us]").astype(np.int64)))
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


def shared(start: Numbers, end: Numbers) -> list[tuple[int, int]]:
    """Stretches of LEAST or more that at least TOGETHER intervals cover throughout."""
    moments = np.concatenate([start, end])
    order = np.lexsort((np.repeat([1, 0], len(start)), moments))  # what ends makes room first
    level = np.cumsum(np.repeat([1, -1], len(start))[order])
    crowded = np.concatenate([[False], level >= TOGETHER, [False]])
    edges = np.flatnonzero(crowded[1:] != crowded[:-1])
    bounds = moments[order][edges].reshape(-1, 2)
    return [(int(low), int(high)) for low, high in bounds if high - low >= LEAST * 1e6]


def most_at_once(start: Numbers, end: Numbers) -> int:
    """The first moment at which most of the intervals are under way."""
    level = np.searchsorted(np.sort(start), start, "right") - np.searchsorted(np.sort(end), start, "right")
    return int(start[level == level.max()].min())


def stall(low: int, high: int, still: pd.DataFrame, under_way: int) -> dict[str, Any]:
    """One row: who stood still in a stretch and for what most of them waited."""
    said = still["category"].astype("object") + ": " + still["owner"].astype("object").fillna("no rule explains it")
    longest = still.iloc[int((still["end"] - still["start"]).argmax())]
    return {
        "start": pd.Timestamp(low, unit="us"),
        "end": pd.Timestamp(high, unit="us"),
        "duration": pd.Timedelta(microseconds=high - low),
        "operations": int(still["operation"].nunique()),
        "under_way": under_way,
        "waited": said.value_counts().index[0],
        "names": list(dict.fromkeys(still["operation"]))[:MOST],
        "first_record": longest["first_record"],
        "last_record": longest["last_record"],
    }


def micros(times: pd.Series[Any]) -> Numbers:
    """Microseconds since the epoch."""
    return times.to_numpy().astype("datetime64[us]").astype(np.int64)
