"""Spans while they are being collected, and what follows from the whole tree: depth and self time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import NEVER, Numbers, Small, stretches, text_column
from tracekit.schema import SPANS, check_spans, frame

Objects = npt.NDArray[np.object_]


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


class Told(NamedTuple):
    """All other spans as arrays, in the order of their numbers. Times in microseconds, NEVER for one that is unknown;
    -1: no parent, no record.
    """

    span: Numbers
    parent: Numbers
    operation: Objects
    kind: Objects
    name: Objects
    thread: Objects
    start: Numbers
    end: Numbers
    status: Objects
    ends: Objects
    first: Numbers  # records
    last: Numbers
    attributes: Objects

    @classmethod
    def of(
        cls,
        span: Numbers,
        kind: Any,
        name: Any,
        operation: Any,
        parent: Any,
        start: Any,
        end: Any,
        attributes: Sequence[dict[str, Any]],
        *,
        thread: Any = None,
        status: Any = None,
        first: Any = -1,
        last: Any = -1,
    ) -> Told:
        """From columns, or what holds for all of them. Without a status a span is ok, or open where it has no end."""
        numbers = {"parent": parent, "start": start, "end": end, "first": first, "last": last}
        texts = {"operation": operation, "kind": kind, "name": name, "thread": thread, "status": status}
        made: dict[str, Any]
        made = {name: np.broadcast_to(np.asarray(own, dtype=np.int64), span.shape) for name, own in numbers.items()}
        made |= {name: np.broadcast_to(np.asarray(own, dtype=object), span.shape) for name, own in texts.items()}
        is_open = made["end"] == NEVER
        how, ends = np.where(is_open, "open", "ok").astype(object), np.where(is_open, "open", "logged").astype(object)
        made["status"] = np.where(pd.isna(made["status"]), how, made["status"])
        return cls(span, ends=ends, attributes=np.array([*attributes, None], dtype=object)[:-1], **made)


def nothing_told() -> Told:
    """Of no span."""
    return Told.of(np.empty(0, np.int64), "", "", None, -1, NEVER, NEVER, [])


@dataclass
class SpanRows:
    """The spans in the order of their numbers, which a parent has before its children: calls, by far the most, and all
    others.
    """

    count: int = 0
    told: Told = field(default_factory=nothing_told)
    calls: Calls = field(default_factory=no_calls)

    def reserve(self, many: int) -> int:
        """Numbers for so many spans, which are told later; the first of them."""
        self.count += many
        return self.count - many

    def add(self, *parts: Told) -> None:
        """Add spans that are no calls, behind those that there are; numbers were reserved for them."""
        order = np.argsort(np.concatenate([part.span for part in parts]), kind="stable")
        added = (np.concatenate(columns)[order] for columns in zip(*parts, strict=True))
        self.told = Told(*map(np.concatenate, zip(self.told, added, strict=True)))

    def roots(self, spans: npt.NDArray[Any]) -> Numbers:
        """Where in `told` each span stands, for a call the one of its run; -1 for a span that is none."""
        known = np.append(self.told.span, np.iinfo(np.int64).max)
        at = np.searchsorted(known, spans)
        calls = np.flatnonzero((known[at] != spans) & (spans >= 0))
        # Numbers of the array's own type: for others the whole array would be converted.
        row = np.searchsorted(self.calls.span, spans[calls].astype(np.int32))
        at[calls] = np.searchsorted(known, self.calls.root[row])
        made: Numbers = np.where(spans < 0, -1, at)
        return made

    def depths(self) -> Numbers:
        """How deep each span lies that is no call, in the order of `told`."""
        parents, single = self.told.parent, self.told.span
        up = self.roots(parents)
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
        is_call = np.ones(self.count, dtype=np.bool_)
        is_call[self.told.span] = False
        merged = Merged(self.told.span, self.depths(), self.told._asdict(), self.calls._asdict(), is_call)
        self.told, self.calls = nothing_told(), no_calls()
        return check_spans(frame(SPANS, merged.columns()))


@dataclass
class Merged:
    """Calls and all other spans on their way into one table; a column is dropped from both when it has been taken."""

    single: Numbers  # numbers of the spans that are no calls
    depth: Numbers  # of these
    told: dict[str, Any]  # by the fields of Told
    calls: dict[str, Any]  # by the fields of Calls
    is_call: npt.NDArray[np.bool_]  # by span

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
        return self._placed(self.told.pop(column).astype(of_calls.dtype), of_calls)

    def texts(self, column: str, of_calls: Small | int, *others: str) -> tuple[list[str], Small]:
        """A column of texts: different ones, and their numbers by span. `of_calls` are places of the calls' texts: in
        what is told of the other spans, and behind it in `others`.
        """
        codes, names = pd.factorize(np.concatenate([self.told.pop(column), np.array(others, dtype=object)]))
        codes = codes.astype(np.int32)
        return list(names), self._placed(codes[: len(self.single)], codes[of_calls])

    def _placed(self, of_single: npt.NDArray[Any], of_calls: npt.NDArray[Any]) -> npt.NDArray[Any]:
        made = np.empty(len(self.is_call), dtype=of_single.dtype)
        made[self.single], made[self.is_call] = of_single, of_calls
        return made


def categories(names: list[str], codes: npt.NDArray[Any]) -> pd.Categorical:
    """A category of names by their numbers, null where -1."""
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))


def nullable(numbers: npt.NDArray[Any]) -> pd.arrays.IntegerArray:
    """Numbers of which negative ones are unknown."""
    missing, made = numbers < 0, numbers.astype(np.int64)
    made[missing] = 0
    return pd.arrays.IntegerArray(made, missing)


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


def by_family(parents: npt.NDArray[Any], start: Numbers) -> Numbers:
    """The order of spans in which those of one parent stand together, in the order in which they begin."""
    order = np.argsort(parents, kind="stable")
    own, begin = parents[order], start[order]
    late = np.flatnonzero((own[1:] == own[:-1]) & (begin[1:] < begin[:-1]))
    if len(late):
        # In most families they are numbered as they begin: the others alone are sorted by it.
        mixed = np.zeros(int(own[-1]) + 1, dtype=np.bool_)
        mixed[own[late]] = True
        places = np.flatnonzero(mixed[own])
        order[places] = order[places][np.lexsort((begin[places], own[places]))]
    return order


def self_times(parents: npt.NDArray[Any], start: Numbers, end: Numbers) -> npt.NDArray[Any]:
    """Duration minus the union of the children, clipped to the span; an open child counts to its parent's end."""
    missing = end == NEVER
    child = np.flatnonzero((parents >= 0) & ~missing[parents]).astype(np.int32)
    child = child[by_family(parents[child], start[child])]
    parent = parents[child]
    low = np.maximum(start[child], start[parent])
    until, high = end[parent], end[child]
    high = np.where(high == NEVER, until, np.minimum(high, until))
    del child, until
    goes_on = parent[1:] == parent[:-1]
    begins, _ = stretches(goes_on, len(parent))
    # Most begin where the one before them has ended. In other families what the children before one have covered ends
    # where the one of them that lasts longest does.
    entwined = np.zeros(len(parents), dtype=np.bool_)
    entwined[parent[1:][goes_on & ((low[1:] < high[:-1]) | (high[:-1] < low[:-1]))]] = True
    some = np.flatnonzero(entwined[parent])
    reached = pd.Series(high[some]).groupby(parent[some], sort=False).cummax().to_numpy()
    again = np.flatnonzero(np.diff(parent[some]) == 0) + 1
    low[some[again]] = np.maximum(low[some[again]], reached[again - 1])
    # Where the clock was set back a span ends before it begins: no time of its own.
    left = end - start
    if len(begins):
        left[parent[begins]] -= np.add.reduceat(np.maximum(high - low, 0), begins)
    made: npt.NDArray[Any] = np.maximum(left, 0).astype("timedelta64[us]")
    made[missing] = np.timedelta64("NaT")
    return made
