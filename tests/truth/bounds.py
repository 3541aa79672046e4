"""Where, between a frame's outer line and the next line outside, frames of a kind begin and end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

WIDE = 20_000  # microseconds between the two lines from which the choice matters
NEAR = 15_000  # an estimate this near is right
WORTH = 3_000  # an offset below is none


class Edge(NamedTuple):
    """One measured start or end. Distances in microseconds."""

    edge: str  # start or end
    frame: str
    event: str | None  # rule of the frame's own first (last) line
    method: str | None
    from_own: int
    from_other: int


Choice = tuple[str, int]  # side, milliseconds


def best(edges: Sequence[Edge]) -> Choice:
    """The side and offset that are right most often; an offset must be worth it."""
    own, other = (sorted(edge[i] for edge in edges)[len(edges) // 2] for i in (4, 5))
    choices = [("own", 0, 0.0), ("other", 0, 0.001), ("own", own, 0.03), ("other", other, 0.03)]
    side, offset, _ = max((c for c in choices if not c[1] or c[1] >= WORTH), key=lambda c: right(edges, *c[:2]) - c[2])
    return side, round(offset / 1000)


def right(edges: Sequence[Edge], side: str, offset: int) -> float:
    """Share of the edges that an estimate meets."""
    hits = 0
    for edge in edges:
        true = edge.from_own if side == "own" else edge.from_other
        hits += abs(min(offset, edge.from_own + edge.from_other) - true) <= NEAR
    return hits / len(edges)


def bound_rows(edges: Iterable[Edge]) -> Iterator[str]:
    """Rows of `calls.tsv`: of each frame, then of methods and rules where they differ from what stands above them."""
    groups: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.from_own + edge.from_other > WIDE:
            groups[edge.edge, edge.frame].append(edge)
    for (kind, frame), members in sorted(groups.items()):
        yield from (
            f"{kind}\t{count}\t{frame}\t{word}\t{side}\t{offset}" for word, count, (side, offset) in narrowed(members)
        )


def narrowed(members: Sequence[Edge]) -> Iterator[tuple[str, int, Choice]]:
    """(rule, method or "*", times measured, choice) of one frame's edges."""
    general = best(members) if len(members) > 1 else ("own", 0)
    if general != ("own", 0):
        yield "*", len(members), general
    for method, of_method in grouped(members, "method"):
        usual = best(of_method)
        if usual != general:
            yield method, len(of_method), usual
        for event, of_event in grouped(of_method, "event"):
            special = best(of_event)
            if special != usual:
                yield event, len(of_event), special


def grouped(members: Sequence[Edge], by: str) -> Iterator[tuple[str, list[Edge]]]:
    """Members with the same known value, where there are at least two."""
    groups: dict[str, list[Edge]] = defaultdict(list)
    for edge in members:
        value = getattr(edge, by)
        if value is not None:
            groups[value].append(edge)
    return ((value, group) for value, group in sorted(groups.items()) if len(group) > 1)
