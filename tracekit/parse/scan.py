"""One pass over the bytes of a source: records and the events that the message rules read in them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import ABSENT, Codes
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import LONGEST, Events, Rows
from tracekit.parse.grammar import Derived
from tracekit.parse.headers import Heads, read_heads
from tracekit.parse.lines import NEWLINE, Places, line_counts
from tracekit.patterns import compiled

AT_ONCE = 1 << 14  # messages whose events are gathered before they become arrays
KEYS = (24, 16, 8, 4)  # lengths of the literal beginnings by which a message finds its rules
# The first of them that a beginning of so many bytes has.
KEY_OF = tuple(next((key for key in KEYS if key <= length), None) for length in range(KEYS[0] + 1))


@dataclass
class Reader:
    """One derived rule, compiled when a message first needs it."""

    rule: Derived
    literal: bytes  # stands in every message of the rule
    compiled: re.Pattern[bytes] | None = None

    def read(self, message: bytes) -> re.Match[bytes] | None:
        """The match when the rule reads exactly `message`."""
        # Compiling takes as long as reading a thousand messages: not for one that cannot be of the rule.
        if self.literal not in message:
            return None
        if self.compiled is None:
            self.compiled = compiled(self.rule.pattern.encode())
        return self.compiled.fullmatch(message)


class Dispatch:
    """Finds the rule of a message by its beginning; the rule with more literal text is asked first."""

    def __init__(self, rules: Iterable[Derived]) -> None:
        self.readers = [
            Reader(rule, rule.literal.encode()) for rule in sorted(rules, key=lambda rule: (-rule.weight, rule.name))
        ]
        self.tables: list[tuple[int, dict[bytes, list[int]]]] = []
        self.open: list[tuple[int, bytes]] = []
        self._sort_in()

    def _sort_in(self) -> None:
        tables: dict[int, dict[bytes, list[int]]] = {key: {} for key in KEYS}
        for number, reader in enumerate(self.readers):
            prefixes = [prefix.encode() for prefix in reader.rule.prefixes] or [b""]
            key = KEY_OF[min(KEYS[0], *map(len, prefixes))]
            if key is None:
                self.open.append((number, reader.literal))
                continue
            for prefix in {prefix[:key] for prefix in prefixes}:
                tables[key].setdefault(prefix, []).append(number)
        self.tables = [(key, table) for key, table in tables.items() if table]

    def find(self, message: bytes) -> tuple[int, re.Match[bytes]] | None:
        """Number of the rule that reads `message` and its match, or None."""
        for key, table in self.tables:
            for number in table.get(message[:key], ()):
                found = self.readers[number].read(message)
                if found is not None:
                    return number, found
        for number, _ in self.open:
            found = self.readers[number].read(message)
            if found is not None:
                return number, found
        return None


@dataclass
class Scanned:
    """What one pass over one source gave: headers with their columns, places, and the rule of each record."""

    heads: Heads
    low: int  # where reading began
    end: int  # where the last record ends
    lines: npt.NDArray[np.int64]  # lines of each record
    first_line: int  # line of the first record, 1-based
    rules: Codes  # number of each record's rule among the readers of the Dispatch; -1: none reads it

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
    gathered = Gathered(dispatch)
    for begin in range(0, len(rules), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        for number, body, end in zip(count(begin), heads.bodies[part].tolist(), ends[part].tolist()):
            found = dispatch.find(data[body:end])
            if found is not None:
                rules[number] = found[0]
                gathered.add(found[0], number, found[1])
        gathered.pour(events, heads, first)
    first_line, lines = line_counts(data, heads.starts, high)
    return Scanned(heads, low, high, lines, first_line, rules)


class Gathered:
    """Matches of a portion of records, as numbers."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.readers = dispatch.readers
        self.found: dict[int, tuple[array[int], array[int]]] = {}  # by rule: record, first and last + 1 byte of groups

    def add(self, rule: int, record: int, match: re.Match[bytes]) -> None:
        records, spans = self.found.get(rule) or self.found.setdefault(rule, (array("q"), array("q")))
        records.append(record)
        spans.extend(chain.from_iterable(match.regs))

    def pour(self, events: Events, heads: Heads, first: int) -> None:
        """Give everything to `events`: records are numbered from `first`."""
        for rule, (records, spans) in self.found.items():
            known = self.readers[rule].rule
            at = np.frombuffer(records, dtype=np.int64)
            groups = np.frombuffer(spans, dtype=np.int64).reshape(len(at), -1)[:, 2:]
            before = heads.bodies[at] - heads.starts[at]
            fields = np.where(groups < 0, ABSENT, groups + before[:, None]).astype(np.int32)
            events.add(known.name, known.fields, Rows((at + first).astype(np.int32), fields))
        self.found = {}


def message_ends(data: Any, heads: Heads, high: int) -> Places:
    """Where each message ends, without its last newline; of a message that is too long, where it begins."""
    ends = np.append(heads.starts[1:] - 1, high)[: len(heads.starts)]  # a record begins behind a newline
    if len(ends) and data[high - 1] == NEWLINE:
        ends[-1] -= 1
    ends = np.maximum(ends, heads.bodies)
    return np.where(ends - heads.starts <= LONGEST, ends, heads.bodies)
