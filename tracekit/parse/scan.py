"""One pass over the bytes of a source: records and the events that the message rules read in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.parse.dialect import Dialect
from tracekit.parse.grammar import Derived, Messages
from tracekit.parse.headers import NEWLINE, Heads, read_heads

KEYS = (24, 16, 8, 4)  # lengths of the literal beginnings by which a message finds its rules


@dataclass
class Reader:
    """One derived rule, compiled when a message first needs it."""

    rule: Derived
    offsets: tuple[bool, ...]  # for each group: whether its place is wanted instead of its text
    literal: bytes  # stands in every message of the rule
    compiled: re.Pattern[bytes] | None = None

    def read(self, data: Any, start: int, end: int, origin: int) -> tuple[Any, ...] | None:
        """Values of the groups when the rule reads exactly data[start:end]; places count from `origin`."""
        if self.compiled is None:
            # Compiling takes as long as reading a thousand messages: not for one that cannot be of the rule.
            if data.find(self.literal, start, end) < 0:
                return None
            self.compiled = re.compile(self.rule.pattern.encode())
        found = self.compiled.fullmatch(data, start, end)
        if found is None:
            return None
        if True not in self.offsets:
            return found.groups()
        return tuple(
            (found.start(i) - origin if found.start(i) >= 0 else None) if wanted else found.group(i)
            for i, wanted in enumerate(self.offsets, 1)
        )


class Dispatch:
    """Finds the rule of a message by its beginning; the rule with more literal text is asked first."""

    def __init__(self, rules: Iterable[Derived], columns: Mapping[str, str]) -> None:
        self.readers = [
            Reader(rule, tuple(columns[name] == "offset" for name in rule.fields), rule.literal.encode())
            for rule in sorted(rules, key=lambda rule: (-rule.weight, rule.name))
        ]
        self.tables: list[tuple[int, dict[bytes, list[int]]]] = []
        self.open: list[tuple[int, bytes]] = []
        self._sort_in()

    def _sort_in(self) -> None:
        tables: dict[int, dict[bytes, list[int]]] = {key: {} for key in KEYS}
        for number, reader in enumerate(self.readers):
            shortest = min((len(prefix.encode()) for prefix in reader.rule.prefixes), default=0)
            key = next((key for key in KEYS if key <= shortest), None)
            if key is None:
                self.open.append((number, reader.rule.literal.encode()))
                continue
            for prefix in {prefix.encode()[:key] for prefix in reader.rule.prefixes}:
                tables[key].setdefault(prefix, []).append(number)
        self.tables = [(key, table) for key, table in tables.items() if table]

    def candidates(self, message: bytes) -> list[int]:
        """Numbers of the rules that may read `message`, in the order in which they are asked."""
        found = [number for key, table in self.tables for number in table.get(message[:key], ())]
        found += [number for number, literal in self.open if literal in message]
        return found

    def find(self, data: Any, start: int, end: int, origin: int) -> tuple[int, tuple[Any, ...]] | None:
        """Number of the rule that reads data[start:end] and its values, or None."""
        head = data[start : start + KEYS[0]]
        for key, table in self.tables:
            for number in table.get(head[:key], ()):
                values = self.readers[number].read(data, start, end, origin)
                if values is not None:
                    return number, values
        for number, literal in self.open:
            if data.find(literal, start, end) >= 0:
                values = self.readers[number].read(data, start, end, origin)
                if values is not None:
                    return number, values
        return None


@dataclass
class Events:
    """Recognised records by rule. Values stay as they were read until a table asks for them."""

    messages: Messages
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[str, tuple[list[int], list[tuple[Any, ...]]]] = field(default_factory=dict)

    def add(self, rule: Derived, record: int, values: tuple[Any, ...]) -> None:
        at = self.rows.get(rule.name)
        if at is None:
            self.fields[rule.name] = rule.fields
            at = self.rows[rule.name] = ([], [])
        at[0].append(record)
        at[1].append(values)

    def meaning(self, *words: str) -> pd.DataFrame:
        """Events of all rules that mean one of `words`: `record`, `name`, `means` and the rules' columns."""
        rules = [rule for rule in self.rows if self.messages.meanings[rule].means in words]
        made = self.table(rules)
        made["means"] = made["name"].map({rule: self.messages.meanings[rule].means for rule in rules}).astype("str")
        return made

    def table(self, rules: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Events of `rules` (all without), in the order of their records, with every column of schema type."""
        chosen = [rule for rule in (self.rows if rules is None else rules) if rule in self.rows]
        total = sum(len(self.rows[rule][0]) for rule in chosen)
        names = list(columns or self.messages.columns)
        filled = {column for rule in chosen for column in self.fields[rule]}
        parts: dict[str, npt.NDArray[Any]] = {
            name: np.full(total, None, dtype=object) for name in names if name in filled
        }
        # Most columns are in no rule of one meaning: one null column of each dtype serves them all.
        nulls = {dtype: pd.Series([None] * total, dtype=dtype) for dtype in ("str", "Int64")}
        record, name_of, at = np.zeros(total, np.int64), np.empty(total, dtype=object), 0
        for rule in chosen:
            numbers, values = self.rows[rule]
            record[at : at + len(numbers)] = numbers
            name_of[at : at + len(numbers)] = rule
            for column, group in zip(self.fields[rule], zip(*values, strict=True) if values[0] else (), strict=False):
                if column in parts:
                    self._fill(parts[column], at, group)
            at += len(numbers)
        made: dict[str, Any] = {"record": record, "name": pd.Series(name_of, dtype="str")}
        for name in names:
            dtype = self.messages.columns[name]
            made[name] = column_of(parts[name], dtype) if name in parts else nulls["str" if dtype == "str" else "Int64"]
        return pd.DataFrame(made).sort_values("record", kind="stable").reset_index(drop=True)

    @staticmethod
    def _fill(column: npt.NDArray[Any], at: int, values: Sequence[Any]) -> None:
        for i, value in enumerate(values, at):
            if value is not None:
                column[i] = value


def column_of(values: npt.NDArray[Any], dtype: str) -> pd.Series[Any]:
    """Bytes as they were read to a typed column, null where absent."""
    if dtype == "str":
        texts = [None if v is None else v.decode("utf-8", "replace") for v in values]
        return pd.Series(texts, dtype="str")
    return pd.Series([None if v is None else int(v) for v in values], dtype="Int64")


@dataclass
class Scanned:
    """What one pass over one source gave: headers with their columns, places, and the rule of each record."""

    heads: Heads
    low: int  # where reading began
    end: int  # where the last record ends
    lines: npt.NDArray[np.int64]  # lines of each record
    first_line: int  # line of the first record, 1-based
    rules: list[str | None]

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Byte at which each record begins."""
        return self.heads.starts

    @property
    def columns(self) -> Mapping[str, list[bytes | None]]:
        """Header fields by column, without the time."""
        return self.heads.columns

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
    starts = heads.starts.tolist()
    ends = [*starts[1:], high][: len(starts)]
    rules: list[str | None] = []
    for number, (start, body, end) in enumerate(zip(starts, heads.bodies.tolist(), ends, strict=True), first):
        if end > body and data[end - 1] == NEWLINE:
            end -= 1
        found_rule = dispatch.find(data, body, end, start)
        if found_rule is None:
            rules.append(None)
            continue
        rule = dispatch.readers[found_rule[0]].rule
        events.add(rule, number, found_rule[1])
        rules.append(rule.name)
    first_line, lines = line_counts(data, heads.starts, high)
    return Scanned(heads, low, high, lines, first_line, rules)


def line_counts(
    data: Any, starts: npt.NDArray[np.int64], high: int, block: int = 1 << 24
) -> tuple[int, npt.NDArray[np.int64]]:
    """Line of the first record, and how many lines each record has; the last one's may lack its newline."""
    if not len(starts):
        return 1, np.array([], dtype=np.int64)
    low = int(starts[0])
    before = sum(data[at : min(at + block, low)].count(b"\n") for at in range(0, low, block))
    newlines = np.concatenate(
        [
            np.flatnonzero(np.frombuffer(data[at : min(at + block, high)], dtype=np.uint8) == NEWLINE) + at
            for at in range(low, high, block)
        ]
    )
    total = len(newlines) + (data[high - 1] != NEWLINE)
    numbers = np.append(np.searchsorted(newlines, starts), total)
    return before + 1, np.diff(numbers)
