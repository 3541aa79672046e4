"""What the items of a parsed pattern match and may begin with, as sets of bytes: one bit each.

Raises UnknownError for what the machine has no instruction for.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from tracekit.parse.fast import instructions as op

SRE: Any = importlib.import_module("re._parser")
ALL = (1 << 256) - 1
NEWLINE = 1 << 10
DIGIT = sum(1 << c for c in range(256) if chr(c) in "0123456789")
SPACE = sum(1 << c for c in b" \t\n\r\f\v")
WORD = sum(1 << c for c in range(128) if chr(c).isalnum() or c == ord("_"))
CATEGORIES = {
    "CATEGORY_DIGIT": DIGIT,
    "CATEGORY_NOT_DIGIT": ALL & ~DIGIT,
    "CATEGORY_SPACE": SPACE,
    "CATEGORY_NOT_SPACE": ALL & ~SPACE,
    "CATEGORY_WORD": WORD,
    "CATEGORY_NOT_WORD": ALL & ~WORD,
}
DOTALL, IGNORECASE, MULTILINE = 16, 2, 8
FIXED = 40  # bytes of one class in a row that are a shape

Items = Sequence[tuple[Any, Any]]


class UnknownError(Exception):
    """The machine cannot do what a pattern asks for."""


class Next(NamedTuple):
    """What can be said of the text behind an item."""

    first: int  # bytes that it may begin with, one bit each
    empty: bool  # it may be nothing
    final: bool = False  # nothing behind the item can change what the item took


ANYTHING = Next(ALL, True)
FINAL = Next(ALL, True, True)


def only(items: Items, flags: int) -> int | None:
    """The bytes that items match which are one item of one byte; None for others."""
    return single_of(items[0][0], items[0][1], flags) if len(items) == 1 else None


def row_of(items: Items, at: int, flags: int) -> tuple[list[int], int]:
    """The bytes of the items from `at` on that are one byte each, or a fixed number of them; where they end."""
    row: list[int] = []
    while at < len(items):
        kind, value = items[at]
        single = single_of(kind, value, flags)
        times = 1
        if single is None and str(kind) == "MAX_REPEAT" and value[0] == value[1] and 0 < value[0] <= FIXED:
            single, times = only(list(value[2]), flags), value[0]
        if single is None:
            break
        row += [single] * times
        at += 1
    return row, at


def literals(items: Items, flags: int) -> list[bytes] | None:
    """The texts of which items match one; None for items of another kind."""
    if len(items) == 1 and str(items[0][0]) == "BRANCH":
        texts = [literals(list(branch), flags) for branch in items[0][1][1]]
        return None if None in texts else [text for each in texts for text in each or ()]
    if items and all(str(kind) == "LITERAL" and not folded(byte, flags) for kind, byte in items):
        return [bytes(byte for _, byte in items)]
    return None


def stops_of(bits: int) -> int:
    """The one or two bytes that a set lacks as one number; NO_STOPS where it lacks more or none."""
    others = [byte for byte in range(256) if not bits >> byte & 1]
    return others[0] | others[-1] << 8 if 1 <= len(others) <= 2 else op.NO_STOPS


def most_of(value: Any) -> int:
    """How often an item may be repeated."""
    return op.UNBOUNDED if value == SRE.MAXREPEAT else int(value)


def folded(byte: int, flags: int) -> bool:
    """Whether a byte stands for its other case, too."""
    return bool(flags & IGNORECASE and chr(byte).isascii() and chr(byte).isalpha())


def single_of(kind: Any, value: Any, flags: int) -> int | None:
    """The bytes that an item of one byte matches; None for another item."""
    name = str(kind)
    if name == "LITERAL":
        bits = 1 << value
    elif name == "NOT_LITERAL":
        return ALL & ~both_cases(1 << value, flags)
    elif name == "ANY":
        return ALL if flags & DOTALL else ALL & ~NEWLINE
    elif name == "IN":
        return class_of(value, flags)
    else:
        return None
    return both_cases(bits, flags)


def class_of(items: Items, flags: int) -> int:
    """The bytes of a class in brackets."""
    bits, negated = 0, False
    for kind, value in items:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                bits |= 1 << value
            case "RANGE":
                bits |= (1 << value[1] + 1) - (1 << value[0])
            case "CATEGORY":
                bits |= CATEGORIES[str(value)]
            case other:
                raise UnknownError(other)
    bits = both_cases(bits, flags)
    return ALL & ~bits if negated else bits


def both_cases(bits: int, flags: int) -> int:
    """A set with the other case of its letters where case does not matter."""
    if not flags & IGNORECASE:
        return bits
    upper, lower = bits >> ord("A") & (1 << 26) - 1, bits >> ord("a") & (1 << 26) - 1
    return bits | upper << ord("a") | lower << ord("A")


def union(one: Next, two: Next) -> Next:
    """What can be said where either may follow."""
    return Next(one.first | two.first, one.empty or two.empty)


def either(branches: Sequence[Items], flags: int, after: Next) -> Next:
    """What one of several rows of items may begin with."""
    made = Next(0, False)
    for branch in branches:
        made = union(made, first_of(branch, flags, after))
    return made


def first_of(items: Items, flags: int, after: Next) -> Next:
    """What a row of items with `after` behind it may begin with."""
    bits = 0
    for kind, value in items:
        one = first_of_one(kind, value, flags)
        bits |= one.first
        if not one.empty:
            return Next(bits, False)
    if not items:
        return after
    return Next(bits | after.first, after.empty)


def first_of_one(kind: Any, value: Any, flags: int) -> Next:
    """What one item may begin with, and whether it may be nothing."""
    single = single_of(kind, value, flags)
    if single is not None:
        return Next(single, False)
    nothing = Next(0, True)
    match str(kind):
        case "SUBPATTERN":
            return first_of(list(value[3]), (flags | value[1]) & ~value[2], nothing)
        case "BRANCH":
            return either([list(branch) for branch in value[1]], flags, nothing)
        case "ATOMIC_GROUP":
            return first_of(list(value), flags, nothing)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            inner = first_of(list(value[2]), flags, nothing)
            return Next(inner.first, inner.empty or value[0] == 0)
        case "ASSERT" if value[0] > 0:
            inner = first_of(list(value[1]), flags, nothing)
            return inner if not inner.empty else nothing
        case "AT" | "ASSERT_NOT" | "ASSERT":
            return Next(ALL, True) if str(kind) == "AT" else nothing
        case other:
            raise UnknownError(other)
