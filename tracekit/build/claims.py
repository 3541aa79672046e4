"""Who could own which stretch of an operation's time: pairs of lines, commands, queues, waits, a server that died."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from tracekit.build.explain import Explainer
from tracekit.build.locks import Locks
from tracekit.build.still import Life, Server
from tracekit.build.tree import Lines, Tree
from tracekit.frames import micros
from tracekit.schema import CATEGORIES

RANK: Mapping[str, int] = {category: rank for rank, category in enumerate(CATEGORIES)}
WEAK = len(CATEGORIES)
Rows = Sequence[Any]  # of runs, jobs or commands, by frames.rows
STILL = "no thread of the server wrote a line (JVM or machine stood still)"


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
class Context:
    """What claims are made from, besides the rows of one operation."""

    tree: Tree
    lines: Lines
    explainer: Explainer
    server: Server
    locks: Locks
    holders: Mapping[Any, Rows]  # VM -> its work jobs
    commands: Mapping[tuple[int, int, int], str]  # (life, host, sequence number) -> command and job
    waits: Mapping[str, Sequence[int]]  # operation -> spans of waits for another operation's work job


def pair_claims(runs: Rows, context: Context) -> Iterator[Claim]:
    """Consecutive lines of each thread that worked for the operation; quiet ones of one owner as one claim."""
    for run in runs:
        if run.is_poll:
            continue
        held: Claim | None = None
        for claim in line_claims(int(run.Index), context):
            if (
                held
                and claim.category == "execution"
                and held.category == claim.category
                and held.owner == claim.owner
                and held.end == claim.start
            ):
                held = held._replace(end=claim.end, last=claim.last)
                continue
            if held:
                yield held
            held = claim
        if held:
            yield held


def line_claims(run: int, context: Context) -> Iterator[Claim]:
    """One claim for each two consecutive lines of a run."""
    lines, explainer = context.lines, context.explainer
    own = lines.of_run[run]
    times = itertools.pairwise(lines.micros[own].tolist())
    for (first, second), (start, end) in zip(itertools.pairwise(own.tolist()), times, strict=True):
        if end <= start:
            continue
        measured = run in lines.detailed
        category, owner, gap = explainer.explain(lines.event(first), lines.event(second), end - start, measured)
        rank = WEAK if gap is not None and gap.weak else RANK[category]
        if gap is None and context.server.stood_still(start, end):
            category, owner, rank = "execution", STILL, RANK["execution"]
        elif gap is not None and gap.holder is not None:
            by = context.locks.holder(gap.holder.column, second, run, start, end)
            owner = f"{owner}, held by {by}" if by else owner
        yield Claim(start, end, rank, category, owner, int(context.tree.of_record[first]), first, second)


def command_claims(commands: Rows, context: Context) -> Iterator[Claim]:
    """Commands that are out at a host, and those that wait for their turn in its sequence."""
    for row in commands:
        host = row.host_name if isinstance(row.host_name, str) else f"host {row.HOST}"
        span = None if pd.isna(row.span) else int(row.span)
        first = None if pd.isna(row.sender) else int(row.sender)
        closer = row.receiver if pd.notna(row.receiver) else row.closer
        last = None if pd.isna(closer) else int(closer)
        back = row.received if pd.notna(row.received) else row.given_up
        sent = None if pd.isna(row.sent) else micros(row.sent)
        if sent is not None and pd.notna(back) and micros(back) > sent:
            owner = f"{host}: {row.command or 'command'}"
            yield Claim(sent, micros(back), RANK["agent"], "agent", owner, span, first, last)
        if sent is not None and pd.notna(row.scheduled) and sent > micros(row.scheduled):
            ahead = (
                None if pd.isna(row.behind) else context.commands.get((int(row.life), int(row.HOST), int(row.behind)))
            )
            owner = f"{host}: sequence, behind {ahead or row.behind}"
            yield Claim(micros(row.scheduled), sent, RANK["queue"], "queue", owner, span, first, last)


def wait_claims(operation: str, context: Context) -> Iterator[Claim]:
    """Waits for a work job that another operation had asked for."""
    rows = context.tree.rows
    for span in context.waits.get(operation, ()):
        start, end = (micros(pd.Timestamp(rows.get(span, name))) for name in ("start", "end"))
        first, last = rows.get(span, "first_record"), rows.get(span, "last_record")
        owner = f"waits for {rows.get(span, 'name')}"
        yield Claim(start, end, RANK["queue"], "queue", owner, span, first, last)


def queue_claims(jobs: Rows, runs: Rows, context: Context) -> Iterator[Claim]:
    """Each job in its sync queue, then with its executor until a thread took it."""
    begun: dict[int, tuple[int, int]] = {}
    for run in runs:
        if pd.notna(run.job):
            begun.setdefault(int(run.job), (micros(run.start), int(run.first)))
    for row in jobs:
        if row.job not in begun:
            continue
        begin, first = begun[row.job]
        waits = row.queued if pd.notna(row.queued) else row.submitted
        if pd.notna(row.queued) and pd.notna(row.scheduled) and row.scheduled > row.queued:
            owner = queue_owner(row, context.holders)
            yield Claim(micros(row.queued), micros(row.scheduled), RANK["queue"], "queue", owner, None, None, first)
            waits = row.scheduled
        if pd.notna(waits) and begin > micros(waits):
            owner = f"{row.kind} job executor"
            yield Claim(micros(waits), begin, RANK["executor"], "executor", owner, None, None, first)


def queue_owner(job: Any, holders: Mapping[Any, Rows]) -> str:
    """The queue of a work job and, where another job of the same VM was running meanwhile, that job."""
    if pd.isna(job.vm):
        return "sync queue"
    ahead = [
        int(other.job)
        for other in holders.get(job.vm, ())
        if other.job != job.job
        and pd.notna(other.started)
        and other.started < job.scheduled
        and (pd.isna(other.completed) or other.completed > job.queued)
    ]
    behind = f", behind job-{ahead[-1]}" if ahead else ", until the heartbeat"
    return f"VmWorkJobQueue.{job.vm}{behind}"


def restart_claims(runs: Rows, jobs: Rows, commands: Rows, end: int, context: Context) -> Iterator[Claim]:
    """Of an operation that its server's death cut off: what was under way until then, and the server's absence.

    The new server cancels the job when it has started; until then nothing of the operation happens.
    """
    lives = context.server.lives
    for number in sorted({run.life for run in runs}):
        life = lives[number]
        if life.next is None or end <= life.last:
            continue
        back, first = lives[life.next].first, lives[life.next].first_record
        execution = RANK["execution"]
        yield Claim(life.last, min(back, end), execution, "execution", "server down", None, life.last_record, first)
        if end > back:
            yield Claim(
                back, end, execution, "execution", "server starting, until it cancelled the job", None, first, None
            )
        yield from out_at_death([row for row in commands if row.life == number], life)
        yield from queued_at_death(jobs, life, context)
        yield from cut_off([run for run in runs if run.life == number], life, context)


def out_at_death(commands: Rows, life: Life) -> Iterator[Claim]:
    """Commands whose answers the server did not live to see."""
    for row in commands:
        heard = pd.notna(row.received) or pd.notna(row.given_up)
        if pd.notna(row.sent) and not heard and micros(row.sent) < life.last:
            host = row.host_name if isinstance(row.host_name, str) else f"host {row.HOST}"
            owner = f"{host}: {row.command or 'command'}, until the server died"
            first = None if pd.isna(row.sender) else int(row.sender)
            span = None if pd.isna(row.span) else int(row.span)
            yield Claim(micros(row.sent), life.last, RANK["agent"], "agent", owner, span, first, life.last_record)


def queued_at_death(jobs: Rows, life: Life, context: Context) -> Iterator[Claim]:
    """Jobs that no heartbeat had taken yet."""
    for row in jobs:
        if pd.notna(row.queued) and pd.isna(row.scheduled) and life.first <= micros(row.queued) < life.last:
            owner = queue_owner(row._replace(scheduled=pd.Timestamp(life.last, unit="us")), context.holders)
            queue = RANK["queue"]
            yield Claim(micros(row.queued), life.last, queue, "queue", owner, None, None, life.last_record)


def cut_off(runs: Rows, life: Life, context: Context) -> Iterator[Claim]:
    """From the last line of each thread until its server died."""
    lines, died = context.lines, life.last
    for run in runs:
        if run.is_poll or run.run_kind == "request":
            continue
        last, fell_silent = int(run.last), int(lines.micros[run.last])
        if died > fell_silent:
            category, owner, gap = context.explainer.explain(lines.event(last), None, died - fell_silent)
            rank = RANK[category] if gap is None or not gap.weak else WEAK
            yield Claim(
                fell_silent,
                died,
                rank,
                category,
                f"{owner}, until the server died",
                int(context.tree.of_record[last]),
                last,
                life.last_record,
            )
