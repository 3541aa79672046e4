"""What the reader of a report must know about the input: counters that every step adds to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracekit.errors import SchemaError
from tracekit.schema import QUALITY, SEVERITIES, check, frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Counter:
    """One thing that was counted."""

    counter: str  # what, e.g. "torn archive"
    severity: str  # one of schema.SEVERITIES
    count: int
    example: str | None  # the first one seen: the line, or what is known of it
    where: str | None  # source:line, or the source alone


class Collector:
    """Collects counters. Counters of one name are one row: their counts add up, the first example stays."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}

    def add(
        self, counter: str, severity: str, count: int = 1, *, example: str | None = None, where: str | None = None
    ) -> None:
        """Count `counter` `count` times more. SchemaError for a severity that is none."""
        if severity not in SEVERITIES:
            raise SchemaError(f"quality.severity: {severity!r} is none of {SEVERITIES}")
        known = self._counters.get(counter)
        if known is None:
            self._counters[counter] = Counter(counter, severity, count, example, where)
        else:
            self._counters[counter] = replace(known, count=known.count + count)

    def extend(self, other: Collector) -> None:
        """Take over everything `other` has counted, in its order."""
        for row in other.rows():
            self.add(row.counter, row.severity, row.count, example=row.example, where=row.where)

    def rows(self) -> list[Counter]:
        """The counters in the order in which they were first seen."""
        return list(self._counters.values())

    def frame(self) -> pd.DataFrame:
        """The counters as a table with the schema QUALITY, one row a counter."""
        rows = self.rows()
        columns = {name: [getattr(row, name) for row in rows] for name in QUALITY}
        return check(frame(QUALITY, columns), QUALITY, "quality")
