"""The records of a trace by number: where they stand and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tracekit.report.model import Lines, LogLine
from tracekit.report.words import clock, count, cut, known, text

if TYPE_CHECKING:
    from tracekit.trace import Trace

TEXT_LIMIT = 240  # characters of a line on the page
HEAD, TAIL = 70, 30  # lines of an operation on the page
BAD_LEVELS = {"WARN": "warn", "ERROR": "error", "FATAL": "error"}


class Log:
    """Looks records up. Numbers are row numbers of `trace.records`."""

    def __init__(self, trace: Trace) -> None:
        self._records = trace.records
        self._sources = trace.sources
        self._line = trace.records["line"].to_numpy()
        self._source = trace.records["source"].cat.codes.to_numpy()
        self.names = short_names([str(path) for path in trace.records["source"].cat.categories])
        self._levels = trace.records["level"].astype("str").to_numpy()
        self._rows: dict[str, npt.NDArray[np.intp]] = {
            str(key): np.asarray(rows)
            for key, rows in trace.records.groupby("operation", observed=True).indices.items()
        }

    def rows(self, operation: str) -> npt.NDArray[np.intp]:
        """The record numbers of one operation, in the log's order."""
        return self._rows.get(operation, np.empty(0, dtype=np.intp))

    def where(self, record: object) -> str:
        """`file:line` of a record; "" where it is not known."""
        if not known(record):
            return ""
        row = int(record)  # type: ignore[call-overload]
        return f"{self.names[self._source[row]]}:{self._line[row]}"

    def span(self, first: object, last: object) -> str:
        """`file:10–20` of two records, `file:10` where they are one, both in full where the files differ."""
        begin, end = self.where(first), self.where(last)
        if not begin or not end or begin == end:
            return begin or end
        if begin.rsplit(":", 1)[0] == end.rsplit(":", 1)[0]:
            return f"{begin}–{end.rsplit(':', 1)[1]}"
        return f"{begin} – {end}"

    def line(self, record: int, limit: int = TEXT_LIMIT) -> LogLine:
        """One record for the page: its message alone, first line only, cut at `limit` characters."""
        row: Any = self._records.iloc[record]
        whole = self._sources.text(row)
        first, *more = whole[int(row.message) :].splitlines() or [""]
        said, lost = cut(first, limit)
        notes = [f"+{count(lost, 'character')}"] if lost else []
        if more:
            notes.append(f"+{count(len(more), 'line')}")
        return LogLine(
            where=self.where(record),
            time=clock(row.ts),
            level=text(row.level),
            thread=text(row.thread, 48),
            text=said,
            css=BAD_LEVELS.get(str(row.level), ""),
            note=", ".join(notes),
        )

    def lines(self, operation: str) -> Lines:
        """The first and last records of an operation, and how many stand between them."""
        rows = self.rows(operation)
        if len(rows) <= HEAD + TAIL + 5:  # a gap of a handful saves nothing
            return Lines(self._all(rows), "", (), count(len(rows), "record"))
        gap = count(len(rows) - HEAD - TAIL, "record") + " left out here"
        return Lines(self._all(rows[:HEAD]), gap, self._all(rows[-TAIL:]), count(len(rows), "record"))

    def first_bad(self, operation: str) -> int | None:
        """The first record of an operation at WARN or above, in the log's order."""
        for row in self.rows(operation):
            if self._levels[row] in BAD_LEVELS:
                return int(row)
        return None

    def _all(self, rows: Iterable[np.intp]) -> tuple[LogLine, ...]:
        return tuple(self.line(int(row)) for row in rows)


def short_names(paths: list[str]) -> list[str]:
    """The shortest ends of paths that tell them apart, as they may be shown."""
    depth = 1
    parts = [PurePath(path).parts for path in paths]
    while depth < max(map(len, parts), default=1) and len({tail[-depth:] for tail in parts}) < len(set(paths)):
        depth += 1
    return [text("/".join(tail[-depth:]) or path, 120) for tail, path in zip(parts, paths, strict=True)]
