"""Who claims the time between two consecutive lines of a thread that works for an operation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.build.claims import RANK, WEAK, Claims, Owners
from tracekit.build.explain import QUIET, UNKNOWN, Explainer
from tracekit.build.locks import Locks
from tracekit.build.model import Gap
from tracekit.build.still import Server
from tracekit.build.tree import Lines, Tree
from tracekit.frames import Numbers, Small, stretches

STILL = "no thread of the server wrote a line (JVM or machine stood still)"


@dataclass(frozen=True)
class Context:
    """What tells what lies between two lines."""

    tree: Tree
    lines: Lines
    explainer: Explainer
    server: Server
    locks: Locks
    owners: Owners


def pair_claims(of_run: Numbers, context: Context) -> Claims:
    """Consecutive lines of each run; quiet ones of one owner as one claim.

    `of_run` is the operation of each run, -1 for runs whose lines claim nothing.
    """
    lines, owners = context.lines, context.owners
    run, first, second = lines.pairs(1)
    mine = of_run[run] >= 0
    run, first, second = run[mine], first[mine], second[mine]
    start, end = lines.micros[first], lines.micros[second]
    # Most intervals are short: they are the execution of their first statement, without a question.
    where = context.explainer.where
    named = owners.of("execution", (where.get(name or "") or UNKNOWN for name in (*lines.events, None)))
    what, rank = named[lines.code[first]], np.full(len(run), RANK["execution"])
    asked = np.flatnonzero((end - start > QUIET) | perhaps_firm(first, second, context))
    pairs = zip(*(column[asked].tolist() for column in (run, first, second, start, end)), strict=True)
    said = zip(lines.said(first[asked]), lines.said(second[asked]), strict=True)
    for at, pair, both in zip(asked.tolist(), map(Pair._make, pairs), said, strict=True):
        rank[at], what[at] = explained(pair, *both, context)
    quiet = np.array([category == "execution" for category, _ in owners.numbers], dtype=np.bool_)[what]
    goes_on = (run[1:] == run[:-1]) & (what[1:] == what[:-1]) & quiet[1:] & (start[1:] == end[:-1])
    begins, ends = stretches(goes_on, len(run))
    span = context.tree.of_record[first[begins]]
    return Claims.made(
        *(of_run[run[begins]], start[begins], end[ends], rank[begins], what[begins]),
        *(span, first[begins], second[ends]),
    )


def perhaps_firm(first: Small, second: Small, context: Context) -> npt.NDArray[np.bool_]:
    """Pairs that a gap with a certain category may explain, however short they are."""
    made = np.zeros(len(first), dtype=np.bool_)
    for gap in context.explainer.gaps:
        if gap.firm and gap.least <= QUIET:
            made |= told(gap.after, first, context) & told(gap.before, second, context)
    return made


def told(asked: Collection[str], records: Small, context: Context) -> npt.NDArray[np.bool_]:
    """Records that have one of the names that a gap asks for; all where it asks for none."""
    names = (context.explainer.names.get(name or "", frozenset()) for name in (*context.lines.events, None))
    known = np.array([not asked or not own.isdisjoint(asked) for own in names], dtype=np.bool_)
    made: npt.NDArray[np.bool_] = known[context.lines.code[records]]
    return made


class Pair(NamedTuple):
    """Two consecutive lines of a run, and their times in microseconds."""

    run: int
    first: int
    second: int
    start: int
    end: int


def explained(pair: Pair, before: str | None, behind: str | None, context: Context) -> tuple[int, int]:
    """Rank, and number of category and owner, of what lies between two lines of a run, read by these rules."""
    run, start, end = pair.run, pair.start, pair.end
    category, owner, gap = context.explainer.explain(before, behind, end - start, run in context.lines.detailed)
    if gap is None and context.server.stood_still(start, end):
        return RANK["execution"], context.owners.number("execution", STILL)
    if gap is not None and gap.holder is not None:
        by = context.locks.holder(gap.holder.column, pair.second, run, start, end)
        owner = f"{owner}, held by {by}" if by else owner
    return rank_of(category, gap), context.owners.number(category, owner)


def rank_of(category: str, gap: Gap | None) -> int:
    """The rank of a category; behind all others for a gap that claims only what nothing else does."""
    return WEAK if gap is not None and gap.weak else RANK[category]
