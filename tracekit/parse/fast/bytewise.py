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
LOW, HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)


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
    return sets[np.uint64(number), data[np.uint64(at)]] != 0  # type: ignore[no-any-return]


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
def equal(data: Bytes, at: int, other: Bytes, place: int, length: int) -> bool:
    """Whether the same bytes stand in two places."""
    if length < 8:
        for i in range(length):  # noqa: SIM110
            if byte_at(data, at + i) != byte_at(other, place + i):
                return False
        return True
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
def before_stop(data: Bytes, at: int, end: int, one: int, other: int) -> int:
    """A place not behind the first of two bytes, and less than eight before it: eight bytes at a time."""
    first, second = np.uint64(one) * LOW, np.uint64(other) * LOW
    while at + 8 <= end:
        word = eight(data, at)
        left, right = word ^ first, word ^ second
        if ((left - LOW) & ~left | (right - LOW) & ~right) & HIGH:
            break
        at += 8
    return at


@inlined
def run_of(data: Bytes, at: int, end: int, most: int, sets: Bytes, number: int, stops: int) -> int:
    """Where a run of bytes of a set, which begins at `at`, ends."""
    if most >= 0 and end - at > most:
        end = at + most
    if number == ANY_BYTE:
        return end
    if stops != NO_STOPS:
        at = before_stop(data, at, end, stops & 255, stops >> 8)
    while at < end and is_in(sets, number, data, at):
        at += 1
    return at


@inlined
def back_to(data: Bytes, at: int, least: int, end: int, sets: Bytes, first: int) -> int:
    """The last place from `at` back to `least` where matching may go on; -1 where there is none."""
    if first == NO_SET:
        return at
    while at >= least:
        if at < end and is_in(sets, first, data, at):
            return at
        at -= 1
    return NO_MATCH


@inlined
def on_to(data: Bytes, at: int, most: int, end: int, sets: Bytes, number: int, first: int) -> int:
    """The first place from `at` on where matching may go on, over bytes of a set; -1 where there is none."""
    if first == NO_SET:
        return at
    while at < end:
        if is_in(sets, first, data, at):
            return at
        if at >= most or not is_in(sets, number, data, at):
            return NO_MATCH
        at += 1
    return NO_MATCH


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
