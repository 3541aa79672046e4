"""The records that prove findings: those around the longest rows of each, of all findings together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracekit.diagnose.engine import Found
from tracekit.diagnose.rows import Column
from tracekit.frames import NEVER, Numbers, distinct, instants, places

LINES = 8  # lines of evidence that a finding quotes


def evidence(found: Sequence[Found], records: pd.DataFrame) -> list[list[int]]:
    """For each finding the lines around its longest rows, in the order of the log.

    They are the first and the last that a row knows, else those of the operation that bound its time.
    """
    made: list[list[int]] = [[] for _ in found]
    if not found:
        return made
    by_rows: dict[int, list[int]] = {}
    for number, one in enumerate(found):
        by_rows.setdefault(id(one.rows), []).append(number)
    owner, first, last, start, end = map(
        np.concatenate, zip(*(bounds(found, at) for at in by_rows.values()), strict=True)
    )
    open_ = np.flatnonzero((first < 0) & (last < 0))
    operations = [found[number].operation for number in owner[open_].tolist()]
    first[open_], last[open_] = around(records, operations, start[open_], end[open_])
    for number, *lines in zip(owner.tolist(), first.tolist(), last.tolist(), strict=True):
        made[number] += lines
    return [sorted([line for line in dict.fromkeys(lines) if line >= 0][:LINES]) for lines in made]


def bounds(found: Sequence[Found], numbers: Sequence[int]) -> tuple[Numbers, ...]:
    """Of findings among the same rows: number of the finding, first and last record, start and end of each row."""
    rows, parts = found[numbers[0]].rows, [found[number].at[:LINES] for number in numbers]
    at = np.concatenate(parts)
    owner = np.repeat(np.array(numbers, dtype=np.int64), [len(part) for part in parts])
    records = (whole(rows.at(name, at)) for name in ("first", "last"))
    return owner, *records, *(instants(rows.at(name, at)) for name in ("start", "end"))


def whole(column: Column) -> Numbers:
    """Numbers of records, -1 where one is unknown."""
    known = ~np.asarray(pd.isna(column))
    made = np.full(len(known), -1, dtype=np.int64)
    made[known] = np.asarray(column[known]).astype(np.int64)
    return made


def around(
    records: pd.DataFrame, operations: Sequence[str | None], start: Numbers, end: Numbers
) -> tuple[Numbers, Numbers]:
    """For each stretch the last line of its operation before it and the first behind it, -1 where it is not known."""
    named: Any = records["operation"].array
    code = places(pd.Series(operations, dtype="object"), named.categories)
    code[(start == NEVER) | (end == NEVER)] = -1
    place = np.full(len(named.categories) + 1, -1, dtype=np.int32)  # of the operations that are asked for
    asked = distinct(code[code >= 0])
    place[asked] = np.arange(len(asked))
    at = np.flatnonzero(place[named.codes] >= 0)
    first, last = np.full(len(code), -1), np.full(len(code), -1)
    if not len(at):
        return first, last
    times = instants(records["ts"].array[at])
    low, span = times.min() - 1, times.max() - times.min() + 3
    # Operation and time as one number, the times of one operation between two numbers that no line has.
    key = place[named.codes[at]] * span
    key += times
    key -= low
    order = np.argsort(key, kind="stable")
    key, at = key[order], at[order].astype(np.int32)
    del order, times
    base = place[code] * span
    before, behind = (base + np.clip(moment - low, 0, span - 1) for moment in (start, end))
    begin, stop = np.searchsorted(key, base), np.searchsorted(key, base + span)
    known = (code >= 0) & (stop > begin)
    first[known] = at[np.maximum(np.searchsorted(key, before, "right") - 1, begin)[known]]
    last[known] = at[np.minimum(np.searchsorted(key, behind), stop - 1)[known]]
    return first, last
