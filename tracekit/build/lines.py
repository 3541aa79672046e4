"""What the steps of the build ask of the records, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import Numbers, Small
from tracekit.parse.grammar import Meaning


@dataclass(frozen=True)
class RunRecords:
    """The records of each run, by the number of the run."""

    order: Small  # records, run by run
    starts: Numbers  # where in `order` each run begins, and the end

    @classmethod
    def of(cls, runs: Numbers) -> RunRecords:
        """From the run of every record; runs are numbered without gaps."""
        counts = np.bincount(runs) if len(runs) else np.zeros(0, np.int64)
        return cls(np.argsort(runs, kind="stable").astype(np.int32), np.concatenate([[0], np.cumsum(counts)]))

    def __getitem__(self, run: int) -> Small:
        return self.order[self.starts[run] : self.starts[run + 1]]


@dataclass
class Lines:
    """What the tree asks of the records, as arrays by record number."""

    ts: npt.NDArray[np.datetime64]
    micros: Numbers
    code: npt.NDArray[Any]  # of the rule, in `events`; -1: none
    events: list[str]
    methods: list[str | None]  # Class.method of each of `events`
    of_run: RunRecords
    detailed: npt.NDArray[np.bool_]  # whether a run prints at DEBUG: only there does silence between lines say anything

    @classmethod
    def of(cls, records: pd.DataFrame, meanings: Mapping[str, Meaning]) -> Lines:
        """From the records table after `add_runs`."""
        event = records["event"]
        events = event.cat.categories.to_list()
        ts = records["ts"].to_numpy().astype("datetime64[us]", copy=False)
        loud = records["level"].isin(["DEBUG", "TRACE"]).to_numpy()
        runs = records["run"].to_numpy(dtype=np.int64)
        of_run = RunRecords.of(runs)
        detailed = np.zeros(len(of_run.starts) - 1, dtype=np.bool_)
        detailed[runs[loud]] = True
        return cls(
            ts,
            ts.view(np.int64),
            event.cat.codes.to_numpy(),
            events,
            [meanings[name].where if name in meanings else None for name in events],
            of_run,
            detailed,
        )

    def event(self, record: int) -> str | None:
        """The rule that reads a record."""
        code = self.code[record]
        return self.events[code] if code >= 0 else None

    def pairs(self, least: int) -> tuple[Small, Small, Small]:
        """Run, first and second record of all consecutive lines of a run `least` microseconds or more apart."""
        order, starts = self.of_run.order, self.of_run.starts
        apart = np.diff(self.micros[order]) >= least
        apart[starts[1:-1] - 1] = False  # the second is another run's
        pair = np.flatnonzero(apart)
        run = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(np.searchsorted(pair, starts)))
        return run, order[pair], order[pair + 1]
