"""Spans while they are being collected, and what follows from the whole tree: depth and self time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import NEVER, Numbers, Small, stretches, text_column
from tracekit.schema import SPANS, check_spans, frame

TOLD = (
    *("parent", "operation", "kind", "name", "thread", "start", "end", "status", "ends", "first", "last"),
    "attributes",
)


class Calls(NamedTuple):
    """The calls of all runs as arrays, in the order of their numbers. Times in microseconds."""

    span: Small
    parent: Small
    root: Small  # span of the run, which tells operation and thread
    depth: npt.NDArray[Any]  # calls of the run that it lies in
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
    return Calls(small, small, small, small, small, large, large, np.empty(0, np.bool_), small, small, [])


def untold() -> dict[str, list[Any]]:
    """Of no span, what TOLD names."""
    return {name: [] for name in TOLD}


@dataclass
class SpanRows:
    """The spans in the order of their numbers, which a parent has before its children: calls, by far the most, as
    arrays, all others as columns of the same length. Times in microseconds.
    """

    count: int = 0
    numbers: list[int] = field(default_factory=list)  # of all that are no calls
    told: dict[str, list[Any]] = field(default_factory=untold)  # of these, by TOLD
    calls: Calls = field(default_factory=no_calls)

    def add(
        self,
        kind: str,
        name: str,
        operation: str | None,
        parent: int,
        start: int,
        end: int,
        *,
        thread: str | None = None,
        status: str | None = None,
        first: int = -1,
        last: int = -1,
        **attributes: Any,
    ) -> int:
        """Append one span and give its number. -1: no parent, no record; NEVER: unknown, without an end it is open."""
        ends = "open" if end == NEVER else "logged"
        how = status or ("open" if end == NEVER else "ok")
        values = (parent, operation, kind, name, thread, start, end, how, ends, first, last, attributes)
        for column, value in zip(self.told.values(), values, strict=True):
            column.append(value)
        self.numbers.append(self.count)
        self.count += 1
        return self.count - 1

    def reserve(self, calls: int) -> int:
        """Numbers for so many calls, which are told later in `calls`; the first of them."""
        self.count += calls
        return self.count - calls

    def place(self, span: int) -> int:
        """Where in `told` a span stands; -1 for a call."""
        at = bisect.bisect_left(self.numbers, span)
        return at if at < len(self.numbers) and self.numbers[at] == span else -1

    def roots(self, spans: npt.NDArray[Any]) -> Numbers:
        """Where in `told` each span stands, for a call the one of its run; -1 for a span that is none."""
        known = np.append(np.array(self.numbers, dtype=np.int64), np.iinfo(np.int64).max)
        at = np.searchsorted(known, spans)
        calls = np.flatnonzero((known[at] != spans) & (spans >= 0))
        # Numbers of the array's own type: for others the whole array would be converted.
        row = np.searchsorted(self.calls.span, spans[calls].astype(np.int32))
        at[calls] = np.searchsorted(known, self.calls.root[row])
        made: Numbers = np.where(spans < 0, -1, at)
        return made

    def depths(self) -> Numbers:
        """How deep each span lies that is no call, in the order of `numbers`."""
        parents = np.array(self.told["parent"], dtype=np.int64)
        up, single = self.roots(parents), np.array(self.numbers, dtype=np.int64)
        own = np.where(up < 0, 0, 1)
        calls = np.flatnonzero((up >= 0) & (single[up] != parents))
        row = np.searchsorted(self.calls.span, parents[calls].astype(np.int32))
        own[calls] = 2 + self.calls.depth[row].astype(np.int64)
        made, at = own.copy(), up
        while (at >= 0).any():
            made += np.where(at >= 0, own[at], 0)
            at = np.where(at >= 0, up[at], -1)
        return made

    def table(self) -> pd.DataFrame:
        """The spans table, checked. What it is made of is given up on the way, for both are large."""
        single = np.array(self.numbers, dtype=np.int64)
        merged = Merged(single, self.depths(), self.told, self.calls._asdict())
        self.told, self.calls = untold(), no_calls()
        return check_spans(frame(SPANS, merged.columns()))


@dataclass
class Merged:
    """Calls and all other spans on their way into one table; a column is dropped from both when it has been taken."""

    single: Numbers  # numbers of the spans that are no calls
    depth: Numbers  # of these
    told: dict[str, list[Any]]
    calls: dict[str, Any]  # by the fields of Calls

    def columns(self) -> dict[str, Any]:
        """Columns of schema.SPANS, but for the server."""
        many, places = len(self.single), np.searchsorted(self.single, self.calls.pop("root")).astype(np.int32)
        names, logged = self.calls.pop("names"), self.calls.pop("logged") + np.int32(many)
        parents, start, end = (self.numbers(name) for name in ("parent", "start", "end"))
        # First of all columns: what it is computed from is large.
        own = self_times(parents, start, end)
        made: dict[str, Any] = {
            "span": np.arange(len(parents)),
            "parent": nullable(parents),
            "depth": self._placed(self.depth, self.depth[places] + 1 + self.calls.pop("depth")),
            "operation": text_column(*self.texts("operation", places)),
            "thread": categories(*self.texts("thread", places)),
        }
        del places
        attributes = np.full(len(parents), dict[str, Any](), dtype=object)  # one for all calls, which have none
        attributes[self.single] = self.told.pop("attributes")
        return made | {
            "kind": categories(*self.texts("kind", many, "call")),
            "name": text_column(*self.texts("name", self.calls.pop("name") + np.int32(many), *names)),
            "start": start.view("datetime64[us]"),
            "end": end.view("datetime64[us]"),
            "duration": end.view("datetime64[us]") - start.view("datetime64[us]"),
            "self_time": own,
            "status": categories(*self.texts("status", many, "ok")),
            "ends": categories(*self.texts("ends", logged, "before", "logged")),
            "first_record": nullable(self.numbers("first")),
            "last_record": nullable(self.numbers("last")),
            "attributes": attributes,
        }

    def numbers(self, column: str) -> npt.NDArray[Any]:
        """A column of numbers, by span."""
        of_calls = self.calls.pop(column)
        return self._placed(np.array(self.told.pop(column), dtype=of_calls.dtype), of_calls)

    def texts(self, column: str, of_calls: Small | int, *others: str) -> tuple[list[str], Small]:
        """A column of texts: different ones, and their numbers by span. `of_calls` are places of the calls' texts: in
        what is told of the other spans, and behind it in `others`.
        """
        codes, names = pd.factorize(np.array([*self.told.pop(column), *others], dtype=object))
        codes = codes.astype(np.int32)
        return list(names), self._placed(codes[: len(self.single)], codes[of_calls])

    def _placed(self, of_single: npt.NDArray[Any], of_calls: npt.NDArray[Any]) -> npt.NDArray[Any]:
        made = np.empty(len(self.single) + len(self.calls["span"]), dtype=of_single.dtype)
        made[self.single], made[self.calls["span"]] = of_single, of_calls
        return made


def categories(names: list[str], codes: npt.NDArray[Any]) -> pd.Categorical:
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


def self_times(parents: npt.NDArray[Any], start: Numbers, end: Numbers) -> npt.NDArray[Any]:
    """Duration minus the union of the children, clipped to the span; an open child counts to its parent's end."""
    missing = end == NEVER
    child = np.flatnonzero(parents >= 0).astype(np.int32)
    child = child[~missing[parents[child]]]
    child = child[np.lexsort((start[child], parents[child]))]
    parent = parents[child]
    low = np.maximum(start[child], start[parent])
    high = np.where(missing[child], end[parent], np.minimum(end[child], end[parent]))
    del child
    # What the children before it have covered ends where the one of them that lasts longest does.
    goes_on = parent[1:] == parent[:-1]
    begins, _ = stretches(goes_on, len(parent))
    siblings = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(parent)))
    reached = pd.Series(high).groupby(siblings, sort=False).cummax().to_numpy()
    again = np.flatnonzero(goes_on) + 1
    low[again] = np.maximum(low[again], reached[again - 1])
    # Where the clock was set back a span ends before it begins: no time of its own.
    left = end - start
    if len(begins):
        left[parent[begins]] -= np.add.reduceat(np.maximum(high - low, 0), begins)
    made: npt.NDArray[Any] = np.maximum(left, 0).astype("timedelta64[us]")
    made[missing] = np.timedelta64("NaT")
    return made
