"""The compiled loops over a source: headers, messages, lines. Importing this module needs numba."""

from __future__ import annotations

import numpy as np

from tracekit.parse.fast import tables
from tracekit.parse.fast.bytewise import LOW, NEWLINE, TOP_BYTE, Bytes, Ints, Longs, eight, equal, few, same, to_stop
from tracekit.parse.fast.jit import compiled, inlined
from tracekit.parse.fast.machine import GIVEN_UP, match
from tracekit.parse.fast.tables import Lookup, Programs
from tracekit.parse.scan import KEYS

UNREAD = -1  # no rule reads the message
ASK_RE = -2  # the machine cannot say
PRIME, OFFSET = np.uint64(tables.PRIME), np.uint64(tables.OFFSET)
GRAM, SPREAD, SHIFT = tables.GRAM, tables.SPREAD, 20
LINE = np.uint64(0x0A0A0A0A0A0A0A0A)
SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
THIRTY_TWO, ONE_BIT = np.uint64(32), np.uint64(7)


@compiled
def next_line(data: Bytes, at: int, high: int) -> int:
    """Where the line after the one that holds `at` begins; `high` where there is none."""
    at = to_stop(data, at, high, NEWLINE, NEWLINE)
    return at + 1 if at < high else high


@compiled
def count_lines(data: Bytes, at: int, high: int) -> int:
    """Newlines of data[at:high]."""
    made = 0
    while at + 8 <= high:
        word = eight(data, at) ^ LINE
        zero = ~(((word & SEVEN) + SEVEN) | word | SEVEN)
        made += int(((zero >> ONE_BIT) * LOW) >> TOP_BYTE)
        at += 8
    while at < high:
        made += data[at] == NEWLINE
        at += 1
    return made


@compiled
def lines_of(data: Bytes, starts: Longs, high: int, lines: Longs) -> None:
    """Lines of each record; the last one's may lack its newline."""
    for number in range(len(starts)):
        end = starts[number + 1] if number + 1 < len(starts) else high
        lines[number] = count_lines(data, starts[number], end)
    if len(starts) and data[high - 1] != NEWLINE:
        lines[len(starts) - 1] += 1


@compiled
def read_headers(
    programs: Programs,
    begin: int,
    data: Bytes,
    at: int,
    high: int,
    starts: Longs,
    bodies: Longs,
    first: int,
    spans: Ints,
    groups: Longs,
    stack: Longs,
) -> tuple[int, int]:
    """Headers at the beginnings of lines from `at` on, as many as `spans` has rows; how many, and where to go on.

    `starts` and `bodies` get from `first` on first and last + 1 byte of each header, `spans` those of its groups,
    counted from the first. Where to go on is GIVEN_UP when the machine cannot say.
    """
    count = 0
    while at < high and count < len(spans):
        for slot in range(spans.shape[1]):
            groups[slot] = -1
        end = match(programs, begin, data, at, high, groups, stack)
        if end == GIVEN_UP:
            return count, GIVEN_UP
        if end >= 0:
            starts[first + count], bodies[first + count] = at, end
            for slot in range(spans.shape[1]):
                spans[count, slot] = groups[slot] - at if groups[slot] >= 0 else -1
            count += 1
            at = next_line(data, end, high)
        else:
            at = next_line(data, at, high)
    return count, at


@compiled
def first_change(
    programs: Programs,
    begins: Ints,
    data: Bytes,
    bodies: Longs,
    ends: Longs,
    number: int,
    groups: Longs,
    stack: Longs,
) -> int:
    """The first record from `number` on inside which a line begins with one of the headers at `begins`."""
    while number < len(bodies):
        end = ends[number]
        at = next_line(data, bodies[number], end)
        while at < end:
            for begin in begins:
                found = match(programs, int(np.int64(begin)), data, at, end, groups, stack)
                if found >= 0 or found == GIVEN_UP:
                    return number
            at = next_line(data, at, end)
        number += 1
    return number


@inlined
def mixed(hashed: np.uint64, word: np.uint64) -> np.uint64:
    """The hash of a text with eight more bytes."""
    made = (hashed ^ word) * PRIME
    return made ^ (made >> THIRTY_TWO)


@inlined
def hash_of(data: Bytes, at: int, length: int) -> np.uint64:
    """The hash of any number of bytes: by eights, of which the last two may overlap."""
    made = OFFSET ^ np.uint64(length)
    if length < 8:
        return mixed(made, few(data, at, length))
    last = at + length - 8
    while at < last:
        made = mixed(made, eight(data, at))
        at += 8
    return mixed(made, eight(data, last))


@inlined
def key_of(lookup: Lookup, strings: Bytes, data: Bytes, at: int, length: int) -> int:
    """The key of that length with which the message at `at` begins; -1 where there is none."""
    mask = len(lookup.slots) - 1
    slot = int(hash_of(data, at, length)) & mask
    while lookup.slots[slot] >= 0:
        key = int(lookup.slots[slot])
        if lookup.key_length[key] == length and equal(data, at, strings, lookup.key_place[key], length):
            return key
        slot = (slot + 1) & mask
    return -1


@compiled
def mark_literals(lookup: Lookup, strings: Bytes, data: Bytes, at: int, end: int, marks: Bytes) -> None:
    """Mark the literals that stand in data[at:end]."""
    marks[:] = 0
    for number in range(len(marks)):
        length = lookup.open_length[number]
        if length < GRAM:
            for place in range(at, end - length + 1):
                if same(data, place, end, strings, lookup.open_place[number], length):
                    marks[number] = 1
                    break
    gram = np.uint32(0)
    for place in range(at, end):
        gram = np.uint32((gram >> np.uint32(8)) | (np.uint32(data[place]) << np.uint32(24)))
        if place - at < GRAM - 1:
            continue
        number = lookup.open_heads[np.uint32(gram * np.uint32(SPREAD)) >> np.uint32(SHIFT)]
        while number >= 0:
            begin = place - GRAM + 1
            if same(data, begin, end, strings, lookup.open_place[number], lookup.open_length[number]):
                marks[number] = 1
            number = lookup.open_next[number]


@inlined
def asked(
    programs: Programs, lookup: Lookup, rule: int, data: Bytes, at: int, end: int, groups: Longs, stack: Longs
) -> int:
    """`rule` when it reads data[at:end], else UNREAD or ASK_RE."""
    begin = int(np.int64(lookup.entries[rule]))  # one type for all calls: one copy of the machine
    if begin < 0:
        return ASK_RE
    for slot in range(2 * lookup.groups[rule]):
        groups[slot] = -1
    found = match(programs, begin, data, at, end, groups, stack)
    if found == GIVEN_UP:
        return ASK_RE
    return rule if found >= 0 else UNREAD


@inlined
def open_rule_of(
    programs: Programs, lookup: Lookup, data: Bytes, at: int, end: int, groups: Longs, stack: Longs, marks: Bytes
) -> int:
    """As `rule_of`, among the rules that have no beginning of their own."""
    mark_literals(lookup, programs.strings, data, at, end, marks)
    for number in range(len(marks)):
        if marks[number]:
            rule = asked(programs, lookup, lookup.open_rules[number], data, at, end, groups, stack)
            if rule != UNREAD:
                return rule
    return UNREAD


@inlined
def rule_of(
    programs: Programs, lookup: Lookup, data: Bytes, at: int, end: int, groups: Longs, stack: Longs, marks: Bytes
) -> int:
    """The rule that reads data[at:end], UNREAD, or ASK_RE."""
    strings = programs.strings
    for length in KEYS:
        key = key_of(lookup, strings, data, at, length) if at + length <= end else -1
        if key >= 0:
            first = lookup.key_first[key]
            for number in range(first, first + lookup.key_count[key]):
                rule = asked(programs, lookup, lookup.candidates[number], data, at, end, groups, stack)
                if rule != UNREAD:
                    return rule
    return open_rule_of(programs, lookup, data, at, end, groups, stack, marks)


@compiled
def read_messages(
    programs: Programs,
    lookup: Lookup,
    data: Bytes,
    starts: Longs,
    bodies: Longs,
    ends: Longs,
    number: int,
    rules: Ints,
    spans: Ints,
    groups: Longs,
    stack: Longs,
    marks: Bytes,
) -> int:
    """Rule and groups of each message from `number` on, until `spans` is full; the number of the next message.

    `spans` gets first and last + 1 byte of each group of each message one behind the other, counted from the record's
    first byte.
    """
    used = 0
    while number < len(bodies) and used + len(groups) <= len(spans):
        rule = rule_of(programs, lookup, data, bodies[number], ends[number], groups, stack, marks)
        rules[number] = rule
        if rule >= 0:
            for slot in range(2 * lookup.groups[rule]):
                spans[used] = groups[slot] - starts[number] if groups[slot] >= 0 else -1
                used += 1
        number += 1
    return number
