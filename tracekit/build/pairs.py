"""Who claims the time between two consecutive lines of a thread that works for an operation."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.build.claims import RANK, WEAK, Claims, Owners
from tracekit.build.explain import QUIET, UNKNOWN, Explainer
from tracekit.build.lines import Lines
from tracekit.build.locks import Locks
from tracekit.build.model import Gap
from tracekit.build.still import Server
from tracekit.build.tree import Tree
from tracekit.frames import Numbers, Small, firsts, joint, stretches

STILL = "no thread of the server wrote a line (JVM or machine stood still)"


class Context(NamedTuple):
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
    what, rank = named.astype(np.int32)[lines.code[first]], np.full(len(run), RANK["execution"], dtype=np.int8)
    asked = np.flatnonzero((end - start > QUIET) | perhaps_firm(first, second, context))
    pairs = Pairs(run[asked], first[asked], second[asked], start[asked], end[asked])
    rank[asked], what[asked] = explained(pairs, context)
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


class Pairs(NamedTuple):
    """Consecutive lines of runs, and their times in microseconds."""

    run: Small
    first: Small
    second: Small
    start: Numbers
    end: Numbers


def explained(pairs: Pairs, context: Context) -> tuple[Numbers, Numbers]:
    """Rank, and number of category and owner, of what lies between the lines of each pair."""
    owners, (alike, made) = context.owners, explanations(pairs, context)
    rank = np.array([rank_of(category, gap) for category, _, gap in made], dtype=np.int64)[alike]
    what = np.array([owners.number(category, owner) for category, owner, _ in made], dtype=np.int64)[alike]
    plain = np.flatnonzero(np.array([gap is None for _, _, gap in made], dtype=np.bool_)[alike])
    still = plain[context.server.stood_still(pairs.start[plain], pairs.end[plain])]
    rank[still], what[still] = RANK["execution"], owners.number("execution", STILL)
    locked = np.array([gap is not None and gap.holder is not None for _, _, gap in made], dtype=np.bool_)[alike]
    for at in np.flatnonzero(locked).tolist():
        category, owner, gap = made[alike[at]]
        run, _, second, start, end = (int(column[at]) for column in pairs)
        by = context.locks.holder(gap.holder.column, second, run, start, end) if gap and gap.holder else None
        what[at] = owners.number(category, f"{owner}, held by {by}") if by else what[at]
    return rank, what


def explanations(pairs: Pairs, context: Context) -> tuple[Numbers, list[tuple[str, str, Gap | None]]]:
    """What the explainer says of each pair, as numbers and what they stand for: it is asked once for all pairs of the
    same rules between whose lengths it knows no difference.
    """
    explainer, code, length = context.explainer, context.lines.code, pairs.end - pairs.start
    rules, measured = [*context.lines.events, None], context.lines.detailed[pairs.run]

    def asked(chosen: Numbers) -> list[tuple[str | None, str | None]]:
        first, second = (code[records[chosen]].tolist() for records in (pairs.first, pairs.second))
        return [(rules[before], rules[behind]) for before, behind in zip(first, second, strict=True)]

    said = joint(code[pairs.first], code[pairs.second], measured)
    most = np.array([explainer.most(*both) for both in asked(firsts(said))], dtype=np.int64)
    alike = joint(said, length > most[said], np.searchsorted(explainer.steps, length, side="right"))
    one = firsts(alike)
    each = zip(asked(one), length[one].tolist(), measured[one].tolist(), strict=True)
    return alike, [explainer.explain(*both, long, detailed) for both, long, detailed in each]


def rank_of(category: str, gap: Gap | None) -> int:
    """The rank of a category; behind all others for a gap that claims only what nothing else does."""
    return WEAK if gap is not None and gap.weak else RANK[category]
