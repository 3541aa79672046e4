"""What usually lies between two statements of a thread, measured on traced servers (`grammars/silence.tsv`)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import digest_of, prepared, source_digest

FILE = "silence.tsv"
HEAD = "level first second count median_ms p95_ms sql lock statements tables methods releases"
MOSTLY = 0.5  # share of the measured time from which an interval is called after it
FAR = 3  # times its usual longest
SHORT = 100_000  # microseconds; a shorter interval is never far above its usual time
PAUSE = 300_000  # pauses of the JVM are seldom longer
LONG = 1_000_000
# What an interval far above its usual time was, measured on 47 scenarios with the scenarios in question left out, and
# without stretches in which the server itself stood still: where the pair's usual time holds at least WAITS_IN_SQL of
# SQL, 97 % of the time above one second and 80 to 97 % of that above PAUSE was SQL that waited. Between SHORT and
# PAUSE that holds only for pairs that are mostly SQL (63 to 88 %); for the others it is a coin toss, and they stay
# unlogged. Where a pair has less SQL nothing says what a second and more was.
WAITS_IN_SQL = 0.3


class Usual(NamedTuple):
    """One row of the table. Times in microseconds."""

    level: str  # rule, method or after
    median: int
    longest: int  # 95th percentile
    sql: float
    lock: float
    statements: int
    tables: tuple[str, ...]
    methods: tuple[str, ...]  # in which most of the time was

    @property
    def most(self) -> int:
        """An interval that is longer is far above its usual time."""
        return max(FAR * self.longest, SHORT)

    def far(self, length: int) -> bool:
        """Whether an interval is far above its usual time."""
        return length > self.most

    def category(self, length: int) -> str:
        """Category of an interval of this kind; `unlogged` where it is too long for what was measured."""
        usual = "lock" if self.lock >= MOSTLY else "database" if self.sql >= MOSTLY else "execution"
        if not self.far(length):
            return usual
        if self.level == "rule" and self.sql >= WAITS_IN_SQL and length >= PAUSE:
            return "database"
        known = self.sql < WAITS_IN_SQL or usual == "database"
        return usual if known and length < LONG and self.level != "after" else "unlogged"

    def text(self, category: str, name: str | None, length: int) -> str:
        """What to call the owner: the tables, `name` or the method measured there, and what is usual."""
        what = name or (self.methods[0] if self.methods else "unknown statement")
        if category == "database":
            what = f"SQL on {', '.join(self.tables)}" if self.tables else f"SQL in {what}"
        usual = f"{self.median // 1000} ms" if self.median >= 1000 else "under 1 ms"
        if self.far(length):
            return f"{what}, far above its usual {usual}"
        many = f"{self.statements} statements, " if self.statements > 1 else ""
        return f"{what} (usually {many}{usual})"


class Silences(NamedTuple):
    """The table, by level and pair: rows of what :class:`Usual` says, of which a log has few."""

    rows: Mapping[tuple[str, str, str], tuple[Any, ...]]

    def find(self, first: str, second: str, before: str | None, behind: str | None) -> Usual | None:
        """What is known of these two rules, else of their `Class.method`s, else of what follows the first method."""
        found = self.rows.get(("rule", first, second))
        if found is None and before and behind:
            found = self.rows.get(("method", before, behind))
        if found is None and before:
            found = self.rows.get(("after", before, "-"))
        return None if found is None else Usual(*found)


def load_silences(root: Traversable) -> Silences:
    """Read the table. Raises GrammarError where head or row are not as they should be."""
    text = (root / FILE).read_text(encoding="utf-8")
    return Silences(prepared("silence", f"{digest_of(text)} {source_digest(__spec__)}", lambda: measured(text)))


def measured(text: str) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """By level and pair what :class:`Usual` says of it, from the text of the table."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if "".join(lines[:1]).split("\t") != HEAD.split():
        raise GrammarError(f"grammars: {FILE}: the head is not {HEAD}")
    made: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for row in csv.reader(lines[1:], delimiter="\t"):
        try:
            # Interned: a name that stands in many rows is kept, and read again, once.
            level, first, second, _, median, longest, sql, lock, statements, tables, methods, _ = map(sys.intern, row)
            made[level, first, second] = (
                level,
                int(median) * 1000,
                int(longest) * 1000,
                float(sql),
                float(lock),
                int(statements),
                _names(tables),
                _names(methods),
            )
        except ValueError as error:
            raise GrammarError(f"grammars: {FILE}: row {row}: {error}") from error
    return made


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == "-" else tuple(map(sys.intern, cell.split(",")))
