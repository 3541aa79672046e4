"""One pass over the bytes of a source: records and the events that the message rules read in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import ABSENT, Coded, Codes, coded
from tracekit.parse.derived import derived_rules, reader_digest
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import LONGEST, Events, Rows
from tracekit.parse.grammar import Derived, Messages
from tracekit.parse.headers import Heads, read_heads
from tracekit.parse.lines import NEWLINE, Places, line_counts
from tracekit.patterns import compiled
from tracekit.prepared import prepared, source_digest

AT_ONCE = 1 << 23  # bytes in which the messages begin that are compared with each other
KEYS = (24, 16, 8, 4, 0)  # lengths of the literal beginnings by which a message finds its rules; 0: it has none
# The first of them that a beginning of so many bytes has.
KEY_OF = tuple(next(key for key in KEYS if key <= length) for length in range(KEYS[0] + 1))
SHORT = 1 << 15  # rules that need no more than 16 bits

Spans = npt.NDArray[np.int32]
Table = dict[bytes, list[tuple[int, bytes]]]  # beginning -> number and literal of its rules
Way = tuple[int, Table]  # length of the beginnings
Match = Callable[[bytes], re.Match[bytes] | None]


class Dispatch:
    """Finds the rule of a message by its beginning; `rules` and `ways` are as `arranged` gives them."""

    def __init__(self, rules: Sequence[Derived], ways: Sequence[Way]) -> None:
        self.rules = rules
        self.ways = ways
        self._matches: dict[int, Match] = {}

    @classmethod
    def of(cls, rules: Iterable[Derived]) -> Self:
        """For any rules."""
        return cls(*arranged(rules))

    def find(self, message: bytes) -> tuple[int, re.Match[bytes]] | None:
        """Number of the rule that reads `message` and its match, or None."""
        for key, table in self.ways:
            for number, literal in table.get(message[:key], ()):
                if literal in message:
                    match = self._matches.get(number) or self._compiled(number)
                    found = match(message)
                    if found is not None:
                        return number, found
        return None

    def _compiled(self, number: int) -> Match:
        """Gives the match when a rule reads exactly a message. It is compiled when a message first needs it: that takes
        as long as reading a thousand, so not for one that lacks the literal.
        """
        made = self._matches[number] = compiled(self.rules[number].pattern.encode()).fullmatch
        return made


def arranged(rules: Iterable[Derived]) -> tuple[list[Derived], list[Way]]:
    """Rules in the order in which they are asked, those with more literal text first, and the ways to them: by each of
    some lengths the numbers and literals of rules by their beginnings. The last way, of no length, has all others.
    """
    order = sorted(rules, key=lambda rule: (-rule.weight, rule.name))
    tables: dict[int, Table] = {key: {} for key in KEYS}
    tables[0][b""] = []
    for number, rule in enumerate(order):
        prefixes = [prefix.encode() for prefix in rule.prefixes] or [b""]
        key = KEY_OF[min(KEYS[0], *map(len, prefixes))]
        literal = rule.literal.encode()
        for prefix in {prefix[:key] for prefix in prefixes}:
            tables[key].setdefault(prefix, []).append((number, literal))
    return order, [(key, table) for key, table in tables.items() if table]


def dispatch_of(messages: Messages) -> Dispatch:
    """For every message rule, arranged once: that takes as long as to read a megabyte of log."""
    key = f"{messages.digest} {reader_digest()} {source_digest(__spec__)}"
    rules, ways = prepared("dispatch", key, lambda: plain(*arranged(derived_rules(messages))))
    return Dispatch(list(map(Derived._make, rules)), ways)


def plain(rules: Iterable[Derived], ways: Sequence[Way]) -> tuple[list[tuple[Any, ...]], Sequence[Way]]:
    """The same as marshal takes it."""
    return list(map(tuple, rules)), ways


@dataclass
class Scanned:
    """What one pass over one source gave: headers with their columns, places, and the rule of each record."""

    heads: Heads
    low: int  # where reading began
    end: int  # where the last record ends
    lines: npt.NDArray[np.int64]  # lines of each record
    first_line: int  # line of the first record, 1-based
    rules: Codes  # number of each record's rule among those of the Dispatch; -1: none reads it

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Byte at which each record begins."""
        return self.heads.starts

    @property
    def messages(self) -> npt.NDArray[np.int64]:
        """Byte at which each message begins."""
        return self.heads.bodies


def scan(
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    events: Events,
    first: int,
    others: Sequence[Dialect] = (),
    window: tuple[int, int] | None = None,
) -> Scanned:
    """Records of one source, whose numbers begin with `first`; the events are added to `events`.

    `others` are layouts that may take over in the middle, `window` the bytes to read, from the start of a line.
    """
    low, high = window or (0, len(data))
    heads = read_heads(data, dialect, others, low, high)
    events.texts.add(data)
    rules = np.full(len(heads.starts), ABSENT, dtype=np.int32)
    ends = message_ends(data, heads, high)
    read_messages(data, dispatch, heads, ends, np.arange(len(rules)), rules, events, first)
    first_line, lines = line_counts(data, heads.starts, high)
    return Scanned(heads, low, high, lines, first_line, rules)


def read_messages(
    data: Any,
    dispatch: Dispatch,
    heads: Heads,
    ends: Places,
    numbers: Places,
    rules: Codes,
    events: Events,
    first: int,
) -> None:
    """Read the messages of the records of these numbers: fill in their `rules`, and give their events to `events`."""
    begins = heads.starts[numbers]
    for part in np.split(numbers, np.flatnonzero(np.diff((begins - begins[:1]) // AT_ONCE)) + 1):
        bodies = heads.bodies[part]
        texts = coded([data[body:end] for body, end in zip(bodies.tolist(), ends[part].tolist(), strict=True)])
        rules[part], spans = read_texts(dispatch, texts, bodies - heads.starts[part])
        pour(dispatch, events, part + first, rules[part], spans)


def read_texts(dispatch: Dispatch, texts: Coded, before: Places) -> tuple[Codes, Spans]:
    """The rule of each message, and where all fields of all messages stand, with as many bytes `before` a message.

    Each different message is read once: every other one was there before, to the letter.
    """
    found: list[int] = []

    def groups() -> Iterator[tuple[int, int]]:
        for text in texts.values:
            number, match = dispatch.find(text) or (ABSENT, None)
            found.append(number)
            if match is not None:
                yield from match.regs[1:]

    places = np.fromiter(chain.from_iterable(groups()), dtype=np.int32)
    rules = np.array(found, dtype=np.int32)
    width = widths(dispatch)[rules]
    each = width[texts.codes]
    # From where the spans of each message's text begin to where those of the message do.
    moved = (np.cumsum(width) - width)[texts.codes] - (np.cumsum(each) - each)
    spans = places[np.arange(each.sum()) + np.repeat(moved, each)]
    return rules[texts.codes], np.where(spans < 0, ABSENT, spans + np.repeat(before, each)).astype(np.int32)


def widths(dispatch: Dispatch) -> Places:
    """How many numbers an event of each rule has; behind them those of no rule, whose number counts from the end."""
    return np.array([*(2 * len(rule.fields) for rule in dispatch.rules), 0, 0], dtype=np.int64)


def pour(dispatch: Dispatch, events: Events, records: Places, rules: Codes, spans: Spans) -> None:
    """Give the events of some records to `events`: the rule of each record, and the spans of all their fields."""
    width = widths(dispatch)
    places = np.cumsum(width[rules]) - width[rules]
    short = rules.astype(np.int16) if len(width) < SHORT else rules  # which numpy sorts in one pass
    order = np.argsort(short, kind="stable")
    order = order[np.searchsorted(rules[order], 0) :]
    cuts = np.flatnonzero(np.diff(rules[order], prepend=-1))
    for part in np.split(order, cuts[1:]) if len(order) else ():
        known = dispatch.rules[rules[part[0]]]
        fields = spans[places[part][:, None] + np.arange(2 * len(known.fields))]
        events.add(known.name, known.fields, Rows(records[part].astype(np.int32), fields))


def message_ends(data: Any, heads: Heads, high: int) -> Places:
    """Where each message ends, without its last newline; of a message that is too long, where it begins."""
    ends = np.append(heads.starts[1:] - 1, high)[: len(heads.starts)]  # a record begins behind a newline
    if len(ends) and data[high - 1] == NEWLINE:
        ends[-1] -= 1
    ends = np.maximum(ends, heads.bodies)
    return np.where(ends - heads.starts <= LONGEST, ends, heads.bodies)
