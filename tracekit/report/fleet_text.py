"""All operations compared, for the terminal and for machines: `tracekit operations --by`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from tracekit.fleet import Fleet
from tracekit.frames import rows
from tracekit.report.terminal import aligned, clock, json_rows, seconds, text
from tracekit.report.words import known

ODD = "stands out"
LEFT = ("name", "command", "host", "waited for", "slowest", "")  # columns of text


def rows_by(made: Fleet, by: str) -> pd.DataFrame:
    """The rows of one question: a table of schema.py, of GROUPS those of one `by`."""
    tables = {"agent-command": made.commands, "half": made.changes, "stall": made.stalls}
    return tables[by] if by in tables else made.groups[made.groups["by"] == by]


def fleet_json(made: pd.DataFrame) -> str:
    """Rows for machines: ISO times, durations in milliseconds, null for what is not known."""
    return json.dumps(json_rows(made), indent=1, ensure_ascii=False)


def fleet_table(made: pd.DataFrame, by: str) -> str:
    """Rows as aligned columns, what stands out marked at their end."""
    head, cells = QUESTIONS.get(by, (GROUP, _group))
    columns = [head, *(cells(row) for row in rows(made))]
    return "\n".join(aligned(columns, {i for i, name in enumerate(head) if name not in LEFT}))


def _group(row: Any) -> tuple[str, ...]:
    expected = f"{row.expected:.1f}" if known(row.p) else "-"
    counts = (f"{row.count}", f"{row.failed}", f"{row.slow}", f"{row.compared}", expected)
    lengths = (seconds(row.median), seconds(row.p95), seconds(row.worst))
    return (text(row.name), *counts, *lengths, text(row.slowest), ODD if row.odd else "")


def _command(row: Any) -> tuple[str, ...]:
    host = text(row.host) if known(row.host) else "all"
    lengths = map(seconds, (row.median, row.p95, row.p99, row.worst, row.rest_median))
    return (text(row.command), host, f"{row.count}", f"{row.failed}", *lengths, ODD if row.odd else "")


def _half(row: Any) -> tuple[str, ...]:
    before, after = (seconds(row.before_median), f"{row.before}"), (seconds(row.after_median), f"{row.after}")
    return (text(row.command), *before, *after, "changed" if row.odd else "")


def _stall(row: Any) -> tuple[str, ...]:
    return (clock(row.start), seconds(row.duration), f"{row.operations}", f"{row.under_way}", text(row.waited))


GROUP = ("name", "operations", "failed", "slow", "of", "expected", "median", "95 %", "longest", "slowest", "")
QUESTIONS: Mapping[str, tuple[tuple[str, ...], Callable[[Any], tuple[str, ...]]]] = {
    "agent-command": (
        ("command", "host", "answered", "failed", "median", "95 %", "99 %", "longest", "elsewhere", ""),
        _command,
    ),
    "half": (("command", "first half", "n", "second half", "n", ""), _half),
    "stall": (("at", "seconds", "operations", "under way", "waited for"), _stall),
}
