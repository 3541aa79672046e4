"""Stretches in which a whole server wrote nothing, and the ends and beginnings of its lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import Numbers, instants

AROUND = 5_000_000  # microseconds before and after a stretch in which its server's usual pace is counted
TIMES = 50  # the mean distance of lines there; a stretch of that length does not happen by chance
LEAST = 100_000
ALWAYS = 4_000_000  # background threads of every release write more often than this
COVERED = 0.9  # of an interval


class Life(NamedTuple):
    """One running of a server, from its start to its last line. Microseconds."""

    first: int
    last: int
    first_record: int
    last_record: int
    next: int | None = None  # the life after it


@dataclass
class Server:
    """What the lines of all threads together say. Times in microseconds."""

    starts: list[int] = field(default_factory=list)  # of the stretches without a line, in order
    ends: list[int] = field(default_factory=list)
    lives: dict[int, Life] = field(default_factory=dict)

    @classmethod
    def of(cls, records: pd.DataFrame) -> Server:
        """From records with `life`, `server`, `component` and `run_kind`; lives without jobs or requests count not."""
        made = cls()
        lives, ts = records["life"].to_numpy(), instants(records["ts"])
        working = set(np.unique(lives[(records["run_kind"] != "other").to_numpy()]).tolist())
        before: dict[tuple[str, str], int] = {}
        stretches: list[tuple[int, int]] = []
        for number in np.unique(lives).tolist():
            own = np.flatnonzero(lives == number)
            times = np.maximum.accumulate(ts[own])
            made.lives[number] = Life(int(times[0]), int(times[-1]), int(own[0]), int(own[-1]))
            who = (str(records["server"].iloc[own[0]]), str(records["component"].iloc[own[0]]))
            if who in before:
                made.lives[before[who]] = made.lives[before[who]]._replace(next=number)
            before[who] = number
            if number in working:
                stretches += silent(times)
        for start, end in sorted(stretches):
            made.starts.append(start)
            made.ends.append(end)
        return made

    def stood_still(self, start: Numbers, end: Numbers) -> npt.NDArray[np.bool_]:
        """Whether nearly all of each interval lies in one stretch without a line of any thread."""
        starts, ends = (np.array(times, dtype=np.int64) for times in (self.starts, self.ends))
        made = np.zeros(len(start), dtype=np.bool_)
        at = np.searchsorted(np.maximum.accumulate(ends), start, side="right")
        left = np.flatnonzero(end - start >= LEAST)
        while len(left):
            left = left[at[left] < len(starts)]
            left = left[starts[at[left]] < end[left]]
            low, high = (np.maximum(start[left], starts[at[left]]), np.minimum(end[left], ends[at[left]]))
            made[left] = high - low >= COVERED * (end[left] - start[left])
            left = left[~made[left]]
            at[left] += 1
        return made


def silent(times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """Stretches between consecutive lines that are much longer than the pace around them allows."""
    at = np.flatnonzero(np.diff(times) >= LEAST)
    begin, end = times[at], times[at + 1]
    lines = at - np.searchsorted(times, begin - AROUND) + np.searchsorted(times, end + AROUND) - at
    seen = np.minimum(begin - times[0], AROUND) + np.minimum(times[-1] - end, AROUND)
    usual = np.minimum(TIMES * seen / np.maximum(lines, 1), ALWAYS)
    long = end - begin >= np.maximum(usual, LEAST)
    return list(zip(begin[long].tolist(), end[long].tolist(), strict=True))
