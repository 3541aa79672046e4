"""The call tree of one operation as flat tokens: consecutive calls of one name folded, long and deep trees cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from itertools import groupby
from operator import attrgetter

from tracekit.frames import NEVER
from tracekit.report import hostside
from tracekit.report.log import Log
from tracekit.report.model import Node, Token, Tree
from tracekit.report.scale import tenths
from tracekit.report.spans import Span
from tracekit.report.svg import span_name
from tracekit.report.words import count, duration, known

MAX_DEPTH = 24
OPEN_SHARE = 0.1  # branches with this share of the operation's time stand open
IN_TIME, ALIKE = attrgetter("begin", "span"), attrgetter("kind", "name")

Children = dict[int, list[Span]]


def view(spans: Sequence[Span], log: Log, most: int, hint: str) -> Tree:
    """`spans` of one operation, parents before children; about `most` are shown.

    `hint` is the command that shows what is left out.
    """
    if not spans:
        return Tree((), "")
    parents = {row.span: row.parent for row in spans}
    children = _children(spans, parents)
    below = _below(parents)
    kept = _kept(spans, parents, most)
    start = min(row.begin for row in spans)
    whole = (max(row.begin if row.is_open else row.stop for row in spans) - start) / 1e6

    tokens: list[Token] = []
    lost = len(spans) - len(kept)
    # Each entry is a token that is still to be written, or a group of siblings that is still to be opened.
    stack: list[Token | tuple[Sequence[Span], int]] = [(group, 0) for group in reversed(_groups(children, -1))]
    while stack:
        item = stack.pop()
        if isinstance(item, Token):
            tokens.append(item)
            continue
        group, depth = item
        group_kept = [row for row in group if row.span in kept]
        if not group_kept:
            continue
        inner = _inner(group, group_kept, children, kept)
        took = [row.took for row in group]
        node = _node(group, took, log, start, whole)
        if inner and depth >= MAX_DEPTH:
            deeper = sum(below[row.span] for row in group)
            tokens.append(Token("leaf", _noted(node, f"{count(deeper, 'deeper call')} not shown")))
            continue
        if not inner:
            tokens.append(Token("leaf", node))
            continue
        share = sum(took) / whole if whole else 0.0
        tokens.append(Token("open" if depth < 2 or share >= OPEN_SHARE else "shut", node))
        stack.append(Token("close"))
        stack.extend((group, depth + 1) for group in reversed(inner))
    note = f"{count(lost, 'shorter call')} left out; {hint} shows all" if lost else ""
    return Tree(tuple(tokens), note, any(token.node and token.node.time.startswith("≤") for token in tokens))


def _children(rows: Sequence[Span], parents: Mapping[int, int]) -> Children:
    """Span number → its children in order of start; -1 → those whose parent is not among the rows."""
    found: Children = {}
    for row, parent in zip(rows, parents.values(), strict=True):
        found.setdefault(parent if parent in parents else -1, []).append(row)
    for siblings in found.values():
        siblings.sort(key=IN_TIME)
    return found


def _below(parents: dict[int, int]) -> dict[int, int]:
    """How many spans stand below each; one pass backwards, because parents come before children."""
    below = dict.fromkeys(parents, 0)
    for span, parent in reversed(parents.items()):
        if parent in below:
            below[parent] += 1 + below[span]
    return below


def _kept(rows: Sequence[Span], parents: Mapping[int, int], most: int) -> set[int]:
    """The longest spans, the failed ones and all that lead to them."""
    longest = nsmallest(most, rows, key=lambda row: (row.status != "error", row.depth > 3, -row.took, row.span))
    kept: set[int] = set()
    for row in longest:
        span = row.span
        while span in parents and span not in kept:
            kept.add(span)
            span = parents[span]
    return kept


def _groups(children: Children, parent: int) -> list[Sequence[Span]]:
    """The children of a span, consecutive ones of the same kind and name together."""
    if parent not in children:  # most have none
        return []
    return [list(group) for _, group in groupby(children[parent], key=ALIKE)]


def _inner(
    group: Sequence[Span], kept_rows: Sequence[Span], children: Children, kept: set[int]
) -> list[Sequence[Span]]:
    """What stands below a node: a folded one holds its members when one of them has children."""
    if len(group) == 1:
        return [inner for inner in _groups(children, group[0].span) if any(row.span in kept for row in inner)]
    if any(row.span in children for row in kept_rows):
        return [[row] for row in kept_rows]
    return []


def _node(group: Sequence[Span], times: Sequence[float], log: Log, start: int, whole: float) -> Node:
    first, last = group[0], group[-1]
    stop, ends, status = [row.stop for row in group], {row.ends for row in group}, {row.status for row in group}
    is_open = min(stop) == NEVER
    begin = (first.begin - start) / 1e6 / whole * 100 if whole else 0.0
    reach = 100.0 if is_open or not whole else (max(stop) - start) / 1e6 / whole * 100
    notes = [f"longest {duration(max(times))}"] if len(group) > 1 and max(times) > 0 else []
    before = "≤ " if "before" in ends else ""
    if "orphan" in status:
        notes.append("beginning not in the log")
    said = hostside.note(first) if len(group) == 1 else ""
    if said:
        notes.append(said)
    own = sum(row.own for row in group)
    return Node(
        name=span_name(first, 120),
        folded=f"[{len(group)}x]" if len(group) > 1 else "",
        kind="" if first.kind == "call" else first.kind,
        time="open" if is_open else before + duration(sum(times)),
        own=duration(own) if known(own) else "",
        x=tenths(begin),
        width=tenths(max(reach - begin, 0.0)),
        note=", ".join(notes),
        lines=log.near(first.first_record, last.last_record),
        failed="error" in status,
    )


def _noted(node: Node, note: str) -> Node:
    return node._replace(note=f"{node.note}, {note}" if node.note else note)
