"""The tables of a trace, cut by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from tracekit.frames import places, rows
from tracekit.report.spans import Interval, Span, interval_rows, span_rows

if TYPE_CHECKING:
    import pandas as pd

    from tracekit.trace import Trace

plain = partial(rows, plain=True)


class Parts(NamedTuple):
    """The rows of one operation in each table, in the tables' own order."""

    spans: list[Span]
    ledger: list[Interval]
    commands: list[Any]


class Splitter:
    """Cuts the tables by operation; each table is read once, and the rows of `operations` are taken together."""

    def __init__(self, trace: Trace, operations: Iterable[str]) -> None:
        self._trace, self._wanted = trace, list(dict.fromkeys(operations))
        self._spans = Cut.of(trace.spans, self._wanted, span_rows)
        self._ledger = Cut.of(trace.ledger, self._wanted, interval_rows)
        self._commands = Cut.of(trace.commands, self._wanted, plain)

    def parts(self, operation: str) -> Parts:
        """The rows of `operation`, one of those asked for, in the tables' own order."""
        return Parts(*(cut.rows(operation) for cut in (self._spans, self._ledger, self._commands)))

    def tables(self, operation: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Its spans and its ledger as tables."""
        return self._spans.table(operation), self._ledger.table(operation)

    def findings(self, operation: str) -> list[Any]:
        """Its rows of the findings, which nothing else waits for."""
        return self._findings.rows(operation)

    @cached_property
    def _findings(self) -> Cut:
        return Cut.of(self._trace.findings, self._wanted, plain)


class Cut(NamedTuple):
    """The part of a table that belongs to some operations, one after another."""

    taken: pd.DataFrame
    every: list[Any]  # its rows
    places: Mapping[str, slice]  # of each operation among them

    @classmethod
    def of(cls, table: pd.DataFrame, operations: Sequence[str], made: Callable[[pd.DataFrame], list[Any]]) -> Self:
        """From a table with a column `operation`."""
        place = places(table["operation"], operations)
        at = np.flatnonzero(place >= 0)
        at = at[np.argsort(place[at], kind="stable")]
        bounds = np.searchsorted(place[at], range(len(operations) + 1)).tolist()
        taken = table.take(at)
        return cls(taken, made(taken), dict(zip(operations, map(slice, bounds, bounds[1:]), strict=False)))

    def rows(self, operation: str) -> list[Any]:
        """The rows of one operation."""
        return self.every[self.places[operation]]

    def table(self, operation: str) -> pd.DataFrame:
        """The same as a table."""
        return self.taken.iloc[self.places[operation]]
