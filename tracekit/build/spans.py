"""Spans while they are being collected, and what follows from the whole tree: depth and self time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.schema import SPANS, check_spans, frame

NONE = np.datetime64("NaT", "us")


@dataclass
class SpanRows:
    """Columns of the spans table in the order of creation: a parent is always created before its children."""

    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: []
            for name in (
                "parent",
                "operation",
                "kind",
                "name",
                "thread",
                "start",
                "end",
                "status",
                "ends",
                "first_record",
                "last_record",
                "attributes",
            )
        }
    )

    def __len__(self) -> int:
        return len(self.columns["kind"])

    def add(
        self,
        kind: str,
        name: str,
        operation: str | None,
        parent: int | None,
        start: Any,
        end: Any,
        *,
        thread: str | None = None,
        status: str | None = None,
        ends: str = "logged",
        first: int | None = None,
        last: int | None = None,
        **attributes: Any,
    ) -> int:
        """Append one span and give its number; without an end it is open."""
        columns = self.columns
        known = not pd.isna(end)
        columns["parent"].append(parent)
        columns["operation"].append(operation)
        columns["kind"].append(kind)
        columns["name"].append(name)
        columns["thread"].append(thread)
        columns["start"].append(NONE if pd.isna(start) else start)
        columns["end"].append(end if known else NONE)
        columns["status"].append(status or ("ok" if known else "open"))
        columns["ends"].append(ends if known else "open")
        columns["first_record"].append(first)
        columns["last_record"].append(last)
        columns["attributes"].append(attributes)
        return len(columns["kind"]) - 1

    def add_calls(
        self,
        names: list[str],
        operation: str | None,
        parents: npt.NDArray[np.int64],
        caller: int,
        start: npt.NDArray[np.datetime64],
        end: npt.NDArray[np.datetime64],
        ends: list[str],
        thread: str | None,
        first: npt.NDArray[np.int64],
        last: npt.NDArray[np.int64],
    ) -> int:
        """Append the calls of one run and give the number of the first; `parents` count from it, -1 is `caller`."""
        columns, base, count = self.columns, len(self), len(names)
        columns["parent"] += np.where(parents < 0, caller, base + parents).tolist()
        columns["operation"] += [operation] * count
        columns["kind"] += ["call"] * count
        columns["name"] += names
        columns["thread"] += [thread] * count
        columns["start"] += list(start)
        columns["end"] += list(end)
        columns["status"] += ["ok"] * count
        columns["ends"] += ends
        columns["first_record"] += first.tolist()
        columns["last_record"] += last.tolist()
        columns["attributes"] += [{} for _ in range(count)]
        return base

    def table(self) -> pd.DataFrame:
        """The spans table, checked."""
        columns: dict[str, Any] = dict(self.columns)
        parents = [-1 if parent is None else parent for parent in columns["parent"]]
        start = np.array(columns["start"], dtype="datetime64[us]")
        end = np.array(columns["end"], dtype="datetime64[us]")
        columns["span"] = range(len(self))
        columns["depth"] = depths(parents)
        columns["start"], columns["end"] = start, end
        columns["duration"] = end - start
        columns["self_time"] = self_times(parents, start, end)
        return check_spans(frame(SPANS, columns))


def depths(parents: list[int]) -> list[int]:
    """Distance from the root, parents standing before their children."""
    made: list[int] = []
    for parent in parents:
        made.append(0 if parent < 0 else made[parent] + 1)
    return made


def self_times(parents: list[int], start: npt.NDArray[Any], end: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Duration minus the union of the children, clipped to the span; an open child counts to its parent's end."""
    begin, stop = start.astype(np.int64), end.astype(np.int64)
    missing = np.isnat(end)
    covered = np.zeros(len(parents), dtype=np.int64)
    reached = np.full(len(parents), np.iinfo(np.int64).min)
    order = np.lexsort((begin, np.array(parents, dtype=np.int64)))
    for child in order:
        parent = parents[child]
        if parent < 0 or missing[parent]:
            continue
        low = max(begin[child], begin[parent], reached[parent])
        high = stop[parent] if missing[child] else min(stop[child], stop[parent])
        if high > low:
            covered[parent] += high - low
            reached[parent] = high
    # Where the clock was set back a span ends before it begins: no time of its own.
    made: npt.NDArray[Any] = np.maximum(stop - begin - covered, 0).astype("timedelta64[us]")
    made[missing] = np.timedelta64("NaT")
    return made
