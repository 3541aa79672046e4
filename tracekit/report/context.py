"""From the tables of a trace to everything that the page says, so that templates compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tracekit import frames
from tracekit.fleet import Fleet, fleet
from tracekit.report import answers, figures, fleet as compared, ledger, overall, summary, topology, verdict
from tracekit.report.figures import Point
from tracekit.report.log import Log
from tracekit.report.model import Answer, Coverage, Overview, PageContext, Row, Table, Verdict
from tracekit.report.operation import BRIEF, FULL, Parts, Splitter, anchor, detail, doubts
from tracekit.report.scale import stacked
from tracekit.report.shapes import Segment
from tracekit.report.words import clock, count, duration, known, seconds, text, words

if TYPE_CHECKING:
    from tracekit.trace import Trace

MASKED = (
    "Values of passwords, API and secret keys, signatures, session keys and tokens are masked as ***. "
    "Names and addresses are not masked."
)
MAX_ROWS = 3000  # operations in the table, the worst; a browser takes seconds for ten thousand
AT_LENGTH = 4  # operations, the worst ones, that are shown with all limits wide
EMPTY = "No operation was found: the log has no API request and no job."


REDACTED = (
    "Redacted: secrets are ***; addresses, MAC addresses, UUIDs and names of hosts, accounts, users and VMs are "
    "stand-ins, the same everywhere. Ids of the database and names made of them (i-2-3-VM) are not."
)


def from_trace(trace: Trace, top: int = 20, *, redacted: bool = False) -> PageContext:
    """The page's context. At most `top` operations are shown in full: failed and slow ones in turn.

    `redacted` says that the trace is one of a log with stand-ins.
    """
    log = Log(trace)
    rows = frames.rows(trace.operations)
    end_of_log = trace.records["ts"].max() if len(trace.records) else None
    order = verdict.ranked(rows, end_of_log)
    full = order[: max(top, 0)]
    splitter = Splitter(trace, (str(rows[i].operation) for i in (*full, *order[:1])))
    hrefs = {str(rows[i].operation): f"#{anchor(str(rows[i].operation))}" for i in full}
    covered = summary.coverage(trace)
    common: dict[str, Any] = {
        "title": " · ".join(text(name, 80) for name in summary.file_names(trace.meta.files)[:3]),
        "generator": f"tracekit {trace.meta.version}",
        "coverage": covered,
        "legend": words().categories,
        "masking": REDACTED if redacted else MASKED,
    }
    if not order:
        empty = Verdict(EMPTY, "unknown", "", (), (), "")
        return PageContext(
            verdict=empty, tiles=(), answers=(), overview=None, stats=(), table=Table((), ""), details=(), **common
        )
    worst = rows[order[0]]
    worst_parts = splitter.parts(str(worst.operation))
    href = hrefs.get(str(worst.operation), "")
    made = fleet(trace)
    return PageContext(
        verdict=_verdict(worst, worst_parts, log, href, end_of_log),
        tiles=summary.tiles(rows),
        answers=tuple(
            answer._replace(answer=log.names.short(answer.answer), note=log.names.short(answer.note))
            for answer in _answers(rows, worst, worst_parts, covered, log, href, trace, made)
        ),
        overview=_overview(rows, hrefs, end_of_log),
        causes=overall.causes(frames.rows(trace.findings), hrefs, log),
        command_times=overall.command_times(made.commands),
        heat=overall.heat_map(made.commands, log),
        concurrency=overall.concurrency(rows, end_of_log),
        topology=topology.view(trace, log),
        fleet=compared.view(made, hrefs, log),
        stats=summary.stats(made.groups),
        table=_table([rows[i] for i in sorted(order[:MAX_ROWS])], len(rows), trace.ledger, hrefs),
        details=tuple(
            detail(rows[i], splitter.parts(str(rows[i].operation)), log, end_of_log, FULL if n < AT_LENGTH else BRIEF)
            for n, i in enumerate(full)
        ),
        **common,
    )


def _answers(
    rows: Sequence[Any], worst: Any, parts: Parts, covered: Coverage, log: Log, href: str,
    trace: Trace, made: Fleet,
) -> tuple[Answer, ...]:  # fmt: skip
    return (
        answers.covered(covered),
        answers.how_many(rows),
        answers.compared(rows, worst, href),
        answers.where_went(parts.ledger, href),
        answers.longest_step(parts.ledger, parts.commands, log),
        answers.waited(parts.ledger),
        answers.first_bad(worst, log),
        answers.hosts(frames.rows(trace.commands), compared.slow_hosts(made.commands)),
        answers.stalled([compared.stood_still(row) for row in frames.rows(made.stalls)]),
        answers.see_it(worst),
    )


def _verdict(worst: Any, parts: Parts, log: Log, href: str, end_of_log: object) -> Verdict:
    split = ledger.view(parts.ledger, log, 0)
    return Verdict(
        sentence=verdict.sentence(worst, ledger.within(parts.ledger), parts.commands, parts.findings, end_of_log, log),
        status=str(worst.status),
        href=href,
        segments=split.segments if split else (),
        shares=split.shares if split else (),
        total=split.total if split else "",
    )


def _table(rows: Sequence[Any], total: int, intervals: pd.DataFrame, hrefs: dict[str, str]) -> Table:
    """Operations in the order in which they were submitted, those without a time last; `total` with those left out."""
    bars = _bars(intervals)
    ordered = sorted(
        rows, key=lambda row: (not known(row.submitted), row.submitted if known(row.submitted) else row.Index)
    )
    lost = total - len(rows)
    said = "All" if not lost else f"The worst {len(rows):,} of"
    caption = f"{said} {count(total, 'operation')} in the order in which they were submitted"
    caption += "; tracekit operations LOG lists all, --since, --vm and other options fewer" if lost else ""
    note = (
        f"{len(hrefs):,} of {count(total, 'operation')} are shown in full, failed and slow ones first; "
        f"--top {total} shows all, tracekit tree and tracekit lines show any of them in the terminal."
    )
    return Table(tuple(_row(row, bars, hrefs) for row in ordered), note if len(hrefs) < total else "", caption)


def _bars(ledger_table: pd.DataFrame) -> dict[str, tuple[Segment, ...]]:
    """The stacked bar of every operation; added up as columns, because a large log has 100,000 intervals."""
    kept = ledger_table[ledger_table["category"] != ledger.AFTER]
    took = (kept["end"] - kept["start"]).dt.total_seconds()
    sums = took.groupby([kept["operation"], kept["category"].astype("object")], sort=False).sum()
    parts: dict[str, list[tuple[str, float]]] = {}
    names = (sums.index.get_level_values(level) for level in (0, 1))
    for operation, category, value in zip(*names, sums, strict=True):
        parts.setdefault(str(operation), []).append((str(category), float(value)))
    return {operation: stacked(items) for operation, items in parts.items()}


def _row(row: Any, bars: dict[str, tuple[Segment, ...]], hrefs: dict[str, str]) -> Row:
    times = [seconds(value) for value in (row.sync, row.queue, row.run, row.wall)]
    said = [duration(value) if value is not None else "" for value in times]
    return Row(
        operation=text(row.operation, 60),
        href=hrefs.get(str(row.operation), ""),
        command=text(row.command, 80) or "unknown",
        entity=text(row.entity, 60),
        account=text(row.account, 60),
        submitted=clock(row.submitted),
        sync=said[0],
        queue=said[1],
        run=said[2],
        wall=said[3] or "unknown",
        segments=bars.get(str(row.operation), ()),
        status=str(row.status),
        error=text(row.error, 160),
        doubts="; ".join(doubts(row)),
    )


def _overview(rows: Sequence[Any], hrefs: dict[str, str], end_of_log: object) -> Overview | None:
    return figures.overview(
        [
            Point(
                operation=text(row.operation, 60),
                href=hrefs.get(str(row.operation), ""),
                label=" ".join(part for part in (text(row.command, 60), text(row.entity, 60)) if part),
                status=str(row.status),
                start=row.submitted,
                seconds=verdict.elapsed(row, end_of_log),
            )
            for row in rows
            if known(row.submitted) and (known(row.wall) or str(row.status) == "unfinished")
        ]
    )
