"""Small things that the machine does with bytes, compiled into it. Importing this module needs numba."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tracekit.parse.fast import instructions as op
from tracekit.parse.fast.jit import compiled, inlined

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

NO_MATCH = -1
NEWLINE = 10
NO_SET, NO_STOPS, ANY_BYTE = op.NO_SET, op.NO_STOPS, op.ANY_BYTE
LOW, HIGH, ALL = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080), np.uint64(0xFFFFFFFFFFFFFFFF)
ONE, BYTE, TOP_BYTE = np.uint64(1), np.uint64(8), np.uint64(56)


@inlined
def byte_at(data: Bytes, at: int) -> int:
    """One byte. An unsigned index spares the question whether it counts from the end."""
    return data[np.uint64(at)]  # type: ignore[no-any-return]


@inlined
def word_at(code: Ints, at: int) -> int:
    """One number of an instruction."""
    return code[np.uint64(at)]  # type: ignore[no-any-return]


@inlined
def is_in(sets: Bytes, number: int, data: Bytes, at: int) -> bool:
    """Whether the byte at a place is in a set."""
    return sets[np.uint64(number) << BYTE | np.uint64(data[np.uint64(at)])] != 0  # type: ignore[no-any-return]


@compiled
def eight(data: Bytes, at: int) -> np.uint64:
    """Eight bytes as one number; the compiler makes one load of it. They must all be there."""
    i = np.uint64(at)
    low = (
        np.uint64(data[i])
        | np.uint64(data[i + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[i + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[i + np.uint64(3)]) << np.uint64(24)
    )
    return (
        low
        | np.uint64(data[i + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[i + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[i + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[i + np.uint64(7)]) << np.uint64(56)
    )


@inlined
def few(data: Bytes, at: int, length: int) -> np.uint64:
    """Less than eight bytes as one number."""
    if at + 8 <= len(data):
        return eight(data, at) & ~(ALL << np.uint64(8 * length))
    word = np.uint64(0)
    for i in range(length):
        word |= np.uint64(byte_at(data, at + i)) << np.uint64(8 * i)
    return word


@inlined
def equal(data: Bytes, at: int, other: Bytes, place: int, length: int) -> bool:
    """Whether the same bytes stand in two places."""
    if length < 8:
        return bool(few(data, at, length) == few(other, place, length))
    for i in range(0, length - 7, 8):
        if eight(data, at + i) != eight(other, place + i):
            return False
    return bool(eight(data, at + length - 8) == eight(other, place + length - 8))


@inlined
def same(data: Bytes, at: int, end: int, strings: Bytes, place: int, length: int) -> bool:
    """Whether a string stands at `at`."""
    return at + length <= end and equal(data, at, strings, place, length)


@inlined
def in_shape(data: Bytes, at: int, end: int, sets: Bytes, strings: Bytes, place: int, length: int) -> bool:
    """Whether the bytes from `at` on are of the sets of a shape, one of each."""
    if at + length > end:
        return False
    for i in range(length):
        low, high = byte_at(strings, place + 2 * i), byte_at(strings, place + 2 * i + 1)
        if not is_in(sets, low | high << 8, data, at + i):
            return False
    return True


@inlined
def bytes_before(mask: np.uint64) -> int:
    """How many bytes stand before the first of those whose highest bit is set in a mask."""
    lowest = mask & (~mask + ONE)
    return int(((((lowest - ONE) & LOW) * LOW) >> TOP_BYTE) - ONE)


@inlined
def to_stop(data: Bytes, at: int, end: int, one: int, other: int) -> int:
    """The first of two bytes in data[at:end], or the end: eight bytes at a time."""
    first, second = np.uint64(one) * LOW, np.uint64(other) * LOW
    while at < end and at + 8 <= len(data):
        word = eight(data, at)
        left, right = word ^ first, word ^ second
        mask = (
            (left - LOW) & ~left | (right - LOW) & ~right
        ) & HIGH  # its lowest bit is right, those above need not be
        if mask != 0:
            return min(at + bytes_before(mask), end)
        at += 8
    while at < end and byte_at(data, at) != one and byte_at(data, at) != other:
        at += 1
    return min(at, end)


@inlined
def run_of(data: Bytes, at: int, end: int, most: int, sets: Bytes, number: int, stops: int) -> int:
    """Where a run of bytes of a set, which begins at `at`, ends."""
    if most >= 0 and end - at > most:
        end = at + most
    if number == ANY_BYTE:
        return end
    if stops != NO_STOPS:
        return to_stop(data, at, end, stops & 255, stops >> 8)
    while at < end and is_in(sets, number, data, at):
        at += 1
    return at


@inlined
def all_in(data: Bytes, at: int, to: int, end: int, sets: Bytes, number: int) -> bool:
    """Whether there are bytes from one place to another, all of a set."""
    while at < to:
        if at >= end or not is_in(sets, number, data, at):
            return False
        at += 1
    return True


@inlined
def is_word(byte: int) -> bool:
    """Whether a byte is a letter, a digit or `_`."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or byte == 95 or 97 <= byte <= 122


@inlined
def boundary(data: Bytes, at: int, end: int) -> bool:
    """Whether a word begins or ends here; what stands before the text counts."""
    before = at > 0 and is_word(data[at - 1])
    behind = at < end and is_word(data[at])
    return before != behind
