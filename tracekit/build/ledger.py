"""The ledger: every instant of an operation's wall time with exactly one owner.

Everything that could own a stretch of time makes a *claim* (`claims.py`): commands that are out, queues, hand-overs,
and each pair of consecutive lines of the operation's threads. Where claims overlap the category that stands first in
schema.CATEGORIES wins; where there is none, the stretch is *unlogged* with the lines around it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.claims import (
    RANK,
    Claim,
    Context,
    command_claims,
    pair_claims,
    queue_claims,
    restart_claims,
    wait_claims,
)
from tracekit.build.explain import Explainer
from tracekit.build.locks import Locks
from tracekit.build.still import Server
from tracekit.build.tree import Lines, Tree
from tracekit.frames import micros, rows, rows_by
from tracekit.parse.events import Events
from tracekit.quality import Collector
from tracekit.schema import LEDGER, check, frame


def build_ledger(
    operations: pd.DataFrame,
    runs: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    tree: Tree,
    lines: Lines,
    explainer: Explainer,
    records: pd.DataFrame,
    events: Events,
) -> pd.DataFrame:
    """Rows of schema.LEDGER for every operation whose beginning and end are known, `client` rows behind."""
    holders = [gap.holder for gap in explainer.gaps if gap.holder is not None]
    context = Context(
        tree,
        lines,
        explainer,
        Server.of(records),
        Locks.of(records, events, holders, dict(zip(runs.index.tolist(), runs["operation"], strict=True))),
        rows_by(jobs[jobs["kind"] == "work"], "vm"),
        names_of(commands),
        waits_of(tree),
    )
    parts = [rows_by(table, "operation") for table in (runs, jobs, commands)]
    made: list[tuple[Any, ...]] = []
    for row in rows(operations):
        if pd.isna(row.submitted) or pd.isna(row.completed) or row.completed < row.submitted:
            continue
        start, end = micros(row.submitted), micros(row.completed)
        own_runs, own_jobs, own_commands = (part.get(row.Index, []) for part in parts)
        claims = list(pair_claims(own_runs, context))
        claims += command_claims(own_commands, context)
        claims += queue_claims(own_jobs, own_runs, context)
        claims += wait_claims(row.Index, context)
        claims += restart_claims(own_runs, own_jobs, own_commands, end, context)
        made.extend((row.Index, *claim) for claim in sweep(claims, start, end))
        if pd.notna(row.client_seen) and row.client_seen > row.completed:
            made.append(
                (row.Index, end, micros(row.client_seen), RANK["client"], "client", "until its next poll", *[None] * 3)
            )
    return table_of(made)


def names_of(commands: pd.DataFrame) -> Mapping[tuple[int, int, int], str]:
    """What to call each command where another one waits behind it."""
    made: dict[tuple[int, int, int], str] = {}
    for row in rows(commands.dropna(subset=["HOST", "SEQ"])):
        of = f" of {row.operation}" if isinstance(row.operation, str) else ""
        made[int(row.life), int(row.HOST), int(row.SEQ)] = f"{row.command or row.SEQ}{of}"
    return made


def waits_of(tree: Tree) -> Mapping[str, list[int]]:
    """Spans of waits for another operation's work job, by the operation that waits."""
    made: dict[str, list[int]] = {}
    columns = [tree.rows.single[name] for name in ("span", "kind", "attributes", "operation")]
    for span, kind, attributes, operation in zip(*columns, strict=True):
        if kind == "wait" and "holder" in attributes and operation:
            made.setdefault(operation, []).append(span)
    return made


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


def count_unlogged(ledger: pd.DataFrame, quality: Collector) -> None:
    """How many intervals nothing explains, of which share of all operations' time, and the longest."""
    length = (ledger["end"] - ledger["start"])[ledger["category"] != "client"]
    mine = length[ledger["category"] == "unlogged"]
    if len(mine):
        share = mine.sum() / length.sum()
        longest = rows(ledger.loc[mine.index])[int(mine.to_numpy().argmax())]
        text = f"{share:.1%} of the time; longest {mine.max().total_seconds():.3f} s in {longest.operation}: "
        quality.add("unlogged intervals", "note", len(mine), example=text + str(longest.owner))


def table_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """The table of schema.LEDGER."""
    names = ("operation", "start", "end", "rank", "category", "owner", "span", "first_record", "last_record")
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    for name in ("start", "end"):
        columns[name] = np.array(columns[name], dtype=np.int64).astype("datetime64[us]")
    return check(frame(LEDGER, {name: columns[name] for name in LEDGER}), LEDGER, "ledger")
