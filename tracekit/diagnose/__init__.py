"""Step five: which causes the tables show, what they cost, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tracekit.diagnose.engine import Engine, Found, Words, ranked
from tracekit.diagnose.evidence import missing
from tracekit.diagnose.platform import advice_for, platform_of
from tracekit.diagnose.rules import Rule, load_rules
from tracekit.diagnose.tables import Tables
from tracekit.parse.grammar import Meaning
from tracekit.parse.scan import Events
from tracekit.resources import grammars
from tracekit.schema import FINDINGS, check, frame


def diagnose(records: pd.DataFrame, spans: pd.DataFrame, operations: pd.DataFrame, jobs: pd.DataFrame,
             commands: pd.DataFrame, ledger: pd.DataFrame, events: Events, meanings: Mapping[str, Meaning],
             rules: Sequence[Rule] | None = None) -> pd.DataFrame:
    """The table of schema.FINDINGS: every finding, then one row for each rule that found nothing.

    Findings stand operation by operation, the cause of each first; `cost` is the time of the operation that the cause
    owns. A rule without a finding is `clear`, or `not enough data` with what is missing. Raises GrammarError where a
    rule's file is wrong.
    """
    tables = Tables(records, spans, operations, jobs, commands, ledger, events, meanings)
    engine = Engine(tables)
    chosen = load_rules(grammars() / "rules") if rules is None else rules
    platform = platform_of(tables)
    found = {rule.id: engine.find(rule) for rule in chosen}
    rows = [row_of(one, platform) for one in ranked([one for part in found.values() for one in part], operations)]
    rows += [unfound(rule, tables) for rule in chosen if not found[rule.id]]
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return check(frame(FINDINGS, {name: columns[name] for name in FINDINGS if name in columns}), FINDINGS, "findings")


def row_of(one: Found, platform: str | None) -> dict[str, Any]:
    """One finding as a row."""
    worst = one.worst
    span = worst.get("span")
    usual = None if one.limit is None else f"{one.limit:.1f} s" + (" in this log" if one.own else "")
    words = Words({**worst, "cost": one.cost, "holder": one.holder, "count": len(one.rows), "usual": usual})
    return {
        "rule": one.rule.id, "severity": one.severity, "verdict": "found", "operation": one.operation,
        "span": None if span is None or pd.isna(span) else int(span), "cost": pd.Timedelta(seconds=round(one.cost, 6)),
        "title": one.rule.title.format_map(words), "evidence": evidence(one.rows),
        "advice": advice_for(one.rule, platform), "certainty": one.match.certainty or one.rule.certainty,
        "holder": one.holder,
    }


def unfound(rule: Rule, tables: Tables) -> dict[str, Any]:
    """The row of a rule that found nothing: clear, or what it would have needed."""
    lacking = missing(rule, tables)
    return {
        "rule": rule.id, "severity": "note", "verdict": "not enough data" if lacking else "clear", "operation": None,
        "span": None, "cost": pd.Timedelta(0), "title": rule.name, "evidence": [],
        "advice": f"To tell it needs {', '.join(lacking)}." if lacking else None, "certainty": None, "holder": None,
    }


def evidence(rows: pd.DataFrame, most: int = 8) -> list[int]:
    """Records that prove a finding: the lines around its longest rows, in the order of the log."""
    longest = rows.sort_values("seconds", ascending=False, kind="stable").head(most)
    numbers = [int(n) for pair in zip(longest["first"], longest["last"], strict=True) for n in pair if pd.notna(n)]
    return sorted(dict.fromkeys(numbers))[:most]
