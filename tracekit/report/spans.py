"""Spans and ledgers of operations as rows of numbers, for what walks over all of them and shows a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tracekit.frames import NEVER, instants, lengths, moment, numbers_of

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


class Span(NamedTuple):
    """A row of SPANS."""

    span: int
    parent: int  # -1: none
    depth: int
    kind: str
    name: str  # "" where it is null
    begin: int  # microseconds since the epoch
    stop: int  # NEVER while it is open
    took: float  # seconds, 0 while it is open
    own: float  # seconds of its own, NaN while it is open
    status: str
    ends: str
    first_record: object
    last_record: object
    attributes: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether its end is not known."""
        return self.stop == NEVER

    @property
    def start(self) -> datetime | None:
        """When it began."""
        return None if self.begin == NEVER else moment(self.begin)

    @property
    def end(self) -> datetime | None:
        """When it ended, None while it is open."""
        return None if self.stop == NEVER else moment(self.stop)


class Interval(NamedTuple):
    """A row of LEDGER."""

    category: str
    owner: object
    begin: int  # microseconds since the epoch
    stop: int
    took: float  # seconds
    span: int  # -1: none
    first_record: object
    last_record: object

    @property
    def start(self) -> datetime:
        """When it began."""
        return moment(self.begin)

    @property
    def end(self) -> datetime:
        """When it ended."""
        return moment(self.stop)


def span_rows(table: pd.DataFrame) -> list[Span]:
    """The rows of a table of SPANS."""
    columns = (
        table["span"],
        numbers_of(table["parent"]),
        table["depth"],
        table["kind"],
        table["name"].fillna(""),
        instants(table["start"]),
        instants(table["end"]),
        np.nan_to_num(lengths(table["duration"])),
        lengths(table["self_time"]),
        table["status"],
        table["ends"],
        table["first_record"],
        table["last_record"],
        table["attributes"],
    )
    return list(map(Span, *(column.tolist() for column in columns)))


def interval_rows(table: pd.DataFrame) -> list[Interval]:
    """The rows of a table of LEDGER."""
    begin, stop = instants(table["start"]), instants(table["end"])
    columns = (
        table["category"],
        table["owner"],
        begin,
        stop,
        (stop - begin) / 1e6,
        numbers_of(table["span"]),
        table["first_record"],
        table["last_record"],
    )
    return list(map(Interval, *(column.tolist() for column in columns)))
