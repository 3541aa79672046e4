"""Statements about numbered things, such as jobs: of each meaning the first about each thing, or the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.frames import Numbers, places
from tracekit.parse.events import Cutter


class Mentions(NamedTuple):
    """Events and what each is about. Where rows of events are given, -1 is none."""

    events: pd.DataFrame  # in order, with `means`
    words: Sequence[str]  # all their meanings
    codes: Numbers  # the meaning of each event, by its place among the words
    about: Numbers  # the thing of each event, -1: none
    things: int

    @classmethod
    def of(cls, events: pd.DataFrame, words: Sequence[str], about: Numbers, things: int) -> Mentions:
        """Events that mean one of `words`, about things numbered from 0."""
        return cls(events, words, places(events["means"], words), about, things)

    def first(self, *words: str) -> Numbers:
        """Of each thing the row of the first event that means the first of `words` of which there is one."""
        return self._rows(words, -1)

    def last(self, *words: str) -> Numbers:
        """Likewise the row of the last event."""
        return self._rows(words, 1)

    def _rows(self, words: Sequence[str], step: int) -> Numbers:
        made = np.full(self.things, -1)
        for word in reversed(words):
            rows = np.flatnonzero((self.codes == self.words.index(word)) & (self.about >= 0))[::step]
            made[self.about[rows]] = rows  # the one that comes last stays
        return made

    def said(self, column: str, *rows: Numbers) -> Any:
        """What the first of some rows that has anything in a column says there, for each thing."""
        values, at = self.events[column], rows[0]
        if len(rows) > 1:
            known = np.append(values.notna().to_numpy(), False)
            for others in rows[1:]:
                at = np.where(known[at], at, others)
        if values.dtype.kind == "i" and isinstance(values.dtype, np.dtype):
            return pd.arrays.IntegerArray(values.to_numpy(dtype=np.int64)[at], at < 0)
        return values.array.take(at, allow_fill=True)


def with_records(cut: Cutter, asked: Sequence[str], records: pd.DataFrame, *columns: str, **named: str) -> pd.DataFrame:
    """Events with the columns `asked`, and with columns of the table of records, some of them under another name."""
    own = {**dict(zip(columns, columns, strict=True)), **named}
    return cut.frame(cut.said(asked) | {name: records[of].array.take(cut.records) for name, of in own.items()})


def coalesced(first: Any, *others: Any) -> Any:
    """An array with what the next ones know where it knows nothing."""
    made = first.copy()
    for other in others:
        missing = np.asarray(made.isna())
        made[missing] = other[missing]
    return made
