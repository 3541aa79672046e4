"""Who held a lock while another thread waited for it, from the statements that say it was taken and freed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.build.model import Holder
from tracekit.frames import instants, objects
from tracekit.parse.events import Events


class Held(NamedTuple):
    """One thread's hold of one lock. Microseconds."""

    run: int
    taken: int
    freed: int


class Locks(NamedTuple):
    """Holds by gap and locked thing; what each record locks."""

    held: Mapping[tuple[str, Any], Sequence[Held]]
    thing: Mapping[tuple[str, int], Any]  # (column, record) -> value
    of_run: Mapping[int, str | None]  # operation

    @classmethod
    def of(cls, records: pd.DataFrame, events: Events, holders: Sequence[Holder], runs: pd.DataFrame) -> Locks:
        """For the lock of each gap that names the statements of its holder."""
        ends, of_record, times = instants(runs["end"]), records["run"].to_numpy(), instants(records["ts"])
        held: dict[tuple[str, Any], list[Held]] = {}
        thing: dict[tuple[str, int], Any] = {}
        for holder in holders:
            cut = events.meant(holder.taken, holder.freed)
            known = np.flatnonzero(cut.known(holder.column))
            at = cut.records[known]
            columns = (at, cut.means()[known], cut.column(holder.column, known), of_record[at], times[at])
            open_at: dict[tuple[int, Any], int] = {}
            for record, means, value, run, time in zip(*(column.tolist() for column in columns), strict=True):
                thing[holder.column, record] = value
                if means == holder.taken:
                    open_at[run, value] = time
                elif (run, value) in open_at:
                    held.setdefault((holder.column, value), []).append(Held(run, open_at.pop((run, value)), time))
            for (run, value), taken in open_at.items():
                held.setdefault((holder.column, value), []).append(Held(run, taken, int(ends[run])))
        holding = sorted({hold.run for holds in held.values() for hold in holds})
        return cls(held, thing, dict(zip(holding, objects(runs["operation"].loc[holding]), strict=True)))

    def holder(self, column: str, record: int, run: int, start: int, end: int) -> str | None:
        """Operation of the thread that held, longest of this wait, what `record` says was taken at last."""
        value = self.thing.get((column, record))
        others = [h for h in self.held.get((column, value), ()) if h.run != run and h.taken < end and h.freed > start]
        if not others:
            return None
        most = max(others, key=lambda h: min(h.freed, end) - max(h.taken, start))
        return self.of_run.get(most.run)
