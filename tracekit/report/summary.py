"""The first screen: key numbers, operations by command, coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracekit.frames import quantiles, rows
from tracekit.report import glossary
from tracekit.report.every import Every
from tracekit.report.log import short_names
from tracekit.report.model import CommandStat, Coverage, Fact, QualityRow, SourceFile, Tile
from tracekit.report.verdict import BAD
from tracekit.report.words import UNKNOWN, between, clock, count, duration, known, seconds, size, stamp, text

if TYPE_CHECKING:
    from pandas import DataFrame

    from tracekit.trace import Trace

MAX_FILES = 12


def spread(values: Sequence[float]) -> tuple[str, str, str]:
    """Median, 95th percentile and largest of sorted durations, "unknown" where there are none."""
    if not values:
        return UNKNOWN, UNKNOWN, UNKNOWN
    middle, most = quantiles(values, (0.5, 0.95))
    return duration(middle), duration(most), duration(values[-1])


def tiles(every: Every) -> tuple[Tile, ...]:
    """The key numbers."""
    status = Counter(every.status)
    median, p95, longest = spread(every.walls())
    others = ", ".join(f"{status[name]:,} {name}" for name in BAD[1:] if status[name])
    css = "bad" if status["failed"] else "" if others else "good"
    (slowest,) = every.rows([int(np.nan_to_num(every.wall).argmax())], "operation", "command")
    return (
        Tile("operations", f"{len(every.status):,}", f"{int(every.with_job.sum()):,} with a job"),
        Tile("failed", f"{status['failed']:,}", others or "all others ended", css),
        Tile("median", median, f"95 % within {p95}"),
        Tile("slowest", longest, f"{text(slowest.operation, 40)} {text(slowest.command, 40)}"),
    )


def stats(groups: DataFrame) -> tuple[CommandStat, ...]:
    """Per API command of a table GROUPS, those that took most time together first."""
    return tuple(_stat(row) for row in rows(groups[groups["by"] == "command"], plain=True))


def _stat(row: Any) -> CommandStat:
    values = [seconds(value) for value in (row.median, row.p95, row.worst)]
    spread = [UNKNOWN if value is None else duration(value) for value in values]
    return CommandStat(text(row.name, 60), f"{row.count:,}", f"{row.failed:,}" if row.failed else "", *spread)


def coverage(trace: Trace) -> Coverage:
    """What was read and how much of it was understood."""
    records, files = trace.records, trace.meta.files
    recognised = int(records["event"].notna().sum())
    share = f"{recognised / len(records) * 100:.1f} %" if len(records) else UNKNOWN
    first, last = (records["ts"].min(), records["ts"].max()) if len(records) else (None, None)
    names = file_names(files)
    window = f"{stamp(first)} to {_end(first, last)}"
    lines = int(records["lines"].sum())
    sizes = f"{count(lines, 'line')}, {count(len(records), 'record')}, {share} recognised"
    levels = Counter({str(name): int(number) for name, number in records["level"].value_counts().items() if number})
    return Coverage(
        sentence=f"{names[0] if len(names) == 1 else count(len(names), 'file')}, {window}: {sizes}",
        files=tuple(_file(file, name) for file, name in zip(files[:MAX_FILES], names, strict=False)),
        files_left_out=f"{count(len(files) - MAX_FILES, 'more file')} read" if len(files) > MAX_FILES else "",
        facts=(
            Fact("time", f"{window} ({duration(between(first, last))})"),
            Fact("lines", f"{lines:,} in {count(len(records), 'record')}"),
            Fact("recognised", f"{share} of the records"),
            Fact("levels", ", ".join(f"{text(name)} {number:,}" for name, number in levels.most_common()) or UNKNOWN),
            Fact("dialect", ", ".join(sorted({_dialect(file) for file in files})) or UNKNOWN),
        ),
        quality=tuple(_counter(row) for row in rows(trace.quality)),
        unknown=glossary.unknown(trace.unknown),
        entities=glossary.entities(trace.entities),
    )


def file_names(files: Sequence[Any]) -> list[str]:
    """Paths of files as the page shows them."""
    return short_names([str(file.path) for file in files])


def _file(file: Any, name: str) -> SourceFile:
    return SourceFile(
        name, size(int(file.size)), f"{int(file.lines):,}", stamp(file.first), stamp(file.last), _dialect(file)
    )


def _dialect(file: Any) -> str:
    return text(file.title) or text(file.dialect) or UNKNOWN


def _counter(row: Any) -> QualityRow:
    return QualityRow(
        str(row.severity), text(row.counter, 120), f"{row.count:,}", text(row.where, 120), text(row.example, 160)
    )


def _end(first: object, last: object) -> str:
    same_day = known(first) and known(last) and f"{first:%Y%m%d}" == f"{last:%Y%m%d}"
    return clock(last) if same_day else stamp(last)
