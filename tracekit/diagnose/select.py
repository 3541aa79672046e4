"""Conditions of a rule on the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from tracekit.diagnose.clock import seconds
from tracekit.diagnose.rules import Beside, Condition, Select
from tracekit.diagnose.tables import Tables, named

STATEMENTS = ("after", "before", "event")  # columns that hold the rule of a statement
SEPARATOR = ", "  # between the names in one text: commands of a request, hosts of a list


def chosen(tables: Tables, select: Select) -> pd.DataFrame:
    """Rows of the select's table that meet its conditions, numbered anew; asked for once, kept for the next time.

    `low` and `high` are their bounds by the waking clock and `seconds` their length; silences have their true length.
    """
    made = tables.kept.get(select)
    if made is None:
        made = tables.kept[select] = choose(tables, select)
    return made


def choose(tables: Tables, select: Select) -> pd.DataFrame:
    """The rows of :func:`chosen`. The table is wide: conditions are met column by column, and rows are taken once."""
    rows = tables.rows(select)
    if rows.empty:
        return rows.assign(low=0.0, high=0.0, seconds=0.0)
    start, end = select.between or ("start", "end")
    clock = seconds if select.table == "silences" else tables.clock.awake
    low, high = clock(rows[start]), clock(rows[end])
    keep = np.ones(len(rows), dtype=bool) if select.between is None else ~np.isnan(high - low)
    for condition in select.where:
        column = pd.Series(high - low, index=rows.index) if condition.column == "seconds" else rows[condition.column]
        keep &= meets(column, condition, tables).to_numpy(dtype=bool)
        if not keep.any():
            return rows.iloc[:0].assign(low=0.0, high=0.0, seconds=0.0)
    at = np.flatnonzero(keep)
    made = rows.take(at).reset_index(drop=True)
    if select.between is not None:
        made = made.assign(start=made[start], end=made[end], first=None, last=None)
    return made.assign(low=low[at], high=high[at], seconds=(high - low)[at])


def beside(tables: Tables, rows: pd.DataFrame, others: Beside) -> pd.Series[bool]:
    """For each row whether something goes with it."""
    found = chosen(tables, others.rows)
    if rows.empty or found.empty:
        return pd.Series(False, index=rows.index)
    keys = [f"key{i}" for i in range(len(others.keys))]
    mine = pd.DataFrame(
        {key: rows[a].astype("object") for key, (a, _) in zip(keys, others.keys, strict=True)}, index=rows.index
    )
    theirs = pd.DataFrame(
        {key: found[b].astype("object") for key, (_, b) in zip(keys, others.keys, strict=True)}, index=found.index
    )
    if others.during:
        mine, theirs = mine.assign(a=rows["low"], b=rows["high"]), theirs.assign(c=found["low"], d=found["high"])
    both = (
        mine.reset_index(names="row")
        .dropna(subset=keys)
        .merge(theirs.drop_duplicates(), on=keys or None, how="inner" if keys else "cross")
    )
    if others.during:
        both = both[(both["c"] < both["b"]) & (both["d"] > both["a"])]
    return pd.Series(rows.index.isin(both["row"]), index=rows.index)


def meets(column: pd.Series[Any], condition: Condition, tables: Tables) -> pd.Series[bool]:
    """For each value whether it meets the condition; null meets none but `known = false`, `not` and `lacks`."""
    if condition.column in STATEMENTS and condition.comparison in ("is", "not"):
        words = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        rules = {rule for rule in column.dropna().unique() if named(rule, tables.meanings, words)}
        return column.isin(rules) == (condition.comparison == "is")
    return COMPARE[condition.comparison](column, condition.value)


def equal(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """Equal to `value`, or to one of them."""
    return column.isin(value if isinstance(value, tuple) else (value,))


def has(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """Whether a text of names holds one of `value`."""
    wanted = set(value if isinstance(value, tuple) else (value,))
    known = {text: bool(wanted & set(str(text).split(SEPARATOR))) for text in column.dropna().unique()}
    found: pd.Series[bool] = column.map(known).eq(True)
    return found


def number(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers, NaN where there is none."""
    return pd.to_numeric(column, errors="coerce").astype("float64")


def whole(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """A whole number of times `value[0]`, at least once, within `value[1]`."""
    unit, slack = value
    rest = number(column) % unit
    near: pd.Series[bool] = (number(column) >= unit - slack) & ((rest <= slack) | (rest >= unit - slack))
    return near


def like(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """A text that fits one of some shell patterns."""
    patterns = value if isinstance(value, tuple) else (value,)
    known = {text: any(fnmatchcase(str(text), pattern) for pattern in patterns) for text in column.dropna().unique()}
    found: pd.Series[bool] = column.map(known).eq(True)
    return found


COMPARE: Mapping[str, Callable[[pd.Series[Any], Any], pd.Series[bool]]] = {
    "is": equal,
    "not": lambda column, value: ~equal(column, value),
    "has": has,
    "lacks": lambda column, value: ~has(column, value),
    "above": lambda column, value: number(column) > value,
    "below": lambda column, value: number(column) < value,
    "least": lambda column, value: number(column) >= value,
    "most": lambda column, value: number(column) <= value,
    "known": lambda column, value: column.notna() == value,
    "within": whole,
    "like": like,
}
