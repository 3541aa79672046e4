"""Texts of a source as codes, and time stamps as times, by compiled loops. Importing this module needs numba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracekit.parse.coded import Coded, Codes
from tracekit.parse.fast.bytewise import Bytes, Ints, Longs, equal
from tracekit.parse.fast.jit import compiled, inlined
from tracekit.parse.fast.reading import hash_of
from tracekit.parse.stamps import FIXED

SMALLEST = 1 << 10
EPOCH = 719469  # days from the last of February of the year 0 to the first of January 1970


@inlined
def slot_of(data: Bytes, at: int, length: int, slots: Ints, places: Longs) -> int:
    """The slot that has the code of a text, or the free one in which it belongs."""
    mask = len(slots) - 1
    slot = int(hash_of(data, at, length)) & mask
    while slots[slot] >= 0:
        known = slots[slot]
        if places[known, 1] == length and equal(data, places[known, 0], data, at, length):
            break
        slot = (slot + 1) & mask
    return slot


@compiled
def number_texts(
    data: Bytes, starts: Longs, spans: Ints, column: int, slots: Ints, places: Longs, count: int, codes: Ints
) -> int:
    """The code of each text of a column, -1 where it is absent; how many different texts there are now.

    A known text is remembered where it stood last: what is near was used a moment ago.
    """
    for number in range(len(starts)):
        begin = spans[number, 2 * column]
        if begin < 0:
            codes[number] = -1
            continue
        at, length = starts[number] + begin, spans[number, 2 * column + 1] - begin
        slot = slot_of(data, at, length, slots, places)
        if slots[slot] < 0:
            slots[slot] = count
            places[count, 1] = length
            count += 1
        codes[number] = slots[slot]
        places[slots[slot], 0] = at
    return count


@compiled
def settle(data: Bytes, places: Longs, count: int, slots: Ints) -> None:
    """Put every known text into larger slots."""
    for code in range(count):
        slots[slot_of(data, places[code, 0], places[code, 1], slots, places)] = code


class Interner:
    """Numbers the texts of one column of one source in the order in which they come."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        self.count = 0
        self.slots = np.full(2 * SMALLEST, -1, dtype=np.int32)
        self.places = np.empty((SMALLEST, 2), dtype=np.int64)

    def codes(self, starts: Longs, spans: Ints, column: int) -> Codes:
        """The code of each text of a column of `spans`, which are counted from `starts`; -1 where it is absent."""
        while self.count + len(starts) > len(self.places):
            self.places = np.concatenate([self.places, np.empty_like(self.places)])
            self.slots = np.full(2 * len(self.slots), -1, dtype=np.int32)
            settle(self.data, self.places, self.count, self.slots)
        made = np.empty(len(starts), dtype=np.int32)
        self.count = number_texts(self.data, starts, spans, column, self.slots, self.places, self.count, made)
        return made

    def values(self, source: Any) -> list[bytes]:
        """The different texts, by code; `source` is what the data are a view of."""
        return [source[at : at + length] for at, length in self.places[: self.count].tolist()]


def interned(source: Any, begins: Longs, ends: Longs) -> Coded:
    """The texts between places of one source as a column."""
    known = Interner(np.frombuffer(source, dtype=np.uint8))
    spans = np.stack([np.zeros_like(begins), ends - begins], axis=1).astype(np.int32)
    codes = known.codes(begins, spans, 0)
    return Coded(known.values(source), codes)


@inlined
def digits(data: Bytes, at: int, length: int) -> int:
    """A decimal number of that many digits."""
    made = 0
    for number in range(length):
        made = 10 * made + data[at + number] - 48
    return made


@compiled
def read_times(data: Bytes, starts: Longs, spans: Ints, column: int, width: int, parts: Ints, times: Longs) -> bool:
    """Microseconds since 1970 of stamps of one width, whose parts (year to millisecond) stand where `parts` says.

    False when a stamp has another width or is absent.
    """
    for number in range(len(starts)):
        begin = spans[number, 2 * column]
        if begin < 0 or spans[number, 2 * column + 1] - begin != width:
            return False
        at = starts[number] + begin
        year, month = digits(data, at + parts[0, 0], parts[0, 1]), digits(data, at + parts[1, 0], parts[1, 1])
        day = digits(data, at + parts[2, 0], parts[2, 1])
        # Months counted from March: then the day that some years have more is the last one.
        year += (month - 1) // 12 - (1 if (month - 1) % 12 < 2 else 0)
        days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - EPOCH
        clock = digits(data, at + parts[3, 0], parts[3, 1]) * 60 + digits(data, at + parts[4, 0], parts[4, 1])
        clock = clock * 60 + digits(data, at + parts[5, 0], parts[5, 1])
        milli = digits(data, at + parts[6, 0], parts[6, 1])
        times[number] = (days * 86400 + clock) * 1_000_000 + milli * 1000
    return True


def parts_of(places: Mapping[str, tuple[int, int]]) -> Ints:
    """Where year to millisecond stand in a stamp of fixed width, as `read_times` wants it."""
    return np.array([places[name] for name in FIXED], dtype=np.int32)
