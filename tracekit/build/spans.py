"""Spans while they are being collected, and what follows from the whole tree: depth and self time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.schema import SPANS, check_spans, frame

NONE = np.datetime64("NaT", "us")
SINGLE = (
    *("span", "parent", "operation", "kind", "name", "thread", "start", "end"),
    *("status", "ends", "first_record", "last_record", "attributes"),
)
Numbers = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]


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
    single: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in SINGLE})
    calls: Calls = field(default_factory=no_calls)

    def __len__(self) -> int:
        return self.count

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
        known = not pd.isna(end)
        begin, stop = (NONE if pd.isna(time) else np.datetime64(time, "us") for time in (start, end))
        how = (status or ("ok" if known else "open"), ends if known else "open")
        row = (self.count, parent, operation, kind, name, thread, begin, stop, *how, first, last, attributes)
        for column, value in zip(self.single.values(), row, strict=True):
            column.append(value)
        self.count += 1
        return self.count - 1

    def reserve(self, calls: int) -> int:
        """Numbers for so many calls, which are told later in `calls`; the first of them."""
        self.count += calls
        return self.count - calls

    def place(self, span: int) -> int:
        """Where a span stands in `single`; -1 for a call."""
        at = bisect.bisect_left(self.single["span"], span)
        return at if at < len(self.single["span"]) and self.single["span"][at] == span else -1

    def get(self, span: int, column: str) -> Any:
        """Kind, name, parent, operation, thread, start, end or attributes of a span."""
        at = self.place(span)
        if at >= 0:
            return self.single[column][at]
        # A number of the array's own type: for another one the whole array would be converted.
        row = int(np.searchsorted(self.calls.span, np.int32(span)))
        if column in ("operation", "thread"):
            return self.get(int(self.calls.root[row]), column)
        if column == "kind":
            return "call"
        if column == "name":
            return self.calls.names[self.calls.name[row]]
        return int(self.calls.parent[row])

    def table(self) -> pd.DataFrame:
        """The spans table, checked."""
        single, calls = np.array(self.single["span"], dtype=np.int64), self.calls

        def numbers(column: str, of_calls: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
            made = np.empty(self.count, dtype=kind)
            values = self.single[column]
            made[single] = np.array([-1 if value is None else value for value in values], dtype=kind)
            made[calls.span] = of_calls.astype(kind)
            return made

        def texts(column: str, of_calls: npt.NDArray[Any], others: list[str] | None = None) -> pd.Categorical:
            codes, names = pd.factorize(np.array([*self.single[column], *(others or ())], dtype=object))
            made = np.empty(self.count, dtype=np.int32)
            made[single] = codes[: len(single)]
            made[calls.span] = codes[len(single) :][of_calls] if others else made[of_calls]
            return pd.Categorical.from_codes(made, pd.Index(names, dtype="str"))

        never = np.zeros(len(calls.span), dtype=np.int8)
        parents = numbers("parent", calls.parent, "int32")
        start, end = (numbers(name, getattr(calls, name), "datetime64[us]") for name in ("start", "end"))
        depth = depths(parents)
        attributes = np.empty(self.count, dtype=object)
        attributes[single] = self.single["attributes"]
        attributes[calls.span] = dict[str, Any]()  # one for all of them: a call has none
        columns: dict[str, Any] = {
            "span": np.arange(self.count),
            "parent": nullable(parents),
            "depth": depth,
            "operation": as_text(texts("operation", calls.root)),
            "kind": texts("kind", never, ["call"]),
            "name": as_text(texts("name", calls.name, calls.names)),
            "thread": texts("thread", calls.root),
            "start": start,
            "end": end,
            "duration": end - start,
            "self_time": self_times(parents, start, end),
            "status": texts("status", never, ["ok"]),
            "ends": texts("ends", calls.logged.astype(np.int8), ["before", "logged"]),
            "first_record": nullable(numbers("first_record", calls.first, "int32")),
            "last_record": nullable(numbers("last_record", calls.last, "int32")),
            "attributes": attributes,
        }
        return check_spans(frame(SPANS, columns))


def nullable(numbers: npt.NDArray[Any]) -> pd.arrays.IntegerArray:
    """Numbers of which negative ones are unknown."""
    missing = numbers < 0
    return pd.arrays.IntegerArray(np.where(missing, 0, numbers).astype(np.int64), missing)


def as_text(values: pd.Categorical) -> Any:
    """Texts of which every different one is there once."""
    return pd.array([*values.categories, None], dtype="str").take(values.codes)


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
