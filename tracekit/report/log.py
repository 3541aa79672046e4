"""The records of a trace by number: where they stand and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.report.model import Lines, LogLine
from tracekit.report.names import Names
from tracekit.report.words import clock, count, cut, known, text

if TYPE_CHECKING:
    from tracekit.trace import Trace

TEXT_LIMIT = 240  # characters of a line on the page
BAD_LEVELS = {"WARN": "warn", "ERROR": "error", "FATAL": "error"}


class _Place(NamedTuple):
    """What Sources.text needs of a record."""

    source: str
    offset: int
    length: int


class _Names(NamedTuple):
    """A column of names as codes: one of its cells costs a hundredth of what a column of pandas takes for it."""

    codes: npt.NDArray[Any]
    names: list[str | None]  # null, the name of code -1, is the last

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _Names:
        """From a column of categories."""
        return cls(column.cat.codes.to_numpy(), [*column.cat.categories.tolist(), None])

    def at(self, record: int) -> str | None:
        """The name of one record."""
        code: int = self.codes.item(record)
        return self.names[code]


class Log:
    """Looks records up. Numbers are row numbers of `trace.records`."""

    def __init__(self, trace: Trace) -> None:
        records = trace.records
        self.names = Names.of(trace.commands)
        self._sources = trace.sources
        self._paths = [str(path) for path in records["source"].cat.categories]
        self._names = short_names(self._paths)
        self._usual = self._names[int(np.bincount(records["source"].cat.codes).argmax())] if len(records) else ""
        self._before = f"{self._usual}:" if self._usual else ""  # what most places begin with
        # Columns, not rows: a row of a frame costs more than the line that is read from it.
        self._source = records["source"].cat.codes.to_numpy()
        self._numbers = {name: records[name].to_numpy() for name in ("line", "offset", "length", "message")}
        self._time = records["ts"].to_numpy()
        self._places: dict[object, str] = {}  # what `where` said: most records are asked for again
        self._level, self._thread, self._operation = (
            _Names.of(records[name]) for name in ("level", "thread", "operation")
        )

    def rows(self, operation: str) -> npt.NDArray[np.intp]:
        """The record numbers of one operation, in the log's order."""
        if operation not in self._operation.names:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(self._operation.codes == self._operation.names.index(operation))

    def where(self, record: object) -> str:
        """`file:line` of a record; "" where it is not known."""
        said = self._places.get(record)
        if said is None:
            said = self._places[record] = self._place(int(record)) if known(record) else ""  # type: ignore[call-overload]
        return said

    def _place(self, record: int) -> str:
        return f"{self._names[self._source.item(record)]}:{self._numbers['line'].item(record)}"

    def time(self, record: int) -> datetime | None:
        """When a record was written; None where it does not say."""
        return self._time[record].item()  # type: ignore[no-any-return]

    def span(self, first: object, last: object) -> str:
        """`file:10–20` of two records, `file:10` where they are one, both in full where the files differ."""
        begin, end = self.where(first), self.where(last)
        if not begin or not end or begin == end:
            return begin or end
        (file, _, _), (other, _, line) = begin.rpartition(":"), end.rpartition(":")
        return f"{begin}–{line}" if file == other else f"{begin} – {end}"

    def brief(self, first: object, last: object) -> str:
        """As `span`, without the file where there is only one."""
        said = self.span(first, last)
        return said.rsplit(":", 1)[-1] if len(self._names) == 1 else said

    def near(self, first: object, last: object) -> str:
        """As `brief`, and without the file where it is the one that most lines are in."""
        return self.span(first, last).removeprefix(self._before)

    def lines_of(self, records: pd.Series[int]) -> npt.NDArray[np.int64]:
        """The line of each of many records, 0 where the record is not known."""
        known = records.notna().to_numpy()
        made = np.zeros(len(records), dtype=np.int64)
        made[known] = self._numbers["line"][records[known].to_numpy(dtype="int64")]
        return made

    def line(self, record: int, limit: int = TEXT_LIMIT, *, brief: bool = False) -> LogLine:
        """One record for the page: its message alone, first line only, cut at `limit` characters.

        `brief` says its place as `near` does.
        """
        offset, length, message = (self._numbers[name].item(record) for name in ("offset", "length", "message"))
        level = self._level.at(record)
        whole = self._sources.text(_Place(self._paths[self._source.item(record)], offset, length))
        first, *more = whole[message:].splitlines() or [""]
        said, lost = cut(first, limit)
        notes = [f"+{count(lost, 'character')}"] if lost else []
        if more:
            notes.append(f"+{count(len(more), 'line')}")
        return LogLine(
            where=self.where(record).removeprefix(self._before if brief else ""),
            time=clock(self.time(record)),
            level=text(level),
            thread=text(self._thread.at(record), 48),
            text=said,
            css=BAD_LEVELS.get(str(level), ""),
            note=", ".join(notes),
        )

    def lines(self, operation: str, head: int, tail: int) -> Lines:
        """The first `head` and last `tail` records of an operation, and how many stand between them."""
        rows = self.rows(operation)
        total = count(len(rows), "record")
        if len(rows) <= head + tail + 5:  # a gap of a handful saves nothing
            return Lines(self._all(rows), "", (), total, self._usual)
        gap = count(len(rows) - head - tail, "record") + " left out here"
        return Lines(self._all(rows[:head]), gap, self._all(rows[-tail:]), total, self._usual)

    def first_bad(self, operation: str) -> int | None:
        """The first record of an operation at WARN or above, in the log's order."""
        for row in self.rows(operation):
            if self._level.at(row) in BAD_LEVELS:
                return int(row)
        return None

    def _all(self, rows: Iterable[np.intp]) -> tuple[LogLine, ...]:
        return tuple(self.line(int(row), brief=True) for row in rows)


def short_names(paths: list[str]) -> list[str]:
    """The shortest ends of paths that tell them apart, as they may be shown."""
    depth = 1
    parts = [PurePath(path).parts for path in paths]
    while depth < max(map(len, parts), default=1) and len({tail[-depth:] for tail in parts}) < len(set(paths)):
        depth += 1
    return [text("/".join(tail[-depth:]) or path, 120) for tail, path in zip(parts, paths, strict=True)]
