"""The ledger: every instant of an operation's wall time with exactly one owner.

Everything that could own a stretch of time makes a *claim*: each pair of consecutive lines of the operation's threads
(`pairs.py`), commands that are out, queues, hand-overs (`claims.py`), a server that died (`deaths.py`). Where claims
overlap the category that stands first in schema.CATEGORIES wins; where there is none, the stretch is *unlogged* with
the lines around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.claims import (
    RANK,
    WEAK,
    Claims,
    Owners,
    Queues,
    command_claims,
    queue_claims,
    wait_claims,
)
from tracekit.build.deaths import restart_claims
from tracekit.build.explain import Explainer
from tracekit.build.lines import Lines
from tracekit.build.locks import Locks
from tracekit.build.pairs import Context, pair_claims
from tracekit.build.spans import categories, nullable
from tracekit.build.still import Server
from tracekit.build.tree import Tree
from tracekit.frames import NEVER, Numbers, Small, distinct, instants, spread, stretches, text_column, used_only
from tracekit.parse.events import Events
from tracekit.quality import Collector
from tracekit.schema import LEDGER, check, frame


class Walls(NamedTuple):
    """The wall times of operations, microseconds, one behind the other on one axis so that no two touch."""

    start: Numbers
    end: Numbers
    base: Numbers  # where on the axis an operation's first instant is

    @classmethod
    def of(cls, start: Numbers, end: Numbers) -> Walls:
        """From the times at which each operation was submitted and completed."""
        behind = np.cumsum(end - start + 1)
        return cls(start, end, behind - (end - start + 1))

    def place(self, operation: npt.NDArray[Any], time: Numbers) -> Numbers:
        """Where on the axis a time of an operation is; the nearest instant for one outside of its wall time."""
        low, high = self.start[operation], self.end[operation]
        placed: Numbers = np.clip(time, low, high) - low + self.base[operation]
        return placed


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
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of schema.LEDGER for every operation whose beginning and end are known, `client` rows behind; by operation
    the owner of most of its wall time.
    """
    start, end, seen = (instants(operations[name]) for name in ("submitted", "completed", "client_seen"))
    known = np.flatnonzero((start != NEVER) & (end >= start))
    names = operations.index[known]
    walls = Walls.of(start[known], end[known])
    holders = [gap.holder for gap in explainer.gaps if gap.holder is not None]
    locks = Locks.of(records, events, holders, runs)
    owners = Owners()
    context = Context(tree, lines, explainer, Server.of(records), locks, owners)
    queues = Queues.of(jobs)
    tables = (runs, jobs, commands)
    of_run, of_job, of_command = (names.get_indexer(pd.Index(table["operation"])) for table in tables)
    places = {str(name): at for at, name in enumerate(names.tolist())}
    inside = sweep(
        Claims.joined(
            [
                pair_claims(by_number(runs, np.where(runs["is_poll"], -1, of_run), lines), context),
                command_claims(commands, of_command, owners),
                queue_claims(jobs, runs, (of_job, of_run), queues, owners),
                wait_claims(tree, places, owners),
                Claims.of(list(restart_claims(*tables, places, walls.end, queues, context)), owners),
            ]
        ),
        walls,
        owners.number("unlogged", "no line"),
    )
    made = Claims.joined([inside, client_times(seen[known], walls, owners)])
    most = held_most(inside._replace(operation=known[inside.operation].astype(np.int32)), operations.index, owners)
    return table_of(made.at(np.argsort(made.operation, kind="stable")), names, owners), most


def by_number(runs: pd.DataFrame, of_run: Numbers, lines: Lines) -> Numbers:
    """The operation of every run by its number, -1 for runs that are not in the table."""
    made = np.full(len(lines.of_run.starts) - 1, -1, dtype=np.int64)
    made[runs.index.to_numpy()] = of_run
    return made


def sweep(claims: Claims, walls: Walls, nobody: int) -> Claims:
    """The wall times in consecutive intervals, each given to the best claim on it; neighbours of one owner joined.

    `nobody` is the owner where there is no claim. Of claims with the same rank the one that began first has the time
    that both claim, of those that began together the first.
    """
    inside = np.flatnonzero((claims.end > walls.start[claims.operation]) & (claims.start < walls.end[claims.operation]))
    claims = claims.at(inside[np.lexsort((claims.start[inside], claims.operation[inside]))])
    low, high = (walls.place(claims.operation, time) for time in (claims.start, claims.end))
    held = [holds(np.flatnonzero(claims.rank == rank), low, high) for rank in range(WEAK + 1)]
    behind = walls.base + walls.end - walls.start
    edges = distinct(np.concatenate([walls.base, behind, *(edge for own in held for edge in own[1:])]))
    operation = np.searchsorted(walls.base, edges, side="right").astype(np.int32) - np.int32(1)
    inside = np.flatnonzero(edges < behind[operation])
    # Last of all, so that -1 is its place.
    claims = Claims.joined([claims, Claims.made(np.zeros(1), 0, 0, RANK["unlogged"], nobody, -1, -1, -1)])
    return united(claims, winners(held, edges[inside]), operation[inside], (edges[inside], edges[inside + 1]), walls)


class Holds(NamedTuple):
    """Claims of one rank and what each of them has where no better one claims: stretches in order, none overlaps."""

    claim: Numbers
    start: Numbers  # places on the axis of Walls
    end: Numbers


def holds(claims: Numbers, start: Numbers, end: Numbers) -> Holds:
    """What each of these claims, ordered by their begin, has: from where those before it have ended to its end."""
    low, high = start[claims], end[claims]
    low[1:] = np.maximum(low[1:], np.maximum.accumulate(high)[:-1])
    some = low < high
    return Holds(claims[some], low[some], high[some])


def winners(held: Sequence[Holds], places: Numbers) -> Small:
    """The claim that has each place, of the best rank that claims it; -1 for none. The places are in order."""
    made = np.full(len(places), -1, dtype=np.int32)
    for own in held:
        first, behind = (np.searchsorted(places, edge) for edge in (own.start, own.end))
        of, within = spread(behind - first)
        at = first[of] + within
        free = np.flatnonzero(made[at] < 0)
        made[at[free]] = own.claim[of[free]]
    return made


def united(claims: Claims, winner: Small, operation: Small, bounds: tuple[Numbers, Numbers], walls: Walls) -> Claims:
    """Stretches of `operation` between `bounds`, each of the claim `winner`; neighbours of one operation and owner as
    one, bounded by the first line of its first and the last line of its last piece.
    """
    what = claims.what[winner]
    begins, ends = stretches((operation[1:] == operation[:-1]) & (what[1:] == what[:-1]), len(what))
    since = walls.start[operation[begins]] - walls.base[operation[begins]]
    return claims.at(winner[begins])._replace(
        operation=operation[begins],
        start=bounds[0][begins] + since,
        end=bounds[1][ends] + since,
        last=claims.last[winner[ends]],
    )


def held_most(claims: Claims, operations: pd.Index[Any], owners: Owners) -> pd.DataFrame:
    """The `owner` of most of the time that is claimed of each operation, and which `share` of it; of equals the last by
    category and name.
    """
    known = list(owners.numbers)
    place = np.empty(len(known), dtype=np.int64)
    place[sorted(range(len(known)), key=known.__getitem__)] = np.arange(len(known))
    each = claims.operation * np.int64(len(known)) + place[claims.what]
    order = np.argsort(each)
    begins, _ = stretches(each[order[1:]] == each[order[:-1]], len(order))
    spent = np.add.reduceat((claims.end - claims.start)[order], begins)
    of, what = (column[order[begins]] for column in (claims.operation, claims.what))
    firsts, lasts = stretches(of[1:] == of[:-1], len(of))
    most = np.maximum.reduceat(spent, firsts)
    top = np.flatnonzero(spent == np.repeat(most, lasts - firsts + 1))
    made = np.full(len(operations), -1)
    made[of[top]] = what[top]  # the one that comes last stays
    share = np.full(len(operations), np.nan)
    share[of[firsts]] = most / np.add.reduceat(spent, firsts)
    return pd.DataFrame({"owner": text_column([owner for _, owner in known], made), "share": share}, index=operations)


def client_times(seen: Numbers, walls: Walls, owners: Owners) -> Claims:
    """From the end of each operation until the poll that told its client, where that is known."""
    late = np.flatnonzero(seen > walls.end)
    what = owners.number("client", "until its next poll")
    return Claims.made(late, walls.end[late], seen[late], RANK["client"], what, -1, -1, -1)


def count_unlogged(ledger: pd.DataFrame, quality: Collector) -> None:
    """How many intervals nothing explains, of which share of all operations' time, and the longest."""
    length = instants(ledger["end"]) - instants(ledger["start"])
    is_client, is_unlogged = ((ledger["category"] == name).to_numpy() for name in ("client", "unlogged"))
    mine = np.flatnonzero(is_unlogged)
    if len(mine):
        share = length[mine].sum() / length[~is_client].sum()
        longest = mine[length[mine].argmax()]
        operation, owner = (ledger[name].array[longest] for name in ("operation", "owner"))
        text = f"{share:.1%} of the time; longest {length[longest] / 1e6:.3f} s in {operation}: {owner}"
        quality.add("unlogged intervals", "note", len(mine), example=text)


def table_of(made: Claims, names: pd.Index[Any], owners: Owners) -> pd.DataFrame:
    """The table of schema.LEDGER."""
    texts = [owner for _, owner in owners.numbers]
    kinds, codes = np.unique([category for category, _ in owners.numbers], return_inverse=True)
    columns = {
        "operation": text_column(names, made.operation),
        "start": made.start.view("datetime64[us]"),
        "end": made.end.view("datetime64[us]"),
        "category": used_only(categories(kinds.tolist(), codes[made.what])),
        "owner": text_column(texts, made.what),
        "span": nullable(made.span),
        "first_record": nullable(made.first),
        "last_record": nullable(made.last),
    }
    return check(frame(LEDGER, columns), LEDGER, "ledger")
