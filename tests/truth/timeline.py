"""What each thread of a traced server was inside at any time: the innermost span, its SQL and the locks around it."""

from __future__ import annotations

import bisect
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.truth.stamped import SPANS, opened

LOCKS = ("GlobalLock.lock", "GenericDaoBase.acquireInLockTable")
TABLE = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE) cloud(?:_usage)?\.(\w+)")


class Frame(NamedTuple):
    """A span of a method or of an SQL statement. Times in microseconds."""

    name: str
    parent: str | None
    start: float
    end: float
    sql: float  # time of the SQL directly below it
    statements: int
    is_sql: bool


class Piece(NamedTuple):
    """A stretch of a thread's time inside one innermost span."""

    start: float
    end: float
    span: str


@dataclass
class Silence:
    """What lay between two lines. Times in microseconds."""

    length: float = 0.0
    sql: float = 0.0
    lock: float = 0.0
    seen: float = 0.0  # inside any span
    statements: float = 0.0
    tables: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)


class Timeline:
    """The spans of one folder by thread."""

    def __init__(self, folder: Path) -> None:
        self.frames: dict[str, Frame] = {}
        self.pieces: dict[str, list[Piece]] = {}
        self._starts: dict[str, list[float]] = {}
        self._own: Counter[str] = Counter()  # time of a span outside its children
        self._tables: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self._locked: dict[str, bool] = {}
        by_thread: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for row in load(folder):
            thread = row["attrs"].get("thread.name", "")
            table = TABLE.match(row["name"])
            start, end = row["start_ns"] / 1000, row.get("end_ns", 0) / 1000
            if table:
                self._tables[thread].append((start, table.group(1)))
            is_sql = "db.system" in row["attrs"]
            if end <= 0 or not (is_sql or "code.function" in row["attrs"]):
                continue  # only begun, or of the HTTP server
            self.frames[row["span"]] = Frame(
                row["name"], row.get("parent"), start, end, row.get("db_ns", 0) / 1000, row.get("db_n", 0), is_sql
            )
            by_thread[thread].append((start, -end, row["span"]))
        self._each_statement = any(frame.is_sql for frame in self.frames.values())
        for thread, spans in by_thread.items():
            self.pieces[thread] = list(cut(sorted(spans)))
            self._starts[thread] = [piece.start for piece in self.pieces[thread]]
            for piece in self.pieces[thread]:
                self._own[piece.span] += piece.end - piece.start
        for rows in self._tables.values():
            rows.sort()

    def look(self, thread: str, start: float, end: float) -> Silence:
        """What `thread` did from `start` to `end`.

        Where only number and time of a method's SQL are known, an interval gets its share of them by time, but not
        less than what the method's time outside cannot hold, nor more than the time inside.
        """
        made = Silence(end - start)
        pieces = self.pieces.get(thread, [])
        inside: Counter[str] = Counter()
        at = max(0, bisect.bisect_right(self._starts.get(thread, []), start) - 1)
        while at < len(pieces) and pieces[at].start < end:
            piece = pieces[at]
            overlap = min(piece.end, end) - max(piece.start, start)
            if overlap > 0:
                inside[piece.span] += overlap
            at += 1
        for span, time in inside.items():
            frame, own = self.frames[span], self._own[span]
            made.seen += time
            made.methods[self.method(span)] += time
            if self.in_lock(span):
                made.lock += time
                continue
            if frame.is_sql:
                made.sql += time if self.of_statement(span) else 0.0
                made.statements += frame.statements * time / own
            elif not self._each_statement and frame.sql:
                made.sql += max(min(frame.sql * time / own, time), min(time, frame.sql - (own - time)))
                made.statements += frame.statements * time / own
        rows = self._tables.get(thread, [])
        first, last = (bisect.bisect_left(rows, (edge, "")) for edge in (start, end))
        made.tables.update(table for _, table in rows[first:last])
        return made

    def method(self, span: str) -> str:
        """Class.method of the innermost method at a span."""
        frame = self.frames[span]
        while frame.is_sql and frame.parent in self.frames:
            frame = self.frames[frame.parent]
        return "SQL" if frame.is_sql else frame.name.partition(" ")[0]

    def of_statement(self, span: str) -> bool:
        """Whether a span of SQL is, or lies in, a statement: validation of a connection and the like are none."""
        frame = self.frames[span]
        outer = self.frames.get(frame.parent or "")
        return bool(frame.statements or (outer and outer.is_sql and outer.statements))

    def in_lock(self, span: str) -> bool:
        """Whether a span is, or lies in, one that waits for a lock of CloudStack's."""
        if span not in self._locked:
            frame = self.frames[span]
            parent = frame.parent if frame.parent in self.frames else None
            self._locked[span] = frame.name in LOCKS or (frame.is_sql and parent is not None and self.in_lock(parent))
        return self._locked[span]


def load(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of the spans file: of each span the end if it has one, else its beginning."""
    ended: set[str] = set()
    begun: dict[str, Mapping[str, Any]] = {}
    with opened(folder / SPANS) as handle:
        for text in handle:
            row = json.loads(text)
            if row.get("end_ns"):
                ended.add(row["span"])
                begun.pop(row["span"], None)
                yield row
            elif row["span"] not in ended:
                begun[row["span"]] = row
    yield from begun.values()


def cut(spans: list[tuple[float, float, str]]) -> Iterator[Piece]:
    """A thread's time in pieces, each with its innermost span; spans as (start, -end, span) in order."""
    stack: list[tuple[float, str]] = []
    at = 0.0
    for start, negative, span in spans:
        while stack and stack[-1][0] <= start:
            end, inner = stack.pop()
            if end > at:
                yield Piece(at, end, inner)
                at = end
        if stack and start > at:
            yield Piece(at, start, stack[-1][1])
        at = max(at, start)
        stack.append((min(-negative, stack[-1][0]) if stack else -negative, span))
    while stack:
        end, inner = stack.pop()
        if end > at:
            yield Piece(at, end, inner)
            at = end
