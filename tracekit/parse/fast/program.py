"""Derived patterns to instructions: the standard library's own parse of a pattern, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tracekit.parse.fast import instructions as op
from tracekit.parse.fast.classes import (
    ALL,
    ANYTHING,
    FINAL,
    MULTILINE,
    SRE,
    Items,
    Next,
    UnknownError,
    either,
    first_of,
    literals,
    most_of,
    only,
    row_of,
    stops_of,
)

LONGEST = 4000  # instructions of one pattern


@dataclass
class Pool:
    """Sets and strings of all programs."""

    sets: dict[int, int] = field(default_factory=lambda: {ALL: op.ANY_BYTE})
    strings: bytearray = field(default_factory=bytearray)
    places: dict[bytes, int] = field(default_factory=dict)

    def set(self, bits: int) -> int:
        """Number of a set."""
        return self.sets.setdefault(bits, len(self.sets))

    def bits(self, number: int) -> int:
        """The set of that number."""
        return next(bits for bits, known in self.sets.items() if known == number)

    def string(self, text: bytes) -> int:
        """Place of a string."""
        if text not in self.places:
            self.places[text] = len(self.strings)
            self.strings += text
        return self.places[text]

    def shape(self, sets: Sequence[int]) -> int:
        """Place of the numbers of a row of sets, two bytes each, among the strings."""
        return self.string(b"".join(self.set(bits).to_bytes(2, "little") for bits in sets))


def program(pattern: bytes, pool: Pool, slots: Sequence[int], header: bool) -> list[list[int]]:
    """Instructions that match `pattern` where they are begun: up to the end of the text, a `header` any beginning.

    `slots` are the places of the groups; of several groups of a header with one place the first that takes part
    fills it. Places of targets count from the first instruction. Raises UnknownError.
    """
    tree = SRE.parse(pattern)
    maker = _Maker(pool, slots, header)
    maker.items(list(tree), tree.state.flags, FINAL if header else ANYTHING)
    maker.put(op.MATCH, int(not header))
    if len(maker.code) > LONGEST:
        raise UnknownError("a very long pattern")
    shortened(maker.code)
    return maker.code


def shortened(code: list[list[int]]) -> None:
    """Have instructions go where a JUMP would go on to, and do what belongs together at once. All rows stay."""
    for row in code:
        while row[0] in (op.SPLIT, op.JUMP, op.UNLESS) and code[row[1]][0] == op.JUMP:
            row[1] = code[row[1]][1]
    for begin, run, end in zip(code, code[1:], code[2:], strict=False):
        if (begin[0], run[0], end[0]) == (op.SAVE, op.RUN, op.SAVE) and end[1:3] == [begin[1] + 1, begin[2]]:
            begin[0] = op.FIELD


def endless(most: int, bits: int) -> int:
    """`most` as GREEDY and LAZY have it: where there is none it tells the bytes that `bits` lack, if these are few."""
    stops = stops_of(bits)
    return op.ENDLESS - stops if most == op.UNBOUNDED and stops != op.NO_STOPS else most


class _Maker:
    """Instructions of one pattern."""

    def __init__(self, pool: Pool, slots: Sequence[int], first_wins: bool) -> None:
        self.pool, self.slots, self.first_wins = pool, slots, first_wins
        self.code: list[list[int]] = []
        self.held = 0  # depth of parts in which a place cannot be remembered

    def put(self, *row: int) -> list[int]:
        made = [*row, *[0] * (op.WIDTH - len(row))]
        self.code.append(made)
        return made

    def items(self, items: Items, flags: int, after: Next) -> None:
        """Instructions of items in a row; `after` is what stands behind the last."""
        at = 0
        while at < len(items):
            row, at = row_of(items, at, flags)
            if row:
                self._row(row)
            else:
                self._item(*items[at], flags, first_of(items[at + 1 :], flags, after))
                at += 1

    def _row(self, row: Sequence[int]) -> None:
        """One byte of each of these sets."""
        if all(bits & bits - 1 == 0 for bits in row):
            text = bytes(bits.bit_length() - 1 for bits in row)
            put = (op.BYTE, text[0]) if len(text) == 1 else (op.STRING, self.pool.string(text), len(text))
        else:
            put = (op.SET, self.pool.set(row[0])) if len(row) == 1 else (op.SHAPE, self.pool.shape(row), len(row))
        self.put(*put)

    def _item(self, kind: Any, value: Any, flags: int, after: Next) -> None:
        make = getattr(self, "_" + str(kind).lower(), None)
        if make is None:
            raise UnknownError(str(kind))
        make(value, flags, after)

    def _subpattern(self, value: Any, flags: int, after: Next) -> None:
        group, add, remove, items = value
        if group is not None and self.held:
            raise UnknownError("a group inside a part that is held")
        if group is not None:
            self.put(op.SAVE, 2 * self.slots[group - 1], int(self.first_wins))
        self.items(list(items), (flags | add) & ~remove, after)
        if group is not None:
            self.put(op.SAVE, 2 * self.slots[group - 1] + 1, int(self.first_wins))

    def _branch(self, value: Any, flags: int, after: Next) -> None:
        branches = [list(branch) for branch in value[1]]
        ends = []
        for number, branch in enumerate(branches):
            rest = branches[number + 1 :]
            if not rest:
                self.items(branch, flags, after)
                continue
            split = self._split(first_of(branch, flags, after), either(rest, flags, after))
            self.items(branch, flags, after)
            ends.append(self.put(op.JUMP, 0))
            split[1] = len(self.code)
        for jump in ends:
            jump[1] = len(self.code)

    def _split(self, here: Next, other: Next) -> list[int]:
        return self.put(op.SPLIT, 0, self._set(here), self._set(other))

    def _set(self, after: Next) -> int:
        return op.NO_SET if after.empty or after.first == ALL else self.pool.set(after.first)

    def _max_repeat(self, value: Any, flags: int, after: Next) -> None:
        least, most, items = value[0], most_of(value[1]), value[2]
        bits = only(items, flags)
        if bits is None:
            self._repeat(least, most, items, flags, after, lazy=False)
        elif after.final or (not after.empty and not bits & after.first):
            self.put(op.RUN, self.pool.set(bits), least, most, stops_of(bits))
        else:
            self.put(op.GREEDY, self.pool.set(bits), least, endless(most, bits), self._set(after))

    def _min_repeat(self, value: Any, flags: int, after: Next) -> None:
        least, most, items = value[0], most_of(value[1]), value[2]
        bits = only(items, flags)
        if bits is None:
            self._repeat(least, most, items, flags, after, lazy=True)
        else:
            bits_before = bits & ~after.first
            self.put(op.LAZY, self.pool.set(bits), least, endless(most, bits_before), self._set(after))

    def _possessive_repeat(self, value: Any, flags: int, after: Next) -> None:
        self._hold([(SRE.MAX_REPEAT, value)], flags)

    def _repeat(self, least: int, most: int, items: Any, flags: int, after: Next, lazy: bool) -> None:
        """Several items again and again: as often as they must, then as often as they may."""
        body = first_of(items, flags, ANYTHING)
        if most != 1 and (body.empty or not items.getwidth()[0]):
            raise UnknownError("a repetition of what may be nothing")
        between = Next(body.first | after.first, after.empty)
        for number in range(least):
            self.items(items, flags, between if most != least or number + 1 < least else after)
        if most == op.UNBOUNDED:
            self._loop(items, flags, body, after, between, lazy)
            return
        exits = []
        for number in range(most - least):
            exits.append(self._way_out(body, after, lazy))
            self.items(items, flags, between if number + 1 < most - least else after)
        for split in exits:
            split[1] = len(self.code)

    def _loop(self, items: Items, flags: int, body: Next, after: Next, between: Next, lazy: bool) -> None:
        begin = len(self.code)
        split = self._way_out(body, after, lazy)
        self.items(items, flags, between)
        self.put(op.JUMP, begin)
        split[1] = len(self.code)

    def _way_out(self, body: Next, after: Next, lazy: bool) -> list[int]:
        """A choice between one more repetition and what stands behind, whose place is to be filled in."""
        if not lazy:
            return self._split(body, after)
        split = self._split(after, body)
        split[1] = len(self.code) + 1
        return self.put(op.JUMP, 0)

    def _atomic_group(self, value: Any, flags: int, after: Next) -> None:
        self._hold(list(value), flags)

    def _hold(self, items: Items, flags: int) -> None:
        begin = len(self.code)
        self.put(op.HOLD)
        self._inside(items, flags, FINAL)
        if not any(self._may_turn(row) for row in self.code[begin:]):
            del self.code[begin]  # there is no other way
            self._moved(begin)
        else:
            self.put(op.KEEP)

    def _may_turn(self, row: Sequence[int]) -> bool:
        """Whether an instruction leaves another way open."""
        if row[0] == op.SPLIT and op.NO_SET not in row[2:4]:
            return bool(self.pool.bits(row[2]) & self.pool.bits(row[3]))
        return row[0] in (op.GREEDY, op.LAZY, op.SPLIT)

    def _moved(self, begin: int) -> None:
        """Targets behind an instruction that was taken out."""
        for row in self.code[begin:]:
            if row[0] in (op.SPLIT, op.JUMP, op.UNLESS):
                row[1] -= 1

    def _inside(self, items: Items, flags: int, after: Next) -> None:
        self.held += 1
        self.items(items, flags, after)
        self.held -= 1

    def _assert(self, value: Any, flags: int, after: Next) -> None:
        self._look(value, flags, negated=False)

    def _assert_not(self, value: Any, flags: int, after: Next) -> None:
        self._look(value, flags, negated=True)

    def _look(self, value: Any, flags: int, negated: bool) -> None:
        if value[0] < 0:
            raise UnknownError("a look back")
        items = list(value[1])
        bits = only(items, flags)
        if bits is not None:
            self.put(op.PEEK_SET, self.pool.set(bits), int(negated))
        elif (texts := literals(items, flags)) is not None and (negated or len(texts) == 1):
            for text in texts:
                self.put(op.PEEK_STRING, self.pool.string(text), len(text), int(negated))
        else:
            first = self._set(first_of(items, flags, ANYTHING))
            begin = self.put(op.UNLESS if negated else op.AHEAD, 0, first)
            self._inside(items, flags, FINAL)
            self.put(op.REFUSE if negated else op.BACK)
            begin[1] = len(self.code)

    def _at(self, value: Any, flags: int, after: Next) -> None:
        known = {"AT_END": (op.AT_END, 0), "AT_END_STRING": (op.AT_VERY_END, 0)}
        known |= {"AT_BOUNDARY": (op.BOUNDARY, 0), "AT_NON_BOUNDARY": (op.BOUNDARY, 1)}
        if str(value) not in known or flags & MULTILINE:
            raise UnknownError(str(value))
        self.put(*known[str(value)])
