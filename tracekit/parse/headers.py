"""Where the records of a source begin and what their headers say, also where the layout changes in the middle.

One pattern, that of the source's dialect, runs over all bytes. What it does not read lies inside its records, as
continuation lines: only there the patterns of the other layouts are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import Coded, Coder, concatenated
from tracekit.parse.dialect import Dialect
from tracekit.parse.lines import Places, newlines
from tracekit.parse.stamps import Clock
from tracekit.patterns import compiled

AT_ONCE = 1 << 10  # headers whose matches are in memory at the same time: few, so that they stay near the processor
CHANGED = 0.2  # of the lines inside a record begin with another layout's header: they are no quotation


class Stretch(NamedTuple):
    """Consecutive headers of one layout."""

    dialect: Dialect
    starts: Places
    bodies: Places  # where the messages begin
    ts: npt.NDArray[np.datetime64]
    columns: dict[str, Coded]


class Heads(NamedTuple):
    """The headers of a source in the order in which they stand."""

    starts: Places
    bodies: Places
    ts: npt.NDArray[np.datetime64]
    columns: dict[str, Coded]
    dialects: dict[str, int]  # records by id of their dialect


class HeaderReader:
    """Reads headers by the derived patterns themselves."""

    def stretch(self, data: Any, dialect: Dialect, low: int, high: int) -> Stretch:
        """Headers of one dialect in data[low:high]."""
        return stretch(data, dialect, low, high)

    def suspects(self, data: Any, bodies: Places, ends: Places, others: Sequence[Dialect]) -> Iterator[int]:
        """Numbers of the records inside which a line may begin with a header of `others`."""
        lines = newlines(data, int(bodies[0]), int(ends[-1]))
        first = np.append(lines, ends[-1])[np.searchsorted(lines, bodies)]
        yield from np.flatnonzero(first < ends - 1).tolist()


BY_RE = HeaderReader()


def read_heads(
    data: Any, dialect: Dialect, others: Sequence[Dialect], low: int, high: int, reader: HeaderReader = BY_RE
) -> Heads:
    """Headers of data[low:high], which begins at the start of a line; `others` may take over where `dialect` fails."""
    made: list[Stretch] = []
    pending = [(dialect, low, high, tuple(others))]
    while pending:
        known, begin, end, rest = pending.pop()
        found = reader.stretch(data, known, begin, end)
        made.append(found)
        rest = tuple(other for other in rest if other.grammar.name != known.grammar.name)
        pending += [(other, at, to, rest) for other, at, to in changes(data, found, begin, end, rest, reader)]
    return joined(made)


def stretch(data: Any, dialect: Dialect, low: int, high: int) -> Stretch:
    """Headers of one dialect in data[low:high]."""
    found = dialect.heads(data, low, high)
    places: list[Places] = []
    clock = Clock(dialect.timestamps)
    coders: dict[str, Coder] = {}
    codes: dict[str, list[npt.NDArray[np.int32]]] = {}
    while chunk := list(islice(found, AT_ONCE)):
        places.append(np.fromiter(chain.from_iterable(map(re.Match.span, chunk)), np.int64, 2 * len(chunk)))
        columns = header_columns(dialect.fields, [match.groups() for match in chunk])
        clock.add(columns.pop("TS", [None] * len(chunk)))
        for name, values in columns.items():
            codes.setdefault(name, []).append(coders.setdefault(name, Coder()).codes(values))
    whole = np.concatenate([np.empty(0, dtype=np.int64), *places])
    made = {name: Coded(coders[name].values_of(), np.concatenate(parts)) for name, parts in codes.items()}
    return Stretch(dialect, whole[::2].copy(), whole[1::2].copy(), clock.times(), made)


def header_columns(
    fields: Sequence[str], heads: Sequence[tuple[bytes | None, ...]]
) -> dict[str, Sequence[bytes | None]]:
    """Groups of the header pattern by column; of several groups of one column the one that took part."""
    made: dict[str, Sequence[bytes | None]] = {}
    for name, values in zip(fields, zip(*heads, strict=True), strict=False):
        missing = values.count(None)
        if name not in made or made[name].count(None) == len(heads):
            made[name] = values
        elif missing < len(heads):
            made[name] = [a if a is not None else b for a, b in zip(made[name], values, strict=True)]
    return made


def changes(
    data: Any, found: Stretch, low: int, high: int, others: Sequence[Dialect], reader: HeaderReader
) -> Iterator[tuple[Dialect, int, int]]:
    """Places before and inside the records of a stretch, data[low:high], where another layout goes on: dialect, from,
    to.
    """
    if not others:
        return
    for at, end in suspected(data, found, low, high, others, reader):
        lines = max(1, data[at:end].count(b"\n"))
        for other in others:
            if other.header.match(data, at, end):
                if sum(1 for _ in other.heads(data, at, end)) >= CHANGED * lines:
                    yield other, at, end
                break


def suspected(
    data: Any, found: Stretch, low: int, high: int, others: Sequence[Dialect], reader: HeaderReader
) -> Iterator[tuple[int, int]]:
    """The first line with a header of `others` before the first record and inside each, and where that ends."""
    begun = int(found.starts[0]) if len(found.starts) else high
    if begun > low:
        hit = header_of_any(b"^", others).search(data, low, begun)
        if hit is not None:
            yield hit.start(), begun
    if not len(found.starts):
        return
    ends = np.append(found.starts[1:], high)
    inside: re.Pattern[bytes] | None = None
    for number in reader.suspects(data, found.bodies, ends, others):
        inside = inside or header_of_any(b"\\n", others)  # compiling it takes a while
        hit = inside.search(data, int(found.bodies[number]), int(ends[number]))
        if hit is not None:
            yield hit.start() + 1, int(ends[number])


def header_of_any(before: bytes, others: Sequence[Dialect]) -> re.Pattern[bytes]:
    """The header of any of these layouts behind `before`."""
    return compiled(before + b"(?:" + b"|".join(other.derived.pattern.encode() for other in others) + b")", re.M)


def joined(parts: Sequence[Stretch]) -> Heads:
    """Stretches in one another as one sequence."""
    counts: dict[str, int] = {}
    for part in parts:
        if len(part.starts):
            counts[part.dialect.id] = counts.get(part.dialect.id, 0) + len(part.starts)
    if len(parts) == 1:
        return Heads(parts[0].starts, parts[0].bodies, parts[0].ts, parts[0].columns, counts)
    starts = np.concatenate([part.starts for part in parts])
    order = np.argsort(starts, kind="stable")
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {
        name: concatenated([part.columns.get(name) or Coded.absent(len(part.starts)) for part in parts]).take(order)
        for name in names
    }
    bodies = np.concatenate([part.bodies for part in parts])[order]
    return Heads(starts[order], bodies, np.concatenate([part.ts for part in parts])[order], columns, counts)
