"""Spans while they are being collected, and what follows from the whole tree: depth and self time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import Numbers, Small, text_column
from tracekit.schema import SPANS, check_spans, frame

EDGES = ("start", "end")


class Single(NamedTuple):
    """A span that is no call."""

    span: int
    parent: int | None
    operation: str | None
    kind: str
    name: str
    thread: str | None
    start: Any  # a time of numpy or pandas, None where it is unknown
    end: Any
    status: str
    ends: str
    first_record: int | None
    last_record: int | None
    attributes: dict[str, Any]


class Calls(NamedTuple):
    """The calls of all runs as arrays, in the order of their numbers. Times in microseconds."""

    span: Small
    parent: Small
    root: Small  # span of the run, which tells operation and thread
    name: Small  # number in `names`
    start: Numbers
    end: Numbers
    logged: npt.NDArray[np.bool_]
    first: Small  # records
    last: Small
    names: list[str]


def no_calls() -> Calls:
    """Of a log without runs."""
    small, large = np.empty(0, np.int32), np.empty(0, np.int64)
    return Calls(small, small, small, small, large, large, np.empty(0, np.bool_), small, small, [])


@dataclass
class SpanRows:
    """The spans in the order of their numbers, which a parent has before its children: calls, by far the most, as
    arrays, all others as rows.
    """

    count: int = 0
    single: list[Single] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of these
    calls: Calls = field(default_factory=no_calls)

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
        begin, stop = (time if time == time else None for time in (start, end))  # NaT is not equal to itself
        how = (status or ("open" if stop is None else "ok"), "open" if stop is None else ends)
        row = Single(self.count, parent, operation, kind, name, thread, begin, stop, *how, first, last, attributes)
        self.single.append(row)
        self.numbers.append(self.count)
        self.count += 1
        return row.span

    def reserve(self, calls: int) -> int:
        """Numbers for so many calls, which are told later in `calls`; the first of them."""
        self.count += calls
        return self.count - calls

    def place(self, span: int) -> int:
        """Where a span stands in `single`; -1 for a call."""
        at = bisect.bisect_left(self.numbers, span)
        return at if at < len(self.numbers) and self.numbers[at] == span else -1

    def get(self, span: int, column: str) -> Any:
        """Kind, name, parent, operation, thread, start, end or attributes of a span."""
        at = self.place(span)
        if at >= 0:
            return getattr(self.single[at], column)
        # A number of the array's own type: for another one the whole array would be converted.
        row = int(np.searchsorted(self.calls.span, np.int32(span)))
        if column in ("operation", "thread"):
            return self.get(int(self.calls.root[row]), column)
        if column == "kind":
            return "call"
        if column == "name":
            return self.calls.names[self.calls.name[row]]
        return int(self.calls.parent[row])

    def column(self, name: str) -> list[Any]:
        """What `single` has under a name."""
        return [getattr(row, name) for row in self.single]

    def table(self) -> pd.DataFrame:
        """The spans table, checked."""
        single, calls = np.array(self.numbers, dtype=np.int64), self.calls
        order = np.argsort(np.concatenate([single, calls.span]), kind="stable").astype(np.int32)
        root = np.searchsorted(single, calls.root).astype(np.int32)
        other = np.full(len(calls.span), len(single), np.int32)  # what is said of every call stands behind the rows
        parents = self._numbers("parent", calls.parent, order)
        start, end = (self._times(name, getattr(calls, name), order) for name in EDGES)
        # First of all columns: what it is computed from is large.
        own = self_times(parents, start, end)
        attributes = np.full(len(order), dict[str, Any](), dtype=object)  # one for all calls, which have none
        attributes[single] = self.column("attributes")
        columns: dict[str, Any] = {
            "span": np.arange(self.count),
            "parent": nullable(parents),
            "depth": depths(parents),
            "operation": text_column(*self._texts("operation", root, order)),
            "kind": categories(*self._texts("kind", other, order, "call")),
            "name": text_column(*self._texts("name", other + calls.name, order, *calls.names)),
            "thread": categories(*self._texts("thread", root, order)),
            "start": start,
            "end": end,
            "duration": end - start,
            "self_time": own,
            "status": categories(*self._texts("status", other, order, "ok")),
            "ends": categories(*self._texts("ends", other + calls.logged, order, "before", "logged")),
            "first_record": nullable(self._numbers("first_record", calls.first, order)),
            "last_record": nullable(self._numbers("last_record", calls.last, order)),
            "attributes": attributes,
        }
        return check_spans(frame(SPANS, columns))

    def _numbers(self, column: str, of_calls: npt.NDArray[Any], order: Small) -> npt.NDArray[Any]:
        """A column of numbers, -1 where unknown, in the order of the spans."""
        values = [-1 if value is None else value for value in self.column(column)]
        return np.concatenate([np.array(values, dtype=of_calls.dtype), of_calls])[order]

    def _times(self, column: str, of_calls: Numbers, order: Small) -> npt.NDArray[Any]:
        """A column of times in the order of the spans."""
        known = pd.array(self.column(column), dtype="datetime64[us]").to_numpy()
        return np.concatenate([known, of_calls.view("datetime64[us]")])[order]

    def _texts(self, column: str, of_calls: Small, order: Small, *others: str) -> tuple[list[str], Numbers]:
        """A column of texts: different ones and their numbers. `of_calls` are places in rows and `others` behind."""
        codes, names = pd.factorize(np.array([*self.column(column), *others], dtype=object))
        places = np.concatenate([np.arange(len(self.single), dtype=np.int32), of_calls])
        return list(names), codes[places[order]]


def categories(names: list[str], codes: Numbers) -> pd.Categorical:
    """A category of names by their numbers, null where -1."""
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))


def nullable(numbers: npt.NDArray[Any]) -> pd.arrays.IntegerArray:
    """Numbers of which negative ones are unknown."""
    missing = numbers < 0
    return pd.arrays.IntegerArray(np.where(missing, 0, numbers).astype(np.int64), missing)


def depths(parents: npt.NDArray[Any]) -> Numbers:
    """Distance from the root."""
    made = np.zeros(len(parents), dtype=np.int64)
    below = np.flatnonzero(parents >= 0)
    above = parents[below]
    while len(below):
        made[below] += 1
        above = parents[above]
        below, above = below[above >= 0], above[above >= 0]
    return made


def self_times(parents: npt.NDArray[Any], start: npt.NDArray[Any], end: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Duration minus the union of the children, clipped to the span; an open child counts to its parent's end."""
    begin, stop, missing = start.astype(np.int64), end.astype(np.int64), np.isnat(end)
    child = np.flatnonzero(parents >= 0)
    child = child[~missing[parents[child]]]
    child = child[np.lexsort((begin[child], parents[child]))]
    parent = parents[child]
    low = np.maximum(begin[child], begin[parent])
    high = np.where(missing[child], stop[parent], np.minimum(stop[child], stop[parent]))
    # What the children before it have covered ends where the one of them that lasts longest does.
    reached = pd.Series(high).groupby(parent, sort=False).cummax().to_numpy()
    again = np.flatnonzero(parent[1:] == parent[:-1]) + 1
    low[again] = np.maximum(low[again], reached[again - 1])
    covered = np.zeros(len(parents), dtype=np.int64)
    np.add.at(covered, parent, np.maximum(high - low, 0))
    # Where the clock was set back a span ends before it begins: no time of its own.
    made: npt.NDArray[Any] = np.maximum(stop - begin - covered, 0).astype("timedelta64[us]")
    made[missing] = np.timedelta64("NaT")
    return made
