"""Moments in which the whole server stood still, and a clock that leaves them out.

A stopped process (garbage collection, a starved CPU, a stopped container) makes everything that was under way look
slow. Whatever else is judged by its duration is judged by this clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.parse.events import Events

LEAST = 4.5  # seconds: the slowest of the periodic threads that write at DEBUG does so every 4 s
USUAL = 1.5  # times the silence in which the log's time is usually spent
SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True)
class Clock:
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

    def awake(self, times: pd.Series[Any]) -> npt.NDArray[np.float64]:
        """Seconds since the epoch without the silences before; NaN for NaT."""
        at = seconds(times)
        return at - np.interp(at, self.edges, self.lost, left=0.0) if len(self.edges) else at


def seconds(times: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Seconds since the epoch of naive times, NaN for NaT."""
    values = times.to_numpy().astype("datetime64[us]")
    made = values.astype(np.int64) / 1e6
    made[np.isnat(values)] = np.nan
    return made


def silences(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Stretches without a line of any thread: start, end, first, last (the lines around) and `usual` in seconds.

    A stretch counts when it is much longer than the silence in which this log usually spends its time, so a log cut
    to INFO or of an idle server has none. Restarts and the seams of two files are no silences.
    """
    parts = [of_source(part, events) for _, part in records.groupby("source", observed=True)]
    found = [part for part in parts if len(part)]
    columns = ["start", "end", "first", "last", "usual"]
    if not found:
        return pd.DataFrame(
            {name: pd.Series(dtype="datetime64[us]" if name in ("start", "end") else "float64") for name in columns}
        )
    return pd.concat(found, ignore_index=True).sort_values("start", ignore_index=True)


def of_source(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Silences of one file; none in a file without jobs and requests, such as an agent's log."""
    if not records["job"].notna().any():
        return records.iloc[:0].assign(start=records["ts"].iloc[:0], end=records["ts"].iloc[:0])
    reached = records["ts"].cummax()
    quiet = reached.diff().dt.total_seconds().fillna(0.0)
    ordered = quiet.sort_values()
    usual = float(ordered.iloc[min(int(np.searchsorted(ordered.cumsum(), ordered.sum() / 2)), len(ordered) - 1)])
    restarted = quiet.index.isin(events.meaning("server.start")["record"])
    long = (quiet >= max(LEAST, USUAL * usual)) & ~restarted
    at = np.flatnonzero(long.to_numpy())
    return pd.DataFrame(
        {
            "start": reached.to_numpy()[at - 1],
            "end": reached.to_numpy()[at],
            "first": records.index.to_numpy()[at - 1],
            "last": records.index.to_numpy()[at],
            "usual": usual,
        }
    )
