"""From the tables of a trace to everything that the page says, so that templates compute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.fleet import Fleet, fleet
from tracekit.report import answers, figures, fleet as compared, ledger, machines, overall, summary, topology, verdict
from tracekit.report.boxes import Topology
from tracekit.report.every import Every
from tracekit.report.figures import Point, Reach
from tracekit.report.log import Log
from tracekit.report.machines import Host
from tracekit.report.model import Answer, Coverage, Detail, Overview, PageContext, Row, Table, Verdict
from tracekit.report.operation import BRIEF, FULL, anchor, detail, doubts, long_axis
from tracekit.report.parts import Parts, Splitter
from tracekit.report.scale import stacked
from tracekit.report.shapes import Segment
from tracekit.report.words import clock, count, duration, seconds, text, words

if TYPE_CHECKING:
    from tracekit.trace import Trace

MASKED = (
    "Values of passwords, API and secret keys, signatures, session keys and tokens are masked as ***. "
    "Names and addresses are not masked."
)
MAX_ROWS = 3000  # operations in the table, the worst; a browser takes seconds for ten thousand
AT_LENGTH = 4  # operations, the worst ones, that are shown with all limits wide
SHOWN = (
    *("operation", "command", "entity", "account", "submitted", "sync", "queue", "run", "wall", "status", "error"),
    "doubts",
)  # columns of the table of operations
EMPTY = "No operation was found: the log has no API request and no job."


REDACTED = (
    "Redacted: secrets are ***; addresses, MAC addresses, UUIDs and names of hosts, accounts, users and VMs are "
    "stand-ins, the same everywhere. Ids of the database and names made of them (i-2-3-VM) are not."
)


class Basis(NamedTuple):
    """What the page is made of: a trace, and which of its operations are shown in full.

    The findings, which a fork may still be looking for, are asked for by `judged` and `detail`, and nothing else.
    """

    trace: Trace
    log: Log
    end_of_log: pd.Timestamp | None
    every: Every
    order: Sequence[int]  # places of all operations, failed and slow ones first
    full: Sequence[Any]  # rows of those that are shown in full
    worst: Any  # the row of the first; None where there is none
    compared: Fleet
    hosts: Mapping[str, Host]
    topology: Topology | None
    splitter: Splitter

    @classmethod
    def of(cls, trace: Trace, top: int) -> Self:
        """At most `top` operations are shown in full: failed and slow ones in turn."""
        end_of_log = trace.records["ts"].max() if len(trace.records) else None
        every = Every.of(trace.operations, end_of_log)
        order = verdict.ranked(every)
        full = every.rows(order[: max(top, 0)])
        worst = next(iter(full or every.rows(order[:1])), None)
        log, compared = Log(trace), fleet(trace)
        hosts = machines.hosts_of(trace.commands)
        drawn = topology.view(trace, hosts, log)
        splitter = Splitter(trace, (str(row.operation) for row in (*full, worst) if row))
        return cls(trace, log, end_of_log, every, order, full, worst, compared, hosts, drawn, splitter)

    @property
    def hrefs(self) -> dict[str, str]:
        """Where operations are shown in full."""
        return {str(row.operation): f"#{anchor(str(row.operation))}" for row in self.full}

    def detail(self, number: int) -> Detail:
        """One of the operations that are shown in full."""
        row, limits = self.full[number], FULL if number < AT_LENGTH else BRIEF
        return detail(row, self.splitter, self.log, self.end_of_log, limits)

    def needs_canvas(self) -> bool:
        """Whether one of them has so many spans that a script draws them."""
        return any(long_axis(row, self.splitter.parts(str(row.operation))) for row in self.full)

    def judged(self, page: PageContext) -> PageContext:
        """The page with what the findings say: its first sentence, and what causes there are."""
        if self.worst is None:
            return page
        name = str(self.worst.operation)
        parts, found = self.splitter.parts(name), self.splitter.findings(name)
        within = ledger.within(parts.ledger)
        said = verdict.sentence(self.worst, within, parts.commands, found, self.end_of_log, self.log)
        causes = overall.causes(self.trace.findings, self.hrefs, self.log)
        return page._replace(verdict=page.verdict._replace(sentence=said), causes=causes)

    def page(self, *, redacted: bool = False) -> PageContext:
        """Everything that the page says but for the findings and the operations in full."""
        trace, log, every = self.trace, self.log, self.every
        covered = summary.coverage(trace)
        common: dict[str, Any] = {
            "title": " · ".join(text(name, 80) for name in summary.file_names(trace.meta.files)[:3]),
            "generator": f"tracekit {trace.meta.version}",
            "coverage": covered,
            "legend": words().categories,
            "masking": REDACTED if redacted else MASKED,
        }
        if self.worst is None:
            empty = Verdict(EMPTY, "unknown", "", (), (), "")
            return PageContext(
                verdict=empty, tiles=(), answers=(), overview=None, stats=(), table=Table((), ""), **common
            )
        hrefs = self.hrefs
        parts = self.splitter.parts(str(self.worst.operation))
        href = hrefs.get(str(self.worst.operation), "")
        made = self.compared
        said = _answers(every, self.worst, parts, covered, log, href, self.hosts, made)
        short = log.names.short
        return PageContext(
            verdict=_verdict(self.worst, parts, log, href),
            tiles=summary.tiles(every),
            answers=tuple(one._replace(answer=short(one.answer), note=short(one.note)) for one in said),
            overview=_overview(every, hrefs),
            command_times=overall.command_times(made.commands),
            heat=overall.heat_map(made.commands, log),
            concurrency=overall.concurrency(every),
            topology=self.topology,
            fleet=compared.view(made, hrefs, log),
            stats=summary.stats(made.groups),
            table=_table(every, self.order[:MAX_ROWS], trace.ledger, hrefs),
            in_full=tuple(hrefs.values()),
            **common,
        )


def from_trace(trace: Trace, top: int = 20, *, redacted: bool = False) -> PageContext:
    """The page's context. At most `top` operations are shown in full: failed and slow ones in turn.

    `redacted` says that the trace is one of a log with stand-ins.
    """
    basis = Basis.of(trace, top)
    details = tuple(map(basis.detail, range(len(basis.full))))
    return basis.judged(basis.page(redacted=redacted))._replace(details=details)


def _answers(
    every: Every, worst: Any, parts: Parts, covered: Coverage, log: Log, href: str,
    hosts: Mapping[str, Host], made: Fleet,
) -> tuple[Answer, ...]:  # fmt: skip
    return (
        answers.covered(covered),
        answers.how_many(every),
        answers.compared(every, worst, href),
        answers.where_went(parts.ledger, href),
        answers.longest_step(parts.ledger, parts.commands, log),
        answers.waited(parts.ledger),
        answers.first_bad(worst, log),
        answers.hosts(hosts.values(), compared.slow_hosts(made.commands)),
        answers.stalled([compared.stood_still(row) for row in frames.rows(made.stalls, plain=True)]),
        answers.see_it(worst),
    )


def _verdict(worst: Any, parts: Parts, log: Log, href: str) -> Verdict:
    split = ledger.view(parts.ledger, log, 0)
    return Verdict(
        sentence="",  # the findings say it
        status=str(worst.status),
        href=href,
        segments=split.segments if split else (),
        shares=split.shares if split else (),
        total=split.total if split else "",
    )


def _table(every: Every, worst: Sequence[int], intervals: pd.DataFrame, hrefs: Mapping[str, str]) -> Table:
    """Operations in the order in which they were submitted, those without a time last; `worst` are the places of some.

    What is said of their number counts all.
    """
    places = np.sort(np.asarray(worst))
    begin = every.begin[places]
    places = places[np.lexsort((begin, begin == frames.NEVER))]
    rows, total = every.rows(places, *SHOWN), len(every.status)
    bars = _bars(intervals, [row.operation for row in rows])
    said = "All" if len(rows) == total else f"The worst {len(rows):,} of"
    caption = f"{said} {count(total, 'operation')} in the order in which they were submitted"
    caption += "; tracekit operations LOG lists all, --since, --vm and other options fewer" if len(rows) < total else ""
    note = (
        f"{len(hrefs):,} of {count(total, 'operation')} are shown in full, failed and slow ones first; "
        f"--top {total} shows all, tracekit tree and tracekit lines show any of them in the terminal."
    )
    shown = tuple(_row(row, bar, hrefs) for row, bar in zip(rows, bars, strict=True))
    return Table(shown, note if len(hrefs) < total else "", caption)


def _bars(intervals: pd.DataFrame, operations: Sequence[str]) -> list[tuple[Segment, ...]]:
    """The stacked bar of each operation; added up as columns, because a large log has a million intervals."""
    names = [str(name) for name in intervals["category"].cat.categories]
    place = frames.places(intervals["operation"], operations)
    at = np.flatnonzero((place >= 0) & (intervals["category"] != ledger.AFTER).to_numpy())
    cell = place[at] * len(names) + intervals["category"].cat.codes.to_numpy()[at]
    took = frames.instants(intervals["end"])[at] - frames.instants(intervals["start"])[at]
    parts: list[list[tuple[str, float]]] = [[] for _ in operations]
    added = pd.Series(took).groupby(cell, sort=False).sum()
    for number, value in zip(added.index.tolist(), added.tolist(), strict=True):
        parts[number // len(names)].append((names[number % len(names)], value / 1e6))
    return list(map(stacked, parts))


def _row(row: Any, segments: tuple[Segment, ...], hrefs: Mapping[str, str]) -> Row:
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
        segments=segments,
        split=", ".join(segment.title for segment in segments),
        status=str(row.status),
        error=text(row.error, 160),
        doubts="; ".join(doubts(row)),
    )


def _overview(every: Every, hrefs: Mapping[str, str]) -> Overview | None:
    """The longest operations of those whose beginning is known, and how far all of them reach."""
    begun = every.begin != frames.NEVER
    there = np.flatnonzero(begun & (~np.isnan(every.wall) | every.among(["unfinished"])))
    if not there.size:
        return None
    took, names = every.elapsed[there], every.table["operation"].to_numpy(dtype=object)[there]
    longest = there[sorted(range(len(there)), key=lambda i: (-took[i], names[i]))[: figures.MAX_POINTS]]
    points = [
        Point.of(
            operation=text(row.operation, 60),
            href=hrefs.get(str(row.operation), ""),
            label=" ".join(part for part in (text(row.command, 60), text(row.entity, 60)) if part),
            status=row.status,
            begin=begin,
            seconds=seconds,
        )
        for row, begin, seconds in zip(
            every.rows(longest, "operation", "command", "entity", "status"),
            every.begin[longest].tolist(),
            every.elapsed[longest].tolist(),
            strict=True,
        )
    ]
    ends = every.begin[there] + np.rint(took * 1e6).astype(np.int64)
    reach = Reach(
        len(there),
        frames.moment(int(every.begin[there].min())),
        frames.moment(int(ends.max())),
        float(took.min()),
        float(took.max()),
    )
    return figures.overview(points, reach)
