"""Who held a lock while another thread waited for it, from the statements that say it was taken and freed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.build.model import Holder
from tracekit.frames import instants
from tracekit.parse.events import Events


class Held(NamedTuple):
    """One thread's hold of one lock. Microseconds."""

    run: int
    taken: int
    freed: int


@dataclass(frozen=True)
class Locks:
    """Holds by gap and locked thing; what each record locks."""

    held: Mapping[tuple[str, Any], Sequence[Held]]
    thing: Mapping[tuple[str, int], Any]  # (column, record) -> value
    of_run: Mapping[int, str | None]  # operation

    @classmethod
    def of(cls, records: pd.DataFrame, events: Events, holders: Sequence[Holder], of_run: Mapping[int, Any]) -> Locks:
        """For the lock of each gap that names the statements of its holder."""
        times = instants(records["ts"])
        runs = records["run"].to_numpy(dtype=np.int64)
        last = pd.Series(times).groupby(runs).max().to_dict()
        held: dict[tuple[str, Any], list[Held]] = {}
        thing: dict[tuple[str, int], Any] = {}
        for holder in holders:
            rows = events.meaning(holder.taken, holder.freed, columns=[holder.column])
            open_at: dict[tuple[int, Any], int] = {}
            for record, means, value in zip(rows["record"], rows["means"], rows[holder.column], strict=True):
                if pd.isna(value):
                    continue
                run, time = int(runs[record]), int(times[record])
                thing[holder.column, int(record)] = value
                if means == holder.taken:
                    open_at[run, value] = time
                elif (run, value) in open_at:
                    held.setdefault((holder.column, value), []).append(Held(run, open_at.pop((run, value)), time))
            for (run, value), taken in open_at.items():
                held.setdefault((holder.column, value), []).append(Held(run, taken, int(last[run])))
        named = {run: name if isinstance(name, str) else None for run, name in of_run.items()}
        return cls(held, thing, named)

    def holder(self, column: str, record: int, run: int, start: int, end: int) -> str | None:
        """Operation of the thread that held, longest of this wait, what `record` says was taken at last."""
        value = self.thing.get((column, record))
        others = [h for h in self.held.get((column, value), ()) if h.run != run and h.taken < end and h.freed > start]
        if not others:
            return None
        most = max(others, key=lambda h: min(h.freed, end) - max(h.taken, start))
        return self.of_run.get(most.run)
