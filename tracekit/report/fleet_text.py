"""All operations compared, for the terminal and for machines: `tracekit operations --by`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from tracekit.fleet import Fleet
from tracekit.report.terminal import aligned, clocks, json_rows, texts, times
from tracekit.report.words import known

ODD = "stands out"
Cells = list[list[str]]  # column by column
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
    table = [head, *zip(*cells(made), strict=True)]
    return "\n".join(aligned(table, {i for i, name in enumerate(head) if name not in LEFT}))


def _group(made: pd.DataFrame) -> Cells:
    guessed = zip(made["expected"].tolist(), made["p"].tolist(), strict=True)
    counts = (_counts(made[name]) for name in ("count", "failed", "slow", "compared"))
    expected = [f"{number:.1f}" if known(p) else "-" for number, p in guessed]
    lengths = (times(made[name]) for name in ("median", "p95", "worst"))
    return [texts(made["name"]), *counts, expected, *lengths, texts(made["slowest"]), _marks(made["odd"], ODD)]


def _command(made: pd.DataFrame) -> Cells:
    hosts = [host or "all" for host in texts(made["host"])]
    counts = (_counts(made[name]) for name in ("count", "failed"))
    lengths = (times(made[name]) for name in ("median", "p95", "p99", "worst", "rest_median"))
    return [texts(made["command"]), hosts, *counts, *lengths, _marks(made["odd"], ODD)]


def _half(made: pd.DataFrame) -> Cells:
    halves = ((times(made[f"{half}_median"]), _counts(made[half])) for half in ("before", "after"))
    return [texts(made["command"]), *chain.from_iterable(halves), _marks(made["odd"], "changed")]


def _stall(made: pd.DataFrame) -> Cells:
    counts = (_counts(made[name]) for name in ("operations", "under_way"))
    return [clocks(made["start"]), times(made["duration"]), *counts, texts(made["waited"])]


def _counts(column: pd.Series[Any]) -> list[str]:
    return list(map(str, column.tolist()))


def _marks(column: pd.Series[Any], mark: str) -> list[str]:
    return [mark if odd else "" for odd in column.tolist()]


GROUP = ("name", "operations", "failed", "slow", "of", "expected", "median", "95 %", "longest", "slowest", "")
QUESTIONS: Mapping[str, tuple[tuple[str, ...], Callable[[pd.DataFrame], Cells]]] = {
    "agent-command": (
        ("command", "host", "answered", "failed", "median", "95 %", "99 %", "longest", "elsewhere", ""),
        _command,
    ),
    "half": (("command", "first half", "n", "second half", "n", ""), _half),
    "stall": (("at", "seconds", "operations", "under way", "waited for"), _stall),
}
