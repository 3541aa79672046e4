"""What the whole input says about causes, agent commands, hosts and how much ran at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.report.every import Every
from tracekit.report.log import Log
from tracekit.report.shapes import Cause, Causes, CommandTime, Concurrency, Heat, HeatMap, Step, Unfound
from tracekit.report.words import clock, count, duration, known, listed, seconds, text

MAX_COMMANDS, MAX_HOSTS, MAX_ROWS = 24, 12, 14
BINS, STRIP = 160, 48  # stretches of the concurrency strip, its pixels down
LEVELS = 5
SEVERITY = {"error": 0, "warning": 1, "note": 2}


def causes(findings: pd.DataFrame, hrefs: Mapping[str, str], log: Log) -> Causes:
    """The findings by rule, errors first, then by what they cost; then what was looked for and not found."""
    every = findings[["rule", "severity", "operation", "title", "advice", "verdict"]]
    every = every.assign(cost=np.nan_to_num(frames.lengths(findings["cost"])))
    by_verdict: dict[str, list[Any]] = {}
    for row in frames.rows(every):
        by_verdict.setdefault(row.verdict, []).append(row)
    groups: dict[str, list[Any]] = {}
    for row in by_verdict.get("found", ()):
        groups.setdefault(row.rule, []).append(row)
    made = [(_key(rows), _cause(rows, hrefs, log)) for rows in groups.values()]
    clear, unknown = (by_verdict.get(verdict, ()) for verdict in ("clear", "not enough data"))
    return Causes(
        found=tuple(cause for _, cause in sorted(made, key=lambda pair: pair[0])),
        clear=tuple(text(row.title, 120) for row in clear),
        unknown=tuple(Unfound(text(row.title, 120), text(row.advice, 200)) for row in unknown),
    )


def _key(rows: Sequence[Any]) -> tuple[int, float, str]:
    return min(SEVERITY[row.severity] for row in rows), -sum(row.cost for row in rows), rows[0].rule


def _cause(rows: Sequence[Any], hrefs: Mapping[str, str], log: Log) -> Cause:
    worst = max(rows, key=lambda row: row.cost)
    operations = {row.operation for row in rows if known(row.operation)}
    total = sum(row.cost for row in rows)
    return Cause(
        severity=min((row.severity for row in rows), key=lambda name: SEVERITY[name]),
        title=log.names.short(text(worst.title, 200)),
        operations=count(len(operations), "operation"),
        cost=duration(total) if total else "",
        href=hrefs.get(str(worst.operation), ""),
        named=text(worst.operation, 60),
    )


def command_times(commands: pd.DataFrame) -> tuple[CommandTime, ...]:
    """Per agent command of a table COMMAND_TIMES how long it took, those that took most time together first."""
    every = commands[commands["host"].isna()].head(MAX_COMMANDS)
    made = []
    for row in frames.rows(every, plain=True):
        times = [duration(_length(value)) for value in (row.median, row.p95, row.p99, row.worst, row.total)]
        failed = f"{row.failed:,}" if row.failed else ""
        made.append(CommandTime(listed(row.command), f"{row.count:,}", failed, *times))
    return tuple(made)


def _length(value: object) -> float:
    return seconds(value) or 0.0


def heat_map(commands: pd.DataFrame, log: Log) -> HeatMap | None:
    """Median time by host and command of a table COMMAND_TIMES; None for fewer than two hosts."""
    cells = frames.rows(commands[commands["host"].notna()], plain=True)
    spent: dict[str, timedelta] = {}
    of_command: dict[str, dict[str, Any]] = {}
    for row in cells:
        spent[row.host] = spent.get(row.host, timedelta(0)) + row.total
        of_command.setdefault(row.command, {})[row.host] = row
    if len(spent) < 2:
        return None
    hosts = sorted(spent, key=lambda host: (-spent[host], host))[:MAX_HOSTS]
    most = max(_length(row.median) for row in cells)
    made = tuple(
        (listed(name), tuple(_heat(row.get(host), most) for host in hosts))
        for name, row in list(of_command.items())[:MAX_ROWS]
    )
    lost = [f"{count(n, thing)} with less time left out" for n, thing in (
        (len(spent) - len(hosts), "host"), (len(of_command) - len(made), "command")) if n > 0]  # fmt: skip
    return HeatMap(tuple((log.names.short(text(host, 120)), text(host, 120)) for host in hosts), made, "; ".join(lost))


def _heat(row: Any, most: float) -> Heat:
    if row is None:
        return Heat("h0", "", "")
    value = seconds(row.median)
    if value is None:
        return Heat("h0", "failed", f"{count(row.count, 'command')} failed at once")
    level = 1 + min(int(value / most * LEVELS), LEVELS - 1) if most > 0 else 1
    mark, odd = (" ▲", "; longer than elsewhere by more than chance explains") if row.odd else ("", "")
    return Heat(f"h{level}", duration(value) + mark, f"median of {count(row.count, 'command')}{odd}")


def concurrency(every: Every) -> Concurrency | None:
    """How many operations with a job were under way in each of BINS stretches; None where none has a beginning.

    The time across is that of the overview: from the first beginning to the last end of any operation.
    """
    begun = every.begin != frames.NEVER
    rows = begun & every.with_job
    if not rows.any():
        return None
    first = int(every.begin[begun].min())
    ends = frames.instants(every.table["completed"])[rows]
    ends[ends == frames.NEVER] = every.end
    closed = begun & ~np.isnan(every.wall)
    over = every.begin[closed] + np.rint(every.wall[closed] * 1e6).astype(np.int64)
    whole = (max(int(times.max(initial=first)) for times in (over, ends)) - first) / 1e6
    if whole <= 0:
        return None
    begin = (every.begin[rows] - first) / 1e6
    stop = np.where(ends == frames.NEVER, 0, ends - first) / 1e6
    moments = np.concatenate([begin, stop])
    order = np.lexsort((np.repeat([1, 0], len(begin)), moments))
    level = np.cumsum(np.repeat([1, -1], len(begin))[order])
    edges = np.linspace(0, whole, BINS + 1)
    # Of each stretch the most that ran at once: what runs when it begins, and every change within.
    at_edge = level[np.maximum(np.searchsorted(moments[order], edges[:-1], side="right") - 1, 0)]
    place = np.clip(np.searchsorted(edges, moments[order], side="right") - 1, 0, BINS - 1)
    np.maximum.at(at_edge, place, level)
    most = int(at_edge.max())
    width = 100 / BINS
    steps = tuple(
        Step(f"{i * width:.3f}", f"{width + 0.02:.3f}", STRIP - (high := round(int(value) / most * (STRIP - 4))), high)
        for i, value in enumerate(at_edge)
        if value > 0
    )
    peak = frames.moment(first) + pd.Timedelta(seconds=float(edges[int(at_edge.argmax())])).round("ms")
    said = f"At most {count(most, 'operation')} under way at once, first at {clock(peak)}."
    return Concurrency(STRIP, steps, f"{most:,}", said)
