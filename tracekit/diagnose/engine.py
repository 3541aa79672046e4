"""Rules on tables: what was found where, what it cost, who held it, and in which order it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.rules import Holder, Match, Rule, Select
from tracekit.diagnose.select import chosen
from tracekit.diagnose.tables import Tables

ALIKE = 20  # rows from which on the file's own percentiles say what is usual
SLOWER = 3.0  # times the file's own median
OWN_LEAST = 2.0  # seconds that no median makes slow
LINES = 8  # lines of evidence a finding quotes


@dataclass(frozen=True)
class Found:
    """One cause in one operation, or in the log as a whole (operation None)."""

    rule: Rule
    match: Match
    operation: str | None
    rows: pd.DataFrame
    cost: float  # seconds
    limit: float | None
    own: bool  # whether the limit is of this file
    holder: str | None
    
    @property
    def severity(self) -> str:
        """Of the match, else of the rule."""
        return self.match.severity or self.rule.severity

    @property
    def first(self) -> int:
        """Record in which it began."""
        known = self.rows["first"].dropna()
        return int(known.min()) if len(known) else -1

    @property
    def worst(self) -> pd.Series[Any]:
        """The row that took longest."""
        return self.rows.loc[self.rows["seconds"].fillna(0.0).idxmax()]


@dataclass
class Engine:
    """Applies rules to one set of tables."""

    tables: Tables
    status: dict[str, str] = field(init=False)
    walls: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.status = self.tables.operations.set_index("operation")["status"].astype("object").to_dict()
        self.walls = (self.tables.operations.set_index("operation")["wall"] / pd.Timedelta(seconds=1)).to_dict()

    def find(self, rule: Rule) -> list[Found]:
        """Everything that `rule` says about these tables, one at most for an operation."""
        made: dict[str | None, Found] = {}
        for match in rule.matches:
            for found in self.matched(rule, match):
                made.setdefault(found.operation, found)
        return list(made.values())

    def matched(self, rule: Rule, match: Match) -> list[Found]:
        """Findings of one way to see the cause."""
        rows = chosen(self.tables, match.rows)
        rows = rows.reset_index(drop=True)
        limit = limits(rows, match)
        if limit is not None:
            rows = rows.assign(limit=limit[0], own=limit[1])[rows["seconds"] > limit[0]]
        if rule.scope == "log":
            groups: Iterable[tuple[str | None, pd.DataFrame]] = [(None, rows)] if len(rows) else []
        else:
            rows = self.allowed(rows[rows["operation"].notna()], match)
            groups = rows.groupby("operation", sort=False)
        made = []
        for operation, part in groups:
            cost = self.cost(rule, operation, part)
            if len(part) >= match.count and cost >= match.least:
                part = self.tables.with_lines(part)
                worst = part.loc[part["seconds"].fillna(0.0).idxmax()]
                made.append(Found(rule, match, operation, part, cost,
                                  float(worst["limit"]) if limit is not None else None,
                                  bool(worst["own"]) if limit is not None else False, self.holder(rule.holder, worst)))
        return made

    def allowed(self, rows: pd.DataFrame, match: Match) -> pd.DataFrame:
        """Rows of operations that have what the match asks for besides, and nothing that speaks against it."""
        for select in match.also:
            rows = rows[rows["operation"].isin(chosen(self.tables, select)["operation"].dropna().unique())]
        for select in match.unless:
            rows = rows[~rows["operation"].isin(chosen(self.tables, select)["operation"].dropna().unique())]
        return rows

    def cost(self, rule: Rule, operation: str | None, rows: pd.DataFrame) -> float:
        """Seconds lost: an operation that failed lost all its time, else the time that the rows cover together."""
        if rule.cost == "none":
            return 0.0
        if rule.role != "wait" and self.status.get(operation) == "failed":
            wall = self.walls.get(operation, 0.0)
            return wall if wall == wall else 0.0
        if isinstance(rule.cost, Select):
            rows = chosen(self.tables, rule.cost)
            rows = rows[rows["operation"] == operation]
        if "silences" in {match.rows.table for match in rule.matches}:
            return float(rows["seconds"].sum())
        return union(self.tables.clock.awake(rows["start"]), self.tables.clock.awake(rows["end"]))

    def holder(self, holder: Holder | None, row: pd.Series[Any]) -> str | None:
        """Who held what the row waited for, None where no line tells."""
        if holder is None:
            return None
        if holder.rows is None:
            value = row.get(holder.column)
            return None if value is None or pd.isna(value) else holder.name.format_map(Words({"holder": value, **row}))
        others = chosen(self.tables, holder.rows)
        for name in holder.rows.same:
            others = others[others[name].astype("object") == row[name]]
        overlap = others["end"].fillna(row["end"]).clip(upper=row["end"]) - others["start"].clip(lower=row["start"])
        mine = (others["first"] == row["first"]).fillna(False) & (others["operation"] == row["operation"])
        overlap = overlap[(overlap > pd.Timedelta(0)) & ~mine]
        if overlap.empty:
            return None
        return holder.name.format_map(Words(dict(others.loc[overlap.idxmax()])))


def limits(rows: pd.DataFrame, match: Match) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None:
    """Seconds up to which each row is healthy, and whether this file's own median says so.

    Where 20 rows or more are alike, three times their median is enough to be slow, but never less than 2 s; a file in
    which everything is slow stays measured by the rule's own figure.
    """
    if match.usual is None:
        return None
    made = np.full(len(rows), match.usual)
    own = np.zeros(len(rows), dtype=bool)
    if match.alike and len(rows):
        groups = rows["seconds"].groupby([rows[name].astype("object") for name in match.alike], dropna=False)
        typical = np.maximum(SLOWER * groups.transform("median").to_numpy(), OWN_LEAST)
        own = (groups.transform("size").to_numpy() >= ALIKE) & (typical < match.usual)
        made[own] = typical[own]
    return made, own


def union(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> float:
    """Length of the union of intervals in seconds; those with an unknown bound count nothing."""
    known = ~(np.isnan(start) | np.isnan(end)) & (end > start)
    total, reach = 0.0, -np.inf
    for low, high in sorted(zip(start[known], end[known], strict=True)):
        total += max(0.0, high - max(low, reach))
        reach = max(reach, high)
    return float(total)


class Words(dict[str, Any]):
    """Values for a title: what is unknown is a question mark, numbers and times are short."""

    def __missing__(self, key: str) -> str:
        return "?"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, float):
            return "?" if np.isnan(value) else f"{value:.1f}" if value % 1 else f"{value:.0f}"
        return "?" if value is None or value is pd.NA or value is pd.NaT else value


def ranked(found: Sequence[Found], operations: pd.DataFrame) -> list[Found]:
    """Findings in the order of the page: by operation; in each the cause first.

    Of a failed operation that is the first failure in the order of the lines, for what follows from it is written
    later; echoes of it and notes come last. Everything else is ordered by the time it cost.
    """
    place: Mapping[str | None, int] = {name: i for i, name in enumerate(operations["operation"])}
    status = dict(zip(operations["operation"], operations["status"].astype("object"), strict=True))

    def key(one: Found) -> tuple[Any, ...]:
        failed = status.get(one.operation) in ("failed", "cancelled")
        cause = failed and one.rule.role == "failure"
        echo = one.rule.role == "echo"
        order = one.first if cause else -one.cost
        return (place.get(one.operation, len(place)), echo, one.severity == "note" and not cause, not cause, order)

    return sorted(found, key=key)
