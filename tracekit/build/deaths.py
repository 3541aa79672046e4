"""Who claims the time of operations that the death of their server cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from tracekit.build.claims import RANK, Claim, Queues, host_of
from tracekit.build.pairs import Context, rank_of
from tracekit.build.still import Life
from tracekit.frames import Numbers, micros, rows, rows_by

Rows = Sequence[Any]  # of runs, jobs or commands, by frames.rows


def restart_claims(
    runs: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    places: Mapping[str, int],
    ends: Numbers,
    queues: Queues,
    context: Context,
) -> Iterator[Claim]:
    """What was under way until the server died, and the server's absence.

    The new server cancels the job when it has started; until then nothing of the operation happens. `places` says where
    an operation stands, `ends` when each of them ended.
    """
    lives = context.server.lives
    last = {number: life.last for number, life in lives.items() if life.next is not None}
    if not last:
        return
    died = runs["life"].map(last)
    late = runs[runs["operation"].map({name: ends[at] for name, at in places.items()}) > died]
    parts = [rows_by(table[table["operation"].isin(late["operation"])], "operation") for table in (jobs, commands)]
    cut: dict[tuple[str, int], list[Any]] = {}
    for run in rows(late):
        cut.setdefault((run.operation, run.life), []).append(run)
    for (name, number), own in sorted(cut.items(), key=lambda item: item[0]):
        life, operation = lives[number], places[name]
        own_jobs, own_commands = (part.get(name, []) for part in parts)
        yield from absence(operation, life, lives[life.next or 0], int(ends[operation]))
        yield from out_at_death(operation, [row for row in own_commands if row.life == number], life)
        yield from queued_at_death(operation, own_jobs, life, queues)
        yield from cut_off(operation, own, life, context)


def absence(operation: int, life: Life, after: Life, end: int) -> Iterator[Claim]:
    """From the server's last line to the first of its next life, and on until it cancelled the job."""
    what, back, first = (RANK["execution"], "execution"), after.first, after.first_record
    yield Claim(operation, life.last, min(back, end), *what, "server down", None, life.last_record, first)
    if end > back:
        yield Claim(operation, back, end, *what, "server starting, until it cancelled the job", None, first, None)


def out_at_death(operation: int, commands: Rows, life: Life) -> Iterator[Claim]:
    """Commands whose answers the server did not live to see."""
    for row in commands:
        heard = pd.notna(row.received) or pd.notna(row.given_up)
        if pd.notna(row.sent) and not heard and micros(row.sent) < life.last:
            owner = f"{host_of(row.host_name, row.HOST)}: {row.command or 'command'}, until the server died"
            first = None if pd.isna(row.sender) else int(row.sender)
            span = None if pd.isna(row.span) else int(row.span)
            last, what = life.last_record, (RANK["agent"], "agent", owner)
            yield Claim(operation, micros(row.sent), life.last, *what, span, first, last)


def queued_at_death(operation: int, jobs: Rows, life: Life, queues: Queues) -> Iterator[Claim]:
    """Jobs that no heartbeat had taken yet."""
    for row in jobs:
        if pd.notna(row.queued) and pd.isna(row.scheduled) and life.first <= micros(row.queued) < life.last:
            owner = queues.owner(int(row.job), row.vm, micros(row.queued), life.last)
            what = (RANK["queue"], "queue", owner)
            yield Claim(operation, micros(row.queued), life.last, *what, None, None, life.last_record)


def cut_off(operation: int, runs: Rows, life: Life, context: Context) -> Iterator[Claim]:
    """From the last line of each thread until its server died."""
    lines, died = context.lines, life.last
    for run in runs:
        last = int(run.last)
        silent = int(lines.micros[last])
        if run.is_poll or run.run_kind == "request" or died <= silent:
            continue
        category, owner, gap = context.explainer.explain(lines.event(last), None, died - silent)
        what = (rank_of(category, gap), category, f"{owner}, until the server died")
        span = int(context.tree.of_record[last])
        yield Claim(operation, silent, died, *what, span, last, life.last_record)
