"""Step five: which causes the tables show, what they cost, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracekit.diagnose.engine import Engine, Found, Words
from tracekit.diagnose.evidence import evidence
from tracekit.diagnose.needs import Needs
from tracekit.diagnose.platform import advice_for, load_marks, platform_of
from tracekit.diagnose.ranking import ranked
from tracekit.diagnose.rules import Rule, columns_asked
from tracekit.diagnose.tables import Tables
from tracekit.parse.events import Events
from tracekit.parse.grammar import Meaning
from tracekit.read.files import Sources
from tracekit.resources import grammars
from tracekit.schema import FINDINGS, check, frame


def diagnose(
    records: pd.DataFrame,
    spans: pd.DataFrame,
    operations: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    ledger: pd.DataFrame,
    events: Events,
    meanings: Mapping[str, Meaning],
    rules: Sequence[Rule],
    sources: Sources | None = None,
) -> pd.DataFrame:
    """The table of schema.FINDINGS: every finding, then one row for each rule that found nothing.

    Findings stand operation by operation, the cause of each first; `cost` is the time of the operation that the cause
    owns. A rule without a finding is `clear`, or `not enough data` with what is missing. Without `sources` the rules
    that look at text find nothing. Raises GrammarError where the file of platforms is wrong.
    """
    asked = columns_asked(rules)
    tables = Tables(records, spans, operations, jobs, commands, ledger, events, meanings, sources, asked)
    engine = Engine(tables)
    platform = platform_of(tables, load_marks(grammars() / "rules"))
    found = ranked(engine.all(rules), operations)
    advice = {one.rule.id: advice_for(one.rule, platform) for one in found}
    rows = [
        {**row_of(one), "advice": advice[one.rule.id], "evidence": lines}
        for one, lines in zip(found, evidence(found, records), strict=True)
    ]
    needs = Needs(tables)
    rows += [unfound(rule, needs) for rule in rules if rule.id not in advice]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    columns["cost"] = np.array([int(round(row["cost"], 6) * 1e9) for row in rows], dtype="m8[ns]")
    return check(frame(FINDINGS, {name: columns[name] for name in FINDINGS if name in columns}), FINDINGS, "findings")


def row_of(one: Found) -> dict[str, Any]:
    """One finding as a row, without its evidence and what to do about it."""
    span = one.longest("span") if "span" in one.rows else None
    limit = one.longest("limit")
    usual = (
        None
        if limit is None
        else f"{limit:.1f} s" + ("; four times the median of this log" if one.longest("own") else "")
    )
    words = Words(one, cost=one.cost, holder=one.holder, count=len(one.at), longest=one.longest("seconds"), usual=usual)
    return {
        "rule": one.rule.id,
        "severity": one.severity,
        "verdict": "found",
        "operation": one.operation,
        "span": None if span is None else int(span),
        "cost": one.cost,
        "title": (one.match.title or one.rule.title).format_map(words),
        "certainty": one.match.certainty or one.rule.certainty,
        "holder": one.holder,
    }


def unfound(rule: Rule, needs: Needs) -> dict[str, Any]:
    """The row of a rule that found nothing: clear, or what it would have needed."""
    lacking = needs.missing(rule)
    return {
        "rule": rule.id,
        "severity": "note",
        "verdict": "not enough data" if lacking else "clear",
        "operation": None,
        "span": None,
        "cost": 0.0,
        "title": rule.name,
        "evidence": [],
        "advice": f"To tell it needs {', '.join(lacking)}." if lacking else None,
        "certainty": None,
        "holder": None,
    }
