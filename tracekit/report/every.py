"""All operations of an input as columns, for what counts and compares them: a large log has too many for rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit import frames

Mask = npt.NDArray[np.bool_]


class Every(NamedTuple):
    """A table of OPERATIONS and what is asked of all of its rows."""

    table: pd.DataFrame
    status: list[str]
    begin: frames.Numbers  # microseconds, frames.NEVER where it is unknown
    wall: frames.Fractions  # seconds, NaN where they are unknown
    elapsed: frames.Fractions  # as `verdict.elapsed`
    with_job: Mask
    end: int  # of the log, in microseconds

    @classmethod
    def of(cls, operations: pd.DataFrame, end_of_log: pd.Timestamp | None) -> Every:
        """The operations of a log that ends so."""
        status = operations["status"].astype("object").tolist()
        begin, wall = frames.instants(operations["submitted"]), frames.lengths(operations["wall"])
        elapsed = np.nan_to_num(wall)
        end = frames.NEVER if end_of_log is None or pd.isna(end_of_log) else frames.micros(end_of_log)
        if end != frames.NEVER:
            open_ = np.isnan(wall) & (begin != frames.NEVER) & (operations["status"] == "unfinished").to_numpy()
            elapsed[open_] = (end - begin[open_]) / 1e6
        return cls(operations, status, begin, wall, elapsed, operations["job"].notna().to_numpy(), end)

    def among(self, status: Collection[str]) -> Mask:
        """Those that ended in one of some ways."""
        return frames.among(self.table["status"], status)

    def walls(self, chosen: Mask | slice = slice(None)) -> list[float]:
        """The wall times that are known, in seconds, from the shortest."""
        wall = self.wall[chosen]
        return sorted(wall[~np.isnan(wall)].tolist())

    def rows(self, places: Any, *columns: str) -> list[Any]:
        """Rows of the table, with some columns or all."""
        table = self.table[[*columns]] if columns else self.table
        return frames.rows(table.iloc[places], plain=True)
