"""Conditions of a rule on the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from tracekit.diagnose.rules import Condition, Select
from tracekit.diagnose.tables import Tables, named

STATEMENTS = ("after", "before")  # columns that hold the rule of a statement
SEPARATOR = ", "  # between the names in one text: commands of a request, hosts of a list


def chosen(tables: Tables, select: Select) -> pd.DataFrame:
    """Rows of the select's table that meet its conditions, with `seconds`: their length by the waking clock."""
    rows = tables.rows(select)
    rows = rows.assign(seconds=tables.clock.awake(rows["end"]) - tables.clock.awake(rows["start"]))
    if select.table == "silences":
        rows["seconds"] = (rows["end"] - rows["start"]) / pd.Timedelta(seconds=1)
    for condition in select.where:
        rows = rows[meets(rows[condition.column], condition, tables)]
    return rows


def meets(column: pd.Series[Any], condition: Condition, tables: Tables) -> pd.Series[bool]:
    """For each value whether it meets the condition; null meets none but `known = false`, `not` and `lacks`."""
    if condition.column in STATEMENTS and condition.comparison in ("is", "not"):
        words = condition.value if isinstance(condition.value, list) else [condition.value]
        rules = {rule for rule in column.dropna().unique() if named(rule, tables.meanings, words)}
        return column.isin(rules) == (condition.comparison == "is")
    return COMPARE[condition.comparison](column, condition.value)


def equal(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """Equal to `value`, or to one of them."""
    return column.isin(value if isinstance(value, list) else [value])


def has(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """Whether a text of names holds one of `value`."""
    wanted = set(value if isinstance(value, list) else [value])
    known = {text: bool(wanted & set(str(text).split(SEPARATOR))) for text in column.dropna().unique()}
    return column.map(known).fillna(False).astype(bool)


def number(column: pd.Series[Any]) -> pd.Series[float]:
    """Numbers, NaN where there is none."""
    return pd.to_numeric(column, errors="coerce").astype("float64")


def whole(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    """A whole number of times `value[0]`, at least once, within `value[1]`."""
    unit, slack = value
    rest = number(column) % unit
    return (number(column) >= unit - slack) & ((rest <= slack) | (rest >= unit - slack))


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
}
