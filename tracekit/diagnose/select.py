"""Conditions of a rule on the rows of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.clock import seconds
from tracekit.diagnose.rows import Column, Rows, nothing
from tracekit.diagnose.rules import Beside, Condition, Select
from tracekit.diagnose.tables import Tables, named
from tracekit.frames import objects

Mask = npt.NDArray[np.bool_]
STATEMENTS = ("after", "before", "event")  # columns that hold the rule of a statement
NOTHING = np.empty(0).__getitem__  # makes a column of no rows
SEPARATOR = ", "  # between the names in one text: commands of a request, hosts of a list


def chosen(tables: Tables, select: Select) -> Rows:
    """Rows of the select's table that meet its conditions; asked for once, kept for the next time.

    `low` and `high` are their bounds by the waking clock and `seconds` their length; silences have their true length.
    """
    made = tables.kept.get(select)
    if made is None:
        made = tables.kept[select] = choose(tables, select)
    return made


def choose(tables: Tables, select: Select) -> Rows:
    """The rows of :func:`chosen`: each condition is asked of the rows that met those before, the length last."""
    rows = tables.rows(select)
    for condition in select.where:
        if len(rows) and condition.column != "seconds":
            rows = rows.where(meets(rows, condition, tables))
    if not len(rows):
        return rows.having(low=NOTHING, high=NOTHING, seconds=NOTHING)
    start, end = select.between or ("start", "end")
    clock = seconds if select.table == "silences" else tables.clock.awake
    low, high = clock(rows[start]), clock(rows[end])
    keep = np.full(len(rows), True) if select.between is None else ~np.isnan(high - low)
    for condition in select.where:
        if condition.column == "seconds":
            keep &= COMPARE[condition.comparison](high - low, condition.value)
    at = np.flatnonzero(keep)
    low, high, made = low[at], high[at], rows.take(at)
    if select.between is not None:
        own = {"start": made[start].__getitem__, "end": made[end].__getitem__}
        made = made.having(**own, first=nothing(len(at)), last=nothing(len(at)))
    return made.having(low=low.__getitem__, high=high.__getitem__, seconds=(high - low).__getitem__)


def beside(tables: Tables, rows: Rows, others: Beside) -> Mask:
    """For each row whether something goes with it."""
    found = chosen(tables, others.rows)
    groups = found.by(*(name for _, name in others.keys))
    keys = rows.keys(*(name for name, _ in others.keys))
    known = np.array([key in groups and None not in key for key in keys], dtype=bool)
    if not others.during:
        return known
    made = np.zeros(len(rows), dtype=bool)
    under_way: dict[tuple[Any, ...], Overlap] = {}
    for at in np.flatnonzero(known).tolist():
        key = keys[at]
        if key not in under_way:
            under_way[key] = Overlap(found["low"][groups[key]], found["high"][groups[key]])
        made[at] = under_way[key].any(rows["low"][at], rows["high"][at])
    return made


class Overlap:
    """Stretches of which some may overlap another; those with an unknown bound do not."""

    def __init__(self, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> None:
        known = ~np.isnan(high - low)
        order = np.argsort(low[known], kind="stable")
        self.low = low[known][order]
        self.reach = np.maximum.accumulate(high[known][order])  # the latest end of those that begin no later

    def any(self, low: float, high: float) -> bool:
        """Whether one of them overlaps this stretch."""
        before = int(np.searchsorted(self.low, high)) if high == high else 0
        return before > 0 and bool(self.reach[before - 1] > low)


def meets(rows: Rows, condition: Condition, tables: Tables) -> Mask:
    """For each row whether it meets the condition; null meets none but `known = false`, `not` and `lacks`.

    Of texts each different one is compared once.
    """
    compare, value = COMPARE[condition.comparison], condition.value
    column = rows[condition.column]
    if not isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)) and column.dtype != object:
        return compare(column, value)
    different, codes = rows.different(condition.column)
    if condition.column in STATEMENTS and condition.comparison in ("is", "not"):
        words = several(value)
        value = tuple(rule for rule in different if rule is not None and named(rule, tables.meanings, words))
    return np.asarray(compare(different, value)[codes])


def several(value: Any) -> tuple[Any, ...]:
    """The values of a condition that may have one or several."""
    return value if isinstance(value, tuple) else (value,)


def of_texts(column: Column, fits: Callable[[str], bool]) -> Mask:
    """For each value whether its text fits; null does not."""
    texts = objects(column)
    return np.fromiter((text is not None and fits(str(text)) for text in texts), bool, len(texts))


def equal(column: Column, value: Any) -> Mask:
    """Equal to `value`, or to one of them."""
    if column.dtype != object:
        return pd.Series(column, copy=False).isin(several(value)).to_numpy(dtype=bool)
    wanted = set(several(value))
    return np.fromiter(map(wanted.__contains__, column), bool, len(column))


def has(column: Column, value: Any) -> Mask:
    """Whether a text of names holds one of `value`."""
    wanted = set(several(value))
    return of_texts(column, lambda text: not wanted.isdisjoint(text.split(SEPARATOR)))


def number(column: Column) -> npt.NDArray[np.float64]:
    """Numbers, NaN where there is none."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return column
    return pd.to_numeric(pd.Series(column), errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def whole(column: Column, value: Any) -> Mask:
    """A whole number of times `value[0]`, at least once, within `value[1]`."""
    unit, slack = value
    numbers = number(column)
    rest = numbers % unit
    return np.asarray((numbers >= unit - slack) & ((rest <= slack) | (rest >= unit - slack)))


def like(column: Column, value: Any) -> Mask:
    """A text that fits one of some shell patterns."""
    fits = re.compile("|".join(map(translate, several(value)))).match
    return of_texts(column, lambda text: fits(text) is not None)


COMPARE: Mapping[str, Callable[[Column, Any], Mask]] = {
    "is": equal,
    "not": lambda column, value: ~equal(column, value),
    "has": has,
    "lacks": lambda column, value: ~has(column, value),
    "above": lambda column, value: number(column) > value,
    "below": lambda column, value: number(column) < value,
    "least": lambda column, value: number(column) >= value,
    "most": lambda column, value: number(column) <= value,
    "known": lambda column, value: pd.notna(column) == value,
    "within": whole,
    "like": like,
}
