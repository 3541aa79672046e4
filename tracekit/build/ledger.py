"""The ledger: every instant of an operation's wall time with exactly one owner.

Everything that could own a stretch of time makes a *claim*: commands that are out, queues, hand-overs, and each pair
of consecutive lines of the operation's threads. Where claims overlap the category that stands first in
schema.CATEGORIES wins; where there is none, the stretch is *unlogged* with the lines around it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.build.model import Gap, Model
from tracekit.build.tree import Lines, Tree
from tracekit.frames import rows
from tracekit.parse.grammar import Meaning
from tracekit.schema import CATEGORIES, LEDGER, check, frame

QUIET = 10_000  # microseconds between two lines of a thread that need no explanation
RANK: Mapping[str, int] = {category: rank for rank, category in enumerate(CATEGORIES)}
WEAK = len(CATEGORIES)


class Claim(NamedTuple):
    """Someone who could own the time from `start` to `end` (microseconds)."""

    start: int
    end: int
    rank: int
    category: str
    owner: str | None
    span: int | None
    first: int | None
    last: int | None


@dataclass(frozen=True)
class Explainer:
    """Names the interval between two consecutive lines of one thread."""

    gaps: Sequence[Gap]
    names: Mapping[str, frozenset[str]]  # rule -> every name by which a gap may call it
    where: Mapping[str, str]

    @classmethod
    def of(cls, model: Model, meanings: Mapping[str, Meaning]) -> Explainer:
        """From the gaps of the model and the meanings of the rules."""
        names = {rule: frozenset(filter(None, (rule, m.means, m.where))) for rule, m in meanings.items()}
        return cls(model.gaps, names, {rule: m.where for rule, m in meanings.items()})

    def explain(self, first: str | None, second: str | None, length: int) -> tuple[int, str, str]:
        """Rank, category and owner of the interval between lines of these rules."""
        a, b = self.names.get(first or "", frozenset()), self.names.get(second or "", frozenset())
        gap = next((gap for gap in self.gaps if gap.explains(a, b)), None)
        if gap is not None:
            return WEAK if gap.weak else RANK[gap.category], gap.category, gap.owner
        owner = self.where.get(first or "", "unknown statement")
        if length <= QUIET:
            return RANK["execution"], "execution", owner
        return RANK["unlogged"], "unlogged", f"{owner} \u2192 {self.where.get(second or '', 'unknown statement')}"


def build_ledger(
    operations: pd.DataFrame,
    runs: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    tree: Tree,
    lines: Lines,
    explainer: Explainer,
) -> pd.DataFrame:
    """Rows of schema.LEDGER for every operation whose beginning and end are known, `client` rows behind."""
    of_operation = dict(iter(runs.groupby("operation")))
    jobs_of = dict(iter(jobs.groupby("operation")))
    commands_of = dict(iter(commands.groupby("operation")))
    holders = dict(iter(jobs[jobs["kind"] == "work"].groupby("vm")))
    made: list[tuple[Any, ...]] = []
    for row in rows(operations):
        if pd.isna(row.submitted) or pd.isna(row.completed) or row.completed < row.submitted:
            continue
        start, end = micros(row.submitted), micros(row.completed)
        claims = list(pair_claims(of_operation.get(row.Index), tree, lines, explainer))
        claims += command_claims(commands_of.get(row.Index))
        claims += queue_claims(jobs_of.get(row.Index), of_operation.get(row.Index), holders)
        made.extend((row.Index, *claim) for claim in sweep(claims, start, end))
        if pd.notna(row.client_seen) and row.client_seen > row.completed:
            made.append(
                (row.Index, end, micros(row.client_seen), RANK["client"], "client", "until its next poll", *[None] * 3)
            )
    return table_of(made)


def micros(time: pd.Timestamp) -> int:
    """Microseconds since the epoch of a naive time."""
    return int(time.to_datetime64().astype("datetime64[us]").astype(np.int64))


def pair_claims(runs: pd.DataFrame | None, tree: Tree, lines: Lines, explainer: Explainer) -> Iterator[Claim]:
    """Consecutive lines of each thread that worked for the operation; quiet ones of one owner as one claim."""
    if runs is None:
        return
    for run in runs.index[~runs["is_poll"]]:
        numbers = lines.of_run[run].tolist()
        held: Claim | None = None
        for first, second in itertools.pairwise(numbers):
            start, end = lines.micros[first], lines.micros[second]
            if end <= start:
                continue
            rank, category, owner = explainer.explain(lines.event[first], lines.event[second], end - start)
            if (
                held
                and category == "execution"
                and held.category == category
                and held.owner == owner
                and held.end == start
            ):
                held = held._replace(end=end, last=second)
                continue
            if held:
                yield held
            held = Claim(start, end, rank, category, owner, int(tree.of_record[first]), first, second)
        if held:
            yield held


def command_claims(commands: pd.DataFrame | None) -> Iterator[Claim]:
    """Commands that are out at a host, and those that wait for their turn in its sequence."""
    if commands is None:
        return
    for row in rows(commands):
        host = row.host_name if isinstance(row.host_name, str) else f"host {row.HOST}"
        span = None if pd.isna(row.span) else int(row.span)
        first = None if pd.isna(row.sender) else int(row.sender)
        closer = row.receiver if pd.notna(row.receiver) else row.closer
        last = None if pd.isna(closer) else int(closer)
        back = row.received if pd.notna(row.received) else row.given_up
        if pd.notna(row.sent) and pd.notna(back) and back > row.sent:
            yield Claim(
                micros(row.sent),
                micros(back),
                RANK["agent"],
                "agent",
                f"{host}: {row.command or 'command'}",
                span,
                first,
                last,
            )
        if pd.notna(row.scheduled) and pd.notna(row.sent) and row.sent > row.scheduled:
            yield Claim(
                micros(row.scheduled),
                micros(row.sent),
                RANK["queue"],
                "queue",
                f"{host}: sequence, behind {row.behind}",
                span,
                first,
                last,
            )


def queue_claims(
    jobs: pd.DataFrame | None, runs: pd.DataFrame | None, holders: Mapping[Any, pd.DataFrame]
) -> Iterator[Claim]:
    """Each job in its sync queue, then with its executor until a thread took it."""
    if jobs is None or runs is None:
        return
    begun = runs.dropna(subset=["job"]).drop_duplicates("job").set_index("job")
    for row in rows(jobs):
        if row.job not in begun.index:
            continue
        begin, first = begun.loc[row.job, "start"], int(begun.loc[row.job, "first"])
        waits = row.queued if pd.notna(row.queued) else row.submitted
        if pd.notna(row.queued) and pd.notna(row.scheduled) and row.scheduled > row.queued:
            yield Claim(
                micros(row.queued),
                micros(row.scheduled),
                RANK["queue"],
                "queue",
                queue_owner(row, holders),
                None,
                None,
                first,
            )
            waits = row.scheduled
        if pd.notna(waits) and begin > waits:
            yield Claim(
                micros(waits),
                micros(begin),
                RANK["executor"],
                "executor",
                f"{row.kind} job executor",
                None,
                None,
                first,
            )


def queue_owner(job: Any, holders: Mapping[Any, pd.DataFrame]) -> str:
    """The queue of a work job and, where another job of the same VM was running meanwhile, that job."""
    if pd.isna(job.vm):
        return "sync queue"
    others = holders.get(job.vm)
    ahead = (
        []
        if others is None
        else [
            int(other.job)
            for other in rows(others)
            if other.job != job.job
            and pd.notna(other.started)
            and other.started < job.scheduled
            and (pd.isna(other.completed) or other.completed > job.queued)
        ]
    )
    behind = f", behind job-{ahead[-1]}" if ahead else ", until the heartbeat"
    return f"VmWorkJobQueue.{job.vm}{behind}"


def sweep(claims: Sequence[Claim], start: int, end: int) -> Iterator[Claim]:
    """`start` to `end` in consecutive intervals, each given to the best claim on it; neighbours of one claim joined."""
    waiting = sorted((claim for claim in claims if claim.end > start and claim.start < end), key=lambda c: c.start)
    edges = sorted({start, end, *(max(c.start, start) for c in waiting), *(min(c.end, end) for c in waiting)})
    active: list[tuple[int, int, int, Claim]] = []
    at, held = 0, None
    for low, high in itertools.pairwise(edges):
        while at < len(waiting) and waiting[at].start <= low:
            heapq.heappush(active, (waiting[at].rank, waiting[at].start, at, waiting[at]))
            at += 1
        while active and active[0][3].end <= low:
            heapq.heappop(active)
        owner = active[0][3] if active else Claim(low, high, RANK["unlogged"], "unlogged", "no line", None, None, None)
        if held and (held[0] is owner or held[0][3:5] == owner[3:5]):
            held = (held[0], held[1], high, owner)
            continue
        if held:
            yield joined(held)
        held = (owner, low, high, owner)
    if held:
        yield joined(held)


def joined(held: tuple[Claim, int, int, Claim]) -> Claim:
    """The interval that a claim got, bounded by the first line of its first and the last line of its last piece."""
    first, low, high, last = held
    return first._replace(start=low, end=high, last=last.last)


def table_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """The table of schema.LEDGER."""
    names = ("operation", "start", "end", "rank", "category", "owner", "span", "first_record", "last_record")
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    for name in ("start", "end"):
        columns[name] = np.array(columns[name], dtype=np.int64).astype("datetime64[us]")
    return check(frame(LEDGER, {name: columns[name] for name in LEDGER}), LEDGER, "ledger")
