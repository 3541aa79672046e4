"""Texts of a source as codes, and time stamps as times, by compiled loops. Importing this module needs numba."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, overload

import numpy as np

from tracekit.parse.coded import Coded
from tracekit.parse.fast.bytewise import Bytes, Ints, Longs, byte_at, equal
from tracekit.parse.fast.jit import compiled, inlined
from tracekit.parse.fast.reading import hash_of
from tracekit.parse.stamps import FIXED

SMALLEST = 1 << 13
AT_ONCE = 1 << 12  # texts of one column for which room is made
EPOCH = 719469  # days from the last of February of the year 0 to the first of January 1970
AT, LENGTH, COLUMN, CODE = range(4)  # what is known of a text


class Texts(NamedTuple):
    """The different texts of some columns."""

    slots: Ints  # hash of a text -> its number
    known: Longs  # of each AT, LENGTH, COLUMN and CODE
    counts: Longs  # how many there are of each column, and of all


@inlined
def slot_of(data: Bytes, at: int, length: int, column: int, texts: Texts) -> np.uint64:
    """The slot that has the number of a text of a column, or the free one in which it belongs."""
    slots, known = texts.slots, texts.known
    mask = np.uint64(len(slots) - 1)
    slot = (hash_of(data, at, length) + np.uint64(column)) & mask
    while slots[slot] >= 0:
        number = np.uint64(slots[slot])
        if (
            known[number, LENGTH] == length
            and known[number, COLUMN] == column
            and equal(data, known[number, AT], data, at, length)
        ):
            break
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def number_texts(
    data: Bytes,
    starts: Longs,
    first: int,
    count: int,
    spans: Ints,
    column: int,
    texts: Texts,
    codes: Ints,
) -> None:
    """`codes` from `first` on: the code of each of `count` texts of a column of `spans`, -1 where it is absent.

    A known text is remembered where it stood last: what is near was used a moment ago.
    """
    slots, known, counts = texts.slots, texts.known, texts.counts
    for row in range(count):
        begin = spans[row, 2 * column]
        if begin < 0:
            codes[column, first + row] = -1
            continue
        at, length = starts[first + row] + begin, spans[row, 2 * column + 1] - begin
        slot = slot_of(data, at, length, column, texts)
        number = slots[slot]
        if number < 0:
            number = counts[len(counts) - 1]
            slots[slot] = number
            known[number, LENGTH], known[number, COLUMN], known[number, CODE] = length, column, counts[column]
            counts[column] += 1
            counts[len(counts) - 1] += 1
        known[np.uint64(number), AT] = at
        codes[column, first + row] = known[np.uint64(number), CODE]


@compiled
def settle(data: Bytes, texts: Texts) -> None:
    """Put every known text into slots that are empty."""
    slots, known = texts.slots, texts.known
    for number in range(texts.counts[len(texts.counts) - 1]):
        at, length, column = known[number, AT], known[number, LENGTH], known[number, COLUMN]
        slots[slot_of(data, at, length, column, texts)] = number


@compiled
def gather(data: Bytes, begins: Longs, ends: Longs, into: Bytes) -> None:
    """Put texts behind one another."""
    place = 0
    for number in range(len(begins)):
        for at in range(begins[number], ends[number]):
            into[np.uint64(place)] = byte_at(data, at)
            place += 1


class Cut(Sequence[bytes]):
    """Texts of a source that are cut out when they are asked for."""

    def __init__(self, source: Any, begins: Longs, ends: Longs) -> None:
        self.source, self.begins, self.ends = source, begins, ends

    def __len__(self) -> int:
        return len(self.begins)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Cut: ...
    def __getitem__(self, at: int | slice) -> bytes | Cut:
        if isinstance(at, slice):
            return Cut(self.source, self.begins[at], self.ends[at])
        made: bytes = self.source[int(self.begins[at]) : int(self.ends[at])]
        return made

    def __iter__(self) -> Iterator[bytes]:
        places = np.concatenate([[0], np.cumsum(self.ends - self.begins)])
        near = np.empty(int(places[-1]), dtype=np.uint8)
        gather(np.frombuffer(self.source, dtype=np.uint8), self.begins, self.ends, near)
        texts, cuts = near.tobytes(), places.tolist()
        return (texts[begin:end] for begin, end in pairwise(cuts))


def free(slots: int) -> Ints:
    """So many slots of which none is taken."""
    return np.full(slots, -1, dtype=np.int32)


class Interner:
    """Numbers the texts of columns of one source, in each the different ones in the order in which they come."""

    def __init__(self, data: Bytes, columns: int) -> None:
        self.data = data
        self.texts = Texts(free(2 * SMALLEST), np.empty((SMALLEST, 4), np.int64), np.zeros(columns + 1, np.int64))

    def make_room(self, texts: int) -> None:
        """See to it that so many more different texts can be numbered."""
        known, count = self.texts.known, int(self.texts.counts[-1])
        size = len(known)
        while count + texts > size:
            size *= 2
        if size > len(known):
            known.resize((size, 4), refcheck=False)
            self.texts = self.texts._replace(slots=free(2 * size))
            settle(self.data, self.texts)

    def values(self, source: Any, column: int) -> Cut:
        """The different texts of a column, by code; `source` is what the data are a view of."""
        known = self.texts.known[: self.texts.counts[-1]]
        own = known[known[:, COLUMN] == column]
        return Cut(source, own[:, AT].copy(), own[:, AT] + own[:, LENGTH])


def interned(source: Any, begins: Longs, ends: Longs) -> Coded:
    """The texts between places of one source as a column."""
    known = Interner(np.frombuffer(source, dtype=np.uint8), 1)
    spans, codes = np.zeros((AT_ONCE, 2), dtype=np.int32), np.empty((1, len(begins)), dtype=np.int32)
    for first in range(0, len(begins), AT_ONCE):
        count = min(AT_ONCE, len(begins) - first)
        spans[:count, 1] = ends[first : first + count] - begins[first : first + count]
        known.make_room(count)
        number_texts(known.data, begins, first, count, spans, 0, known.texts, codes)
    return Coded(known.values(source, 0), codes[0])


@compiled
def renumber(codes: Ints, numbers: Ints) -> None:
    """Replace each code by the number that stands for it; -1 stays."""
    for row in range(len(codes)):
        if codes[row] >= 0:
            codes[row] = numbers[np.uint64(codes[row])]


@inlined
def digits(data: Bytes, at: int, length: int) -> int:
    """A decimal number of that many digits."""
    made = 0
    for number in range(length):
        made = 10 * made + byte_at(data, at + number) - 48
    return made


@compiled
def read_times(
    data: Bytes,
    starts: Longs,
    first: int,
    count: int,
    spans: Ints,
    column: int,
    width: int,
    parts: Ints,
    times: Longs,
) -> bool:
    """`times` from `first` on: microseconds since 1970 of `count` stamps of one width, whose parts (year to
    millisecond) stand where `parts` says.

    False when a stamp has another width or is absent.
    """
    for row in range(count):
        begin = spans[row, 2 * column]
        if begin < 0 or spans[row, 2 * column + 1] - begin != width:
            return False
        at = starts[first + row] + begin
        year, month = digits(data, at + parts[0, 0], parts[0, 1]), digits(data, at + parts[1, 0], parts[1, 1])
        day = digits(data, at + parts[2, 0], parts[2, 1])
        # Months counted from March: then the day that some years have more is the last one.
        year += (month - 1) // 12 - (1 if (month - 1) % 12 < 2 else 0)
        days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - EPOCH
        clock = digits(data, at + parts[3, 0], parts[3, 1]) * 60 + digits(data, at + parts[4, 0], parts[4, 1])
        clock = clock * 60 + digits(data, at + parts[5, 0], parts[5, 1])
        milli = digits(data, at + parts[6, 0], parts[6, 1])
        times[first + row] = (days * 86400 + clock) * 1_000_000 + milli * 1000
    return True


def parts_of(places: Mapping[str, tuple[int, int]]) -> Ints:
    """Where year to millisecond stand in a stamp of fixed width, as `read_times` wants it."""
    return np.array([places[name] for name in FIXED], dtype=np.int32)
