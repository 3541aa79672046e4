"""Rules on tables: what was found where, what it cost and who held it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.checks import LOST
from tracekit.diagnose.rows import Rows
from tracekit.diagnose.rules import Holder, Match, Rule, Select
from tracekit.diagnose.select import beside, chosen
from tracekit.diagnose.tables import Tables
from tracekit.frames import lengths

ALIKE = 20  # rows from which on the file's own percentiles say what is usual
SLOWER = 4.0  # times the file's own median
OWN_LEAST = 3.0  # seconds that no median makes slow


class Found(NamedTuple):
    """One cause in one operation, or in the log as a whole (operation None)."""

    rule: Rule
    match: Match
    operation: str | None
    rows: Rows
    at: npt.NDArray[np.int64]  # which of the rows are this finding's, the longest first
    cost: float  # seconds
    holder: str | None = None

    @property
    def severity(self) -> str:
        """Of the match, else of the rule."""
        return self.match.severity or self.rule.severity

    @property
    def first(self) -> float:
        """Record in which it began, NaN where it has none of its own."""
        known = [float(number) for number in self.rows.objects("first")[self.at] if number is not None]
        return min(known, default=float("nan"))

    def longest(self, name: str) -> Any:
        """A column of the row that took longest."""
        return self.rows.objects(name)[self.at[0]]


class Engine:
    """Applies rules to one set of tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        operations = tables.operations
        names = operations["operation"].tolist()
        self.status: dict[Any, str] = dict(zip(names, operations["status"].tolist(), strict=True))
        # Stretches that findings own, for the rules of rest.
        self.claimed: dict[str | None, list[tuple[float, float]]] = {}
        self.failed: set[str | None] = set()  # operations with a failure that a rule names
        walls = np.nan_to_num(lengths(operations["wall"]))
        self.walls: dict[Any, float] = dict(zip(names, walls.tolist(), strict=True))

    def all(self, rules: Sequence[Rule]) -> list[Found]:
        """Everything that the rules say: waits, what no other explains, then failures without the waits in them."""
        made: list[Found] = []
        for rule in sorted(rules, key=lambda rule: (rule.role not in ("wait", "after"), rule.rest)):
            found = self.find(rule)
            made += found
            for one in found:
                if rule.role == "failure":
                    self.failed.add(one.operation)
                if rule.role == "wait" and one.severity != "note":
                    bounds = zip(one.rows["low"][one.at], one.rows["high"][one.at], strict=True)
                    self.claimed.setdefault(one.operation, []).extend(bounds)
        return made

    def find(self, rule: Rule) -> list[Found]:
        """Everything that `rule` says about these tables, once at most for an operation: its first match counts."""
        made: dict[str | None, Found] = {}
        for match in rule.matches:
            for found in self.matched(rule, match):
                made.setdefault(found.operation, found)
        return list(made.values())

    def matched(self, rule: Rule, match: Match) -> list[Found]:
        """Findings of one way to see the cause."""
        rows = self.allowed(chosen(self.tables, match.rows), match)
        if not len(rows):
            return []
        if rule.rest:
            rows = rows.where(self.free(rule, rows))
        made = []
        for operation, at in grouped(rows, rule.scope):
            if len(at) < match.count:
                continue
            cost = self.cost(rule, operation, rows, at)
            if cost >= match.least and not self.harmless(rule, operation, cost):
                found = Found(rule, match, operation, rows, at, cost)
                made.append(found._replace(holder=self.holder(rule.holder, found)))
        return made

    def free(self, rule: Rule, rows: Rows) -> npt.NDArray[np.bool_]:
        """For each row whether no finding explains it yet."""
        failed = self.failed if rule.role == "failure" else set()
        stretches = zip(rows.objects("operation"), rows["low"], rows["high"], strict=True)
        return np.array(
            [name not in failed and not self.owned(name, *bounds) for name, *bounds in stretches], dtype=bool
        )

    def harmless(self, rule: Rule, operation: str | None, cost: float) -> bool:
        """Whether this is a failure in an operation that succeeded and lost no time by it."""
        return (
            rule.role == "failure"
            and cost == 0.0
            and operation is not None
            and self.status.get(operation) == "succeeded"
        )

    def owned(self, operation: str, low: float, high: float) -> bool:
        """Whether a finding of the operation explains most of this stretch."""
        own = [(max(a, low), min(b, high)) for a, b in self.claimed.get(operation, ())]
        return union(own) > (high - low) / 2

    def allowed(self, rows: Rows, match: Match) -> Rows:
        """Rows that are slow enough, with what must go with them and without what must not."""
        if not len(rows):
            return rows
        limit, own = limits(rows, match)
        rows = rows.having(limit=limit.__getitem__, own=own.__getitem__)
        rows = rows.where((rows["seconds"] > limit) | np.isnan(limit))
        for others in match.also:
            rows = rows.where(beside(self.tables, rows, others))
        for others in match.unless:
            rows = rows.where(~beside(self.tables, rows, others))
        if match.together > 1:
            rows = rows.where(together(rows, match.by) >= match.together)
        return rows

    def cost(self, rule: Rule, operation: str | None, rows: Rows, at: npt.NDArray[np.int64]) -> float:
        """Seconds lost: an operation that failed lost all its time, else the time that the rows cover together."""
        if rule.cost == "none":
            return 0.0
        if rule.role != "wait" and operation is not None and self.status.get(operation) in LOST:
            return self.walls[operation]
        if isinstance(rule.cost, Select):
            rows = chosen(self.tables, rule.cost)
            whole = operation is None
            at = np.arange(len(rows)) if whole else rows.by("operation").get((operation,), at[:0])
        own = list(zip(rows["low"][at].tolist(), rows["high"][at].tolist(), strict=True))
        others = self.claimed.get(operation, []) if rule.role != "wait" else []
        return union(own + others) - union(others)

    def holder(self, holder: Holder | None, found: Found) -> str | None:
        """Who held what the longest row waited for, None where no line tells."""
        if holder is None:
            return None
        if holder.beside is None:
            value = found.longest(holder.column) if holder.column in found.rows else None
            return None if value is None else holder.name.format_map(Words(found, holder=value))
        others = chosen(self.tables, holder.beside.rows)
        agree = others.by(*(other for _, other in holder.beside.keys))
        at = agree.get(tuple(found.longest(mine) for mine, _ in holder.beside.keys))
        if at is None:
            return None
        overlap = np.minimum(others["high"][at], found.longest("high")) - np.maximum(
            others["low"][at], found.longest("low")
        )
        overlap[others.objects("operation")[at] == found.operation] = 0.0
        if not (overlap > 0).any():
            return None
        longest = at[[int(np.nanargmax(overlap))]]
        return holder.name.format_map(Words(found._replace(rows=others, at=longest)))


def grouped(rows: Rows, scope: str) -> list[tuple[str | None, npt.NDArray[np.int64]]]:
    """Positions of the rows of each operation, the longest first; all together for the scope `log`."""
    order = np.argsort(-np.nan_to_num(rows["seconds"]), kind="stable")
    if scope == "log":
        return [(None, order)] if len(order) else []
    parts: dict[Any, list[int]] = {}
    for at, name in zip(order.tolist(), rows.objects("operation")[order], strict=True):
        if name is not None:
            parts.setdefault(name, []).append(at)
    return [(name, np.array(part, dtype=np.int64)) for name, part in parts.items()]


def limits(rows: Rows, match: Match) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Seconds up to which each row is healthy (NaN: any), and whether this log's own median says so.

    Where 20 rows or more are alike, four times their median is enough to be slow, but never less than 3 s; a log in
    which everything is slow stays measured by the rule's own figure.
    """
    made = np.full(len(rows), np.nan if match.usual is None else match.usual)
    own = np.zeros(len(rows), dtype=bool)
    if match.usual is not None and match.alike:
        for at in rows.by(*match.alike).values():
            known = (took := rows["seconds"][at])[~np.isnan(took)]
            typical = max(SLOWER * float(np.median(known)), OWN_LEAST) if len(known) else np.inf
            if len(at) >= ALIKE and typical < match.usual:
                made[at], own[at] = typical, True
    return made, own


def together(rows: Rows, by: Sequence[str]) -> npt.NDArray[np.int64]:
    """For each row how many rows, itself included, overlap it; of those that agree with it in the columns `by`."""
    made = np.zeros(len(rows), dtype=np.int64)
    low, high = rows["low"], rows["high"]
    for at in rows.by(*by).values():
        begun = np.searchsorted(np.sort(low[at]), high[at], "left")
        over = np.searchsorted(np.sort(high[at]), low[at], "right")
        made[at] = begun - over
    return made


def union(intervals: Sequence[tuple[float, float]]) -> float:
    """Length of the union of intervals in seconds; those with an unknown bound count nothing."""
    total, reach = 0.0, -np.inf
    for low, high in sorted(intervals):
        if high > low:
            total += max(0.0, high - max(low, reach))
            reach = max(reach, high)
    return total


class Words:
    """Values for a title: what is given, else columns of the finding's longest row; what is unknown is `?`."""

    def __init__(self, found: Found, **given: Any) -> None:
        self.found = found
        self.given = given

    def __getitem__(self, name: str) -> Any:
        value = (
            self.given[name] if name in self.given else self.found.longest(name) if name in self.found.rows else None
        )
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            return "?"
        return f"{value:.1f}" if isinstance(value, float) else value
