"""Headers by compiled loops: a portion that the processor's cache holds is matched, dated and coded before the next.

Importing this module needs numba.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import Coded
from tracekit.parse.dialect import Dialect
from tracekit.parse.fast.bytewise import Bytes, Ints, Longs
from tracekit.parse.fast.interning import Interner, Texts, number_texts, parts_of, read_times
from tracekit.parse.fast.jit import compiled
from tracekit.parse.fast.machine import DEPTH, GIVEN_UP
from tracekit.parse.fast.reading import first_change, read_headers
from tracekit.parse.fast.tables import Programs, Tables
from tracekit.parse.headers import HeaderReader, Stretch
from tracekit.parse.lines import Places
from tracekit.parse.stamps import FIXED, Clock, fixed

AT_ONCE = 1 << 14  # headers of one call
PORTION = 1 << 9  # headers whose bytes are near the processor when their columns are read
NO_COLUMN = -1
TS = "TS"
NO_PARTS = dict.fromkeys(FIXED, (0, 0))


class Room(NamedTuple):
    """What one call of the loops fills."""

    starts: Longs
    bodies: Longs
    stamps: Ints  # first and last + 1 byte of each time stamp, counted from the record's
    times: Longs
    codes: Ints  # a row for each column
    spans: Ints  # of the columns of a portion
    groups: Longs


class Stamps(NamedTuple):
    """Which column has the time stamps, and how they are written: width 0 for what the loops cannot read."""

    column: int
    width: int
    parts: Ints


@compiled
def read_columns(
    programs: Programs,
    begin: int,
    data: Bytes,
    at: int,
    high: int,
    stamps: Stamps,
    texts: Texts,
    room: Room,
    stack: Longs,
) -> tuple[int, int, bool]:
    """Headers from `at` on until an array is full: how many, where to go on or GIVEN_UP, and whether all are dated."""
    columns, portion = room.spans.shape[1] // 2, len(room.spans)
    count, dated = 0, stamps.width > 0
    while at != GIVEN_UP and at < high and count + portion <= len(room.starts):
        if texts.counts[columns] + portion * columns > len(texts.known):
            break
        more, at = read_headers(
            programs, begin, data, at, high, room.starts, room.bodies, count, room.spans, room.groups, stack
        )
        for column in range(columns):
            if column != stamps.column:
                number_texts(data, room.starts, count, more, room.spans, column, texts, room.codes)
                continue
            for row in range(more):
                for side in range(2):
                    room.stamps[count + row, side] = room.spans[row, 2 * column + side]
            dated = dated and read_times(
                data, room.starts, count, more, room.spans, column, stamps.width, stamps.parts, room.times
            )
        count += more
    return count, at, dated


class View:
    """A source as numbers. It must not outlive the pass: a mapped file with a view cannot be closed."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.data = np.frombuffer(source, dtype=np.uint8)
        self.stack = np.empty((DEPTH, 4), dtype=np.int64)


class Growing:
    """An array that grows: the C library moves a large block without copying it."""

    def __init__(self, dtype: Any) -> None:
        self.array = np.empty(0, dtype=dtype)

    def add(self, part: npt.NDArray[Any]) -> None:
        """Put numbers behind the others."""
        length = len(self.array)
        self.array.resize(length + len(part), refcheck=False)
        self.array[length:] = part


class CompiledReader(HeaderReader):
    """Reads headers by compiled loops."""

    def __init__(self, view: View, tables: Tables) -> None:
        self.view, self.tables = view, tables

    def stretch(self, data: Any, dialect: Dialect, low: int, high: int) -> Stretch:
        begin = self.tables.headers.get(dialect.grammar.name)
        made = None if begin is None else self.compiled(dialect, begin, low, high)
        return made or super().stretch(data, dialect, low, high)

    def compiled(self, dialect: Dialect, begin: int, low: int, high: int) -> Stretch | None:
        """Headers of one dialect; None where the machine cannot say."""
        columns, at = Columns(self.view, dialect), low
        while at < high:
            at = columns.read(self.tables.programs, begin, at, high)
            if at == GIVEN_UP:
                return None
        return columns.stretch()

    def suspects(self, data: Any, bodies: Places, ends: Places, others: Sequence[Dialect]) -> Iterator[int]:
        begins = [self.tables.headers.get(other.grammar.name) for other in others]
        if None in begins:
            yield from super().suspects(data, bodies, ends, others)
            return
        rows = np.array(begins, dtype=np.int32)
        groups = np.empty(2 * max(len(set(other.fields)) for other in others) + 1, dtype=np.int64)
        number, view = 0, self.view
        while True:
            number = first_change(self.tables.programs, rows, view.data, bodies, ends, number, groups, view.stack)
            if number >= len(bodies):
                return
            yield number
            number += 1


class Columns:
    """What is read of headers of one dialect."""

    def __init__(self, view: View, dialect: Dialect) -> None:
        self.view, self.dialect = view, dialect
        self.clock, form = Clock(dialect.timestamps), fixed(dialect.timestamps[0])
        self.names = list(dict.fromkeys(dialect.fields))
        self.interner = Interner(view.data, len(self.names))
        self.starts, self.bodies, self.times = Growing(np.int64), Growing(np.int64), Growing(np.int64)
        self.codes = {name: Growing(np.int32) for name in self.names if name != TS}
        count, longs, ints = len(self.names), np.int64, np.int32
        self.room = Room(
            starts=np.empty(AT_ONCE, longs),
            bodies=np.empty(AT_ONCE, longs),
            stamps=np.empty((AT_ONCE, 2), ints),
            times=np.empty(AT_ONCE, longs),
            codes=np.empty((count, AT_ONCE), ints),
            spans=np.empty((PORTION, 2 * count), ints),
            groups=np.empty(max(1, 2 * count), longs),
        )
        stamped = self.names.index(TS) if TS in self.names else NO_COLUMN
        places, width = form if form is not None and stamped != NO_COLUMN else (NO_PARTS, 0)
        self.stamps = Stamps(stamped, width, parts_of(places))

    def read(self, programs: Programs, begin: int, at: int, high: int) -> int:
        """Take in the next headers from `at` on; where to go on, or GIVEN_UP."""
        self.interner.make_room(PORTION * len(self.names))
        view, room = self.view, self.room
        count, at, dated = read_columns(
            programs, begin, view.data, at, high, self.stamps, self.interner.texts, room, view.stack
        )
        self.starts.add(room.starts[:count])
        self.bodies.add(room.bodies[:count])
        for name, codes in self.codes.items():
            codes.add(room.codes[self.names.index(name), :count])
        if dated:
            self.times.add(room.times[:count])
        else:
            self.date(count)
        return at

    def date(self, count: int) -> None:
        """Have the clock read the last `count` time stamps."""
        self.settle()
        if self.stamps.column == NO_COLUMN:
            self.clock.add([None] * count)
            return
        source, room = self.view.source, self.room
        begins, ends = (np.where(room.stamps < 0, -1, room.stamps + room.starts[:, None])[:count].T).tolist()
        self.clock.add([source[begin:end] if begin >= 0 else None for begin, end in zip(begins, ends, strict=True)])

    def settle(self) -> None:
        """Give the clock the times that are read."""
        if len(self.times.array):
            self.clock.parts.append(self.times.array.view("datetime64[us]"))
            self.times = Growing(np.int64)

    def stretch(self) -> Stretch:
        """All that was read."""
        self.settle()
        columns = {
            name: Coded(self.interner.values(self.view.source, self.names.index(name)), codes.array)
            for name, codes in self.codes.items()
            if len(codes.array)
        }
        return Stretch(self.dialect, self.starts.array, self.bodies.array, self.clock.times(), columns)
