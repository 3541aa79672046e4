"""Moments in which the whole server stood still, and a clock that leaves them out.

A stopped process (garbage collection, a starved CPU, a stopped container) makes everything that was under way look
slow. Whatever else is judged by its duration is judged by this clock.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import Numbers, by_source, instants
from tracekit.parse.events import Events

LEAST = 4.5  # seconds: the slowest of the periodic threads that write at DEBUG does so every 4 s
USUAL = 1.5  # times the silence in which the log's time is usually spent
SHORT = 2.0  # seconds of a silence that a late tick proves
LATE = 0.5  # seconds by which such a tick is late, and at most so long after the silence
STEADY = 0.2  # seconds by which the last intervals of a ticking thread may differ from its usual one
BEFORE = 3  # intervals before a silence that must be steady


class Clock(NamedTuple):
    """Maps times to seconds of a server that never stands still."""

    edges: npt.NDArray[np.float64]  # beginnings and ends of the silences, seconds since the epoch
    lost: npt.NDArray[np.float64]  # silence up to each edge

    @classmethod
    def of(cls, still: pd.DataFrame) -> Clock:
        """From the frame of :func:`silences`."""
        start, end = seconds(still["start"]), seconds(still["end"])
        edges = np.column_stack([start, end]).ravel()
        lost = np.cumsum(np.column_stack([np.zeros(len(start)), end - start]).ravel())
        return cls(edges, lost)

    def awake(self, times: Any) -> npt.NDArray[np.float64]:
        """Seconds since the epoch without the silences before; NaN for NaT."""
        at = seconds(times)
        return at - np.interp(at, self.edges, self.lost, left=0.0) if len(self.edges) else at


def seconds(times: Any) -> npt.NDArray[np.float64]:
    """Seconds since the epoch of a column of naive times, NaN for NaT."""
    values = np.asarray(times).astype("datetime64[us]")
    made = values.astype(np.int64) / 1e6
    made[np.isnat(values)] = np.nan
    return made


def silences(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Stretches without a line of any thread: start, end, first, last (the lines around) and `usual` in seconds.

    A stretch counts when it is much longer than the silence in which this log usually spends its time, so a log cut
    to INFO or of an idle server has none. A shorter one counts when a thread that ticks (statements that mean
    `server.tick`) was due in it and came late, at its end. Restarts and the seams of two files are no silences.
    """
    starts = np.concatenate([np.empty(0, dtype=np.int64), *meaning(events, "server.start")])
    ticking = meaning(events, "server.tick")
    parts = [of_source(part, starts, ticking) for _, part in by_source(records, "ts", "job")]
    found = [part for part in parts if len(part)]
    columns = ["start", "end", "first", "last", "usual"]
    if not found:
        return pd.DataFrame(
            {name: pd.Series(dtype="datetime64[us]" if name in ("start", "end") else "float64") for name in columns}
        )
    return pd.concat(found, ignore_index=True).sort_values("start", ignore_index=True)


def meaning(events: Events, word: str) -> list[npt.NDArray[Any]]:
    """The records of each message rule that means `word`."""
    return [events.rows(rule).records for rule in events if events.messages.meanings[rule].means == word]


def of_source(records: pd.DataFrame, starts: Numbers, ticking: list[npt.NDArray[Any]]) -> pd.DataFrame:
    """Silences of one file; none in a file without jobs and requests, such as an agent's log."""
    if not records["job"].notna().any():
        return records.iloc[:0].assign(start=records["ts"].iloc[:0], end=records["ts"].iloc[:0])
    reached = np.maximum.accumulate(instants(records["ts"]))
    quiet = np.diff(reached, prepend=reached[:1])
    usual = usual_of(quiet)
    long = quiet >= max(LEAST * 1e6, USUAL * usual)
    at = np.flatnonzero((quiet >= SHORT * 1e6) | long)
    number = records.index
    at = at[~np.isin(number.take(at), starts)]
    begin, end = (reached[some].view("datetime64[us]") for some in (at - 1, at))
    late = long[at] | ticked_late(seconds(begin), seconds(end), ticks(records, ticking))
    return pd.DataFrame(
        {
            "start": begin[late],
            "end": end[late],
            "first": number.take(at[late] - 1),
            "last": number.take(at[late]),
            "usual": usual / 1e6,
        }
    )


def usual_of(quiet: Numbers) -> int:
    """The silence in which a log usually spends its time: half of its time is in ones as long or longer."""
    ordered = np.sort(quiet[quiet != 0])
    return int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]) if len(ordered) else 0


def ticks(records: pd.DataFrame, ticking: list[npt.NDArray[Any]]) -> list[npt.NDArray[np.float64]]:
    """Times at which each periodic thread of a file ticked."""
    places = (records.index.get_indexer(pd.Index(every)) for every in ticking)
    return [np.sort(seconds(records["ts"].array[place[place >= 0]])) for place in places]


def ticked_late(
    begin: npt.NDArray[np.float64], end: npt.NDArray[np.float64], every: list[npt.NDArray[np.float64]]
) -> npt.NDArray[np.bool_]:
    """For each silence whether a thread that had ticked steadily was due in it and came LATE, when it was over.

    A thread whose next tick was due after the silence, or that went on ticking at its own pace, proves nothing.
    """
    made = np.zeros(len(begin), dtype=bool)
    for times in every:
        if len(times) <= BEFORE + 1:
            continue
        period = float(np.median(np.diff(times)))
        strange = np.concatenate([[0], np.cumsum(np.abs(np.diff(times) - period) > STEADY)])
        next_ = np.searchsorted(times, begin, "right")
        known = (next_ > BEFORE) & (next_ < len(times))
        after = np.clip(next_, BEFORE + 1, len(times) - 1)
        steady = strange[after - 1] == strange[after - 1 - BEFORE]
        due = times[after - 1] + period
        made |= known & steady & (due > begin) & (end - due >= LATE) & (times[after] - end <= LATE)
    return made
