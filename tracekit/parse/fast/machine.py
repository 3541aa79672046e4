"""The matching machine: a stack of other ways, as `re` has one, over rows of instructions.

Every function here is compiled; none allocates in a loop. Importing this module needs numba.
"""

from __future__ import annotations

from tracekit.parse.fast import instructions as op
from tracekit.parse.fast.bytewise import (
    NEWLINE,
    NO_MATCH,
    Bytes,
    Ints,
    Longs,
    all_in,
    boundary,
    byte_at,
    in_shape,
    is_in,
    run_of,
    same,
    to_stop,
    word_at,
)
from tracekit.parse.fast.jit import compiled, inlined
from tracekit.parse.fast.tables import Programs

GIVEN_UP = -2  # the stack is full: `re` must say
# Kinds of entries of the stack: what to do when matching fails behind them.
WAY, MORE_BACK, MORE_ON, FRAME, VALUE = 0, 1, 2, 3, 4
DEPTH = 4000

MATCH, STRING, BYTE, SET, RUN, GREEDY, LAZY = op.MATCH, op.STRING, op.BYTE, op.SET, op.RUN, op.GREEDY, op.LAZY
SPLIT, JUMP, SAVE, HOLD, KEEP, AHEAD, BACK = op.SPLIT, op.JUMP, op.SAVE, op.HOLD, op.KEEP, op.AHEAD, op.BACK
UNLESS, REFUSE, PEEK_SET, PEEK_STRING, SHAPE = op.UNLESS, op.REFUSE, op.PEEK_SET, op.PEEK_STRING, op.SHAPE
AT_END, AT_VERY_END, NO_SET, NO_STOPS, WIDTH = op.AT_END, op.AT_VERY_END, op.NO_SET, op.NO_STOPS, op.WIDTH
ENDLESS, FIELD = op.ENDLESS, op.FIELD


@inlined
def looks(programs: Programs, row: int, data: Bytes, at: int, end: int) -> bool:
    """Instructions that look and take nothing."""
    kind, one, two = word_at(programs.code, row), word_at(programs.code, row + 1), word_at(programs.code, row + 2)
    if kind == PEEK_SET:
        good, negated = at < end and is_in(programs.sets, one, data, at), two != 0
    elif kind == PEEK_STRING:
        good, negated = same(data, at, end, programs.strings, one, two), word_at(programs.code, row + 3) != 0
    elif kind == AT_END:
        good, negated = at == end or (at == end - 1 and data[at] == NEWLINE), False
    elif kind == AT_VERY_END:
        good, negated = at == end, False
    else:
        good, negated = boundary(data, at, end), one != 0
    return bool(good != negated)


@inlined
def push(stack: Longs, top: int, kind: int, pc: int, at: int, more: int) -> int:
    """Put an entry on the stack; the new height."""
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = kind, pc, at, more
    return top + 1


@inlined
def save(groups: Longs, stack: Longs, top: int, slot: int, once: int, at: int) -> int:
    """Remember a place; the new height of the stack, which has what was remembered where there is another way."""
    if once == 0 or groups[slot] < 0:
        if top > 0:
            top = push(stack, top, VALUE, slot, groups[slot], 0)
        groups[slot] = at
    return top


@inlined
def stops_of(most: int) -> int:
    """The bytes at which a GREEDY or LAZY row looks, from what it has for `most`."""
    return ENDLESS - most if most <= ENDLESS else NO_STOPS


@inlined
def literal_at(code: Ints, row: int) -> tuple[int, int]:
    """Place and length of the string with which the instructions from a row on begin; length 0 where they do not."""
    while word_at(code, row) == SAVE:
        row += WIDTH
    return (word_at(code, row + 1), word_at(code, row + 2)) if word_at(code, row) == STRING else (0, 0)


@compiled
def back_to(programs: Programs, row: int, data: Bytes, at: int, least: int, end: int) -> int:
    """The last place from `at` back to `least` where the run of a GREEDY row may end; -1 where there is none."""
    code, sets, first = programs.code, programs.sets, word_at(programs.code, row + 4)
    if first == NO_SET:
        return at
    place, length = literal_at(code, row + WIDTH)
    while at >= least:
        if at < end and is_in(sets, first, data, at) and same(data, at, end, programs.strings, place, length):
            return at
        at -= 1
    return NO_MATCH


@compiled
def on_to(programs: Programs, row: int, data: Bytes, at: int, most: int, end: int) -> int:
    """The first place from `at` on, `most` at most, where the run of a LAZY row may end; -1 where there is none."""
    code, sets, first = programs.code, programs.sets, word_at(programs.code, row + 4)
    if first == NO_SET:
        return at
    number, stops = word_at(code, row + 1), stops_of(word_at(code, row + 3))
    place, length = literal_at(code, row + WIDTH)
    while at < end:
        if stops != NO_STOPS:
            at = to_stop(data, at, end, stops & 255, stops >> 8)
            if at >= end:
                break
        if is_in(sets, first, data, at) and same(data, at, end, programs.strings, place, length):
            return at
        if at >= most or not is_in(sets, number, data, at):
            break
        at += 1
    return NO_MATCH


@inlined
def next_place(programs: Programs, data: Bytes, end: int, kind: int, row: int, at: int, more: int) -> int:
    """The next place at which the run of a GREEDY or LAZY row may end; -1 where there is none."""
    if kind == MORE_BACK:
        return back_to(programs, row, data, at - 1, more, end)
    if at < end and at < more and is_in(programs.sets, word_at(programs.code, row + 1), data, at):
        return on_to(programs, row, data, at + 1, more, end)
    return NO_MATCH


@inlined
def other_way(
    programs: Programs, data: Bytes, end: int, groups: Longs, stack: Longs, top: int, frame: int
) -> tuple[int, int, int, int]:
    """Where to go on when matching failed: row, place, height of the stack and frame; row -1 when nowhere."""
    while top > 0:
        top -= 1
        kind, pc, at, more = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        if kind == WAY:
            return pc, at, top, frame
        if kind == VALUE:
            groups[pc] = at
        elif kind == FRAME:
            frame = more
            if pc >= 0:
                return pc, at, top, frame
        else:
            at = next_place(programs, data, end, kind, pc * WIDTH - WIDTH, at, more)
            if at >= 0:
                stack[top, 2] = at
                return pc, at, top + (kind == MORE_ON or at > more), frame
    return NO_MATCH, 0, 0, frame


@compiled
def match(programs: Programs, begin: int, data: Bytes, at: int, end: int, groups: Longs, stack: Longs) -> int:  # noqa: C901
    """Run the program that begins at row `begin` on data[at:end]: where the match ends, NO_MATCH or GIVEN_UP.

    `groups`, all -1 before, gets first and last + 1 byte of each group. One branch an instruction, in one function: a
    call would cost more than the instruction.
    """
    code, sets, strings = programs.code, programs.sets, programs.strings
    pc, top, frame = begin, 0, -1
    while top < DEPTH - 2:
        row = pc * WIDTH
        kind, a, b = word_at(code, row), word_at(code, row + 1), word_at(code, row + 2)
        pc += 1
        good = True
        if kind == STRING:
            good = same(data, at, end, strings, a, b)
            at += b
        elif kind == BYTE:
            good = at < end and byte_at(data, at) == a
            at += 1
        elif kind in (RUN, FIELD):
            run = row if kind == RUN else row + WIDTH
            stop = run_of(data, at, end, word_at(code, run + 3), sets, word_at(code, run + 1), word_at(code, run + 4))
            good = stop - at >= word_at(code, run + 2)
            if good and kind == FIELD:
                top = save(groups, stack, save(groups, stack, top, a, b, at), a + 1, b, stop)
                pc += 2
            at = stop
        elif kind == SET:
            good = at < end and is_in(sets, a, data, at)
            at += 1
        elif kind == SHAPE:
            good = in_shape(data, at, end, sets, strings, a, b)
            at += b
        elif kind == SAVE:
            top = save(groups, stack, top, a, b, at)
        elif kind == SPLIT:
            other = word_at(code, row + 3)
            if b != NO_SET and not (at < end and is_in(sets, b, data, at)):
                pc = begin + a
            elif other == NO_SET or (at < end and is_in(sets, other, data, at)):
                top = push(stack, top, WAY, begin + a, at, 0)
        elif kind == JUMP:
            pc = begin + a
        elif kind == GREEDY:
            most = word_at(code, row + 3)
            least, stop = at + b, run_of(data, at, end, most, sets, a, stops_of(most))
            at = back_to(programs, row, data, stop, least, end) if stop >= least else NO_MATCH
            good = at >= 0
            if at > least:
                top = push(stack, top, MORE_BACK, pc, at, least)
        elif kind == LAZY:
            least, most = at + b, word_at(code, row + 3)
            most = at + most if most >= 0 else end
            at = on_to(programs, row, data, least, most, end) if all_in(data, at, least, end, sets, a) else NO_MATCH
            good = at >= 0
            if good:
                top = push(stack, top, MORE_ON, pc, at, most)
        elif HOLD <= kind <= UNLESS:
            other = begin + a if kind == UNLESS else NO_MATCH
            if kind != HOLD and b != NO_SET and not (at < end and is_in(sets, b, data, at)):
                good = kind == UNLESS
                pc = other
            else:
                top, frame = push(stack, top, FRAME, other, at, frame), top
        elif KEEP <= kind <= REFUSE:
            at = stack[frame, 2] if kind == BACK else at
            good = kind != REFUSE
            top, frame = frame, stack[frame, 3]
        elif kind == MATCH:
            good = a == 0 or at == end
            if good:
                return at
        else:
            good = looks(programs, row, data, at, end)
        if not good:
            pc, at, top, frame = other_way(programs, data, end, groups, stack, top, frame)
            if pc < 0:
                return NO_MATCH
    return GIVEN_UP
