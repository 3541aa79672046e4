"""The first screen: verdict, key numbers, the ten answers, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.report import ledger as ledgers
from tracekit.report.log import Log, short_names
from tracekit.report.model import Answer, CommandStat, Coverage, Fact, QualityRow, SourceFile, Tile
from tracekit.report.verdict import BAD, subject
from tracekit.report.words import (
    UNKNOWN,
    between,
    clock,
    count,
    duration,
    known,
    seconds,
    size,
    stamp,
    text,
    words,
)

if TYPE_CHECKING:
    from tracekit.trace import Trace

MAX_FILES = 12
MAX_STATS = 6
WAITING = ("queue", "executor", "lock")
SILENCE = 0.5  # seconds without a line, in several operations at once, from which on it is told
ENOUGH = 3  # operations of one command, to call one of them slow compared with the rest


def walls(operations: pd.DataFrame) -> pd.Series:
    """Wall times in seconds, NaN where unknown."""
    return operations["wall"].dt.total_seconds()


def tiles(operations: pd.DataFrame) -> tuple[Tile, ...]:
    """The key numbers."""
    status = operations["status"].astype("str")
    bad = {name: int((status == name).sum()) for name in BAD}
    wall = walls(operations).dropna()
    median, p95 = (wall.quantile(0.5), wall.quantile(0.95)) if len(wall) else (None, None)
    unfinished = ", ".join(f"{bad[name]} {name}" for name in ("unfinished", "cancelled") if bad[name]) or "all others ended"
    slowest = operations.loc[wall.idxmax()] if len(wall) else None
    return (
        Tile("operations", f"{len(operations):,}", f"{int(operations['job'].notna().sum()):,} with a job"),
        Tile("failed", f"{bad['failed']:,}", unfinished, "bad" if bad["failed"] or bad["unfinished"] else "good"),
        Tile("median", duration(median), f"95 % within {duration(p95)}"),
        Tile("slowest", duration(wall.max()) if len(wall) else UNKNOWN,
             f"{text(slowest.operation, 40)} {text(slowest.command, 40)}" if slowest is not None else ""),
    )  # fmt: skip


def stats(operations: pd.DataFrame) -> tuple[CommandStat, ...]:
    """Per API command, those that took most time together first."""
    table = operations.assign(seconds=walls(operations), named=operations["command"].fillna("unknown command"))
    rows = []
    for name, group in table.groupby("named"):
        wall = group["seconds"].dropna()
        failed = int(group["status"].astype("str").isin(BAD).sum())
        rows.append((-float(wall.sum()), str(name), len(group), failed, wall))
    rows.sort(key=lambda row: row[:2])
    return tuple(
        CommandStat(
            text(name, 60),
            f"{number:,}",
            f"{failed:,}" if failed else "",
            *(duration(float(value)) for value in (wall.quantile(0.5), wall.quantile(0.95), wall.max())),
        )
        if len(wall)
        else CommandStat(text(name, 60), f"{number:,}", f"{failed:,}" if failed else "", UNKNOWN, UNKNOWN, UNKNOWN)
        for _, name, number, failed, wall in rows
    )


def coverage(trace: Trace, log: Log) -> Coverage:
    """What was read and how much of it was understood."""
    records = trace.records
    meta = trace.meta
    lines = int(records["lines"].sum())
    recognised = int(records["event"].notna().sum())
    share = f"{recognised / len(records) * 100:.1f} %" if len(records) else UNKNOWN
    first, last = (records["ts"].min(), records["ts"].max()) if len(records) else (None, None)
    levels = records["level"].astype("str").value_counts()
    dialects = sorted({text(file.dialect) for file in meta.files if known(file.dialect)})
    files = tuple(
        SourceFile(
            path=name,
            size=size(int(file.bytes)),
            lines=f"{int(file.lines):,}",
            first=stamp(file.first),
            last=stamp(file.last),
            dialect=text(file.dialect) or UNKNOWN,
        )
        for file, name in zip(meta.files, file_names(meta.files), strict=True)
    )
    about = files[0].path if len(files) == 1 else count(len(files), "file")
    sentence = f"{about}, {stamp(first)} to {_end(first, last)}: {count(lines, 'line')}, {count(len(records), 'record')}, {share} recognised"
    level_text = ", ".join(f"{name} {number:,}" for name, number in sorted(levels.items(), key=lambda item: (-item[1], item[0])))
    return Coverage(
        sentence=sentence,
        files=files[:MAX_FILES],
        files_left_out=f"{count(len(files) - MAX_FILES, 'more file')} read" if len(files) > MAX_FILES else "",
        facts=(
            Fact("time", f"{stamp(first)} – {_end(first, last)} ({duration(between(first, last))})"),
            Fact("lines", f"{lines:,} in {count(len(records), 'record')}"),
            Fact("recognised", f"{share} of the records"),
            Fact("levels", text(level_text) or UNKNOWN),
            Fact("dialect", ", ".join(dialects) or UNKNOWN),
        ),
        quality=tuple(
            QualityRow(str(row.severity), text(row.counter, 120), f"{row.count_:,}", text(row.where, 120), text(row.example, 160))
            for row in trace.quality.rename(columns={"count": "count_"}).itertuples()
        ),
    )


def file_names(files: Sequence[Any]) -> list[str]:
    """Paths as the page shows them."""
    from tracekit.report.log import short_names

    return short_names([str(file.path) for file in files])


def answers(
    trace: Trace, worst: Any, ledger: pd.DataFrame, log: Log, covered: Coverage, href: str
) -> tuple[Answer, ...]:
    """The ten questions, in order; `worst` is the operation of the verdict and `ledger` its rows."""
    return (
        Answer("What is covered?", covered.sentence, covered.facts[-1].value),
        _how_many(trace.operations),
        _compared(trace.operations, worst, href),
        _where_went(ledger, href),
        _longest_step(ledger, trace.commands, log),
        _waited(ledger),
        _first_bad(worst, log),
        _hosts(trace.commands),
        _stalled(trace.ledger),
        Answer(
            "How do I see it myself?",
            f"tracekit lines LOG {text(worst.operation, 60)}",
            "values of passwords, keys, signatures, session keys and tokens are masked as ***",
        ),
    )


def _end(first: object, last: object) -> str:
    same_day = known(first) and known(last) and f"{first:%Y%m%d}" == f"{last:%Y%m%d}"
    return clock(last) if same_day else stamp(last)


def _how_many(operations: pd.DataFrame) -> Answer:
    status = operations["status"].astype("str").value_counts()
    ended = ", ".join(f"{status[name]:,} {name}" for name in ("succeeded", *BAD, "unknown") if name in status)
    wall = walls(operations).dropna()
    spread = (
        f"median {duration(wall.quantile(0.5))}, 95 % within {duration(wall.quantile(0.95))}, longest {duration(wall.max())}"
        if len(wall)
        else "no wall time is known"
    )
    return Answer("How many, how long, how many failed?", f"{count(len(operations), 'operation')}: {ended}", spread)


def _compared(operations: pd.DataFrame, worst: Any, href: str) -> Answer:
    question = "Is it slow compared with the rest?"
    wall = seconds(worst.wall)
    command = worst.command
    if wall is None or not known(command):
        return Answer(question, "unknown: its wall time or its command is not in the log")
    others = walls(operations[(operations["command"] == command) & (operations["operation"] != worst.operation)]).dropna()
    if len(others) < ENOUGH:
        return Answer(question, f"too few other {text(command, 60)} to tell ({len(others)})")
    median = float(others.quantile(0.5))
    slower = int((others >= wall).sum())
    factor = f"{wall / median:.1f} times the median" if median > 0 else "the median is 0"
    rank = "the slowest" if slower == 0 else f"{slower} took as long or longer"
    return Answer(question, f"{factor} of {len(others)} other {text(command, 60)} ({duration(median)})", rank, href)


def _where_went(ledger: pd.DataFrame, href: str) -> Answer:
    question = "Where did its time go?"
    lengths = [seconds(value) or 0.0 for value in ledger["end"] - ledger["start"]]
    shares = ledgers.sums([str(value) for value in ledger["category"]], lengths)
    if not shares or sum(lengths) <= 0:
        return Answer(question, "unknown: beginning or end is not in the log")
    said = sorted(shares, key=lambda share: -float(share.percent.split()[0]))
    return Answer(question, ", ".join(f"{share.label} {share.percent}" for share in said), "adds up to 100 % of its wall time", href)


def _longest_step(ledger: pd.DataFrame, commands: pd.DataFrame, log: Log) -> Answer:
    question = "Which single step is the longest?"
    if not len(ledger):
        return Answer(question, "unknown")
    row: Any = ledger.iloc[int((ledger["end"] - ledger["start"]).argmax())]
    took = duration(between(row.start, row.end))
    owner = text(row.owner, 120) or str(row.category)
    host = commands.loc[commands["span"] == row.span, "host_name"].dropna() if known(row.span) else []
    at = f" on {text(host.iloc[0], 60)}" if len(host) and text(host.iloc[0], 60) not in owner else ""
    return Answer(question, f"{owner}{at}: {took} ({row.category})", log.span(row.first_record, row.last_record))


def _waited(ledger: pd.DataFrame) -> Answer:
    question = "Did it wait its turn, behind what?"
    if not len(ledger):
        return Answer(question, "unknown")
    waits = ledger[ledger["category"].astype("str").isin(WAITING)]
    if not len(waits):
        return Answer(question, "no wait in a queue, for a thread or for a lock is logged")
    sums: dict[str, float] = {}
    for row in waits.itertuples():
        owner = text(row.owner, 100) or str(row.category)
        sums[owner] = sums.get(owner, 0.0) + (between(row.start, row.end) or 0.0)
    total = duration(sum(sums.values()))
    longest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:2]
    return Answer(question, f"yes, {total}: " + "; ".join(f"{owner} {duration(value)}" for owner, value in longest))


def _first_bad(worst: Any, log: Log) -> Answer:
    question = "What is its first warning or error?"
    record = log.first_bad(str(worst.operation))
    if record is None:
        return Answer(question, "none: no line of it is at WARN or above")
    line = log.line(record, 160)
    return Answer(question, f"{line.level} {line.text}", f"{line.where} at {line.time}")


def _hosts(commands: pd.DataFrame) -> Answer:
    question = "Is one host behind it?"
    took = (commands["answered"].fillna(commands["received"]) - commands["sent"]).dt.total_seconds()
    by_host = took.groupby(commands["host_name"]).agg(["sum", "count", "median"])
    by_host = by_host[by_host["count"] > 0].sort_values("sum", ascending=False, kind="stable")
    if not len(by_host):
        return Answer(question, "unknown: no answered command names its host")
    total = float(by_host["sum"].sum())
    if len(by_host) == 1:
        return Answer(question, f"only {text(by_host.index[0], 60)} answered commands: {duration(total)}")
    top = by_host.iloc[0]
    part = f"{top['sum'] / total * 100:.0f} %" if total else "0 %"
    said = f"{text(by_host.index[0], 60)} has {part} of the agent time, {count(int(top['count']), 'command')} of {int(by_host['count'].sum()):,}"
    medians = f"median {duration(float(top['median']))} a command, the others {duration(float(by_host['median'].iloc[1:].median()))}"
    return Answer(question, said, medians)


def _stalled(ledger: pd.DataFrame) -> Answer:
    """The longest moment in which most operations were silent together."""
    question = "Did many stand still at one instant?"
    length = (ledger["end"] - ledger["start"]).dt.total_seconds()
    silent = ledger[(ledger["category"].astype("str") == "unlogged") & (length >= SILENCE)]
    moments = sorted([(row.start, 1) for row in silent.itertuples()] + [(row.end, -1) for row in silent.itertuples()])
    level = most = 0
    since = until = None
    for moment, step in moments:
        if level == most and most > 1 and until is None:
            until = moment
        level += step
        if level > most:
            most, since, until = level, moment, None
    if most < 2:
        return Answer(question, f"no two operations were silent together for {duration(SILENCE)} or more each")
    return Answer(question, f"{most} operations were silent together for {duration(between(since, until))} at {clock(since)}")
