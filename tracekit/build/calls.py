"""The call tree of one thread's run: which `Class.method` frames were open when each line was written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.build.callcounts import NOTHING, Bound, Words
from tracekit.build.callgraph import FADED, Advance, Beam, CallGraph, Place, Statement, load_calls
from tracekit.build.spans import depths
from tracekit.frames import Numbers, Small, firsts, joint

__all__ = ["CallGraph", "Said", "Shapes", "load_calls", "shapes_of", "times_of"]

GUESSES = 6  # stacks that are followed side by side
EVEN = 1e-9  # log odds that are no difference: sums in another order
EXACT = 12  # digits of log odds: beams that differ in the last bits of their sums are the same
NUMBERS = 1 << 20  # more statements than any set of rules has
OPENERS = frozenset({"begin", "both"})
CLOSERS = frozenset({"end", "both", "answer"})

Guess = tuple[float, Place, int]  # log probability, the frame that stayed open, which guess of the line before


@dataclass
class Frames:
    """Frames of a run as parallel lists, callers before the called, and the innermost frame of every line."""

    name: list[str] = field(default_factory=list)  # Class.method
    parent: list[int] = field(default_factory=list)  # -1: called by the run itself
    first: list[int] = field(default_factory=list)  # lines of the run
    last: list[int] = field(default_factory=list)
    innermost: list[int] = field(default_factory=list)  # by line; -1: no frame

    def open(self, name: str, parent: int, line: int) -> int:
        """A new frame that `line` is the first of; its number."""
        self.name.append(name)
        self.parent.append(parent)
        self.first.append(line)
        self.last.append(line)
        return len(self.name) - 1


class Shapes(NamedTuple):
    """Frames of runs one behind the other. Runs that say the same, as polls and lists do, have one shape: only their
    times differ. Arrays by frame, lines and frames counted from the first of their run.
    """

    name: Small  # number in CallGraph.names
    parent: Small  # -1: called by the run itself
    depth: Small
    first: Small  # lines of the run
    last: Small
    before: Small  # where the frame starts before its first line, as `bound_number` says it
    behind: Small  # where it ends behind its last line
    logged: npt.NDArray[np.bool_]  # its last line says that it ends
    innermost: Small  # by line; -1: no frame
    frames: Numbers  # of each shape how many it has
    lines: Numbers


class Said(NamedTuple):
    """A line that a run may print."""

    statement: Statement
    leaf: str | None  # its `Class.method`, where no trail has a frame of it; None: it has, or no rule knows the line
    opens: bool
    closes: bool

    @classmethod
    def of(cls, graph: CallGraph, event: str | None, method: str | None) -> Said:
        """From the rule that reads the line and its `Class.method`, None where there is none."""
        statement, leaf = graph.statement(event, method), None if method in graph.frames else method
        return cls(statement, leaf, statement.role in OPENERS, statement.role in CLOSERS)


def shapes_of(graph: CallGraph, every: Sequence[Said], runs: Sequence[tuple[str, npt.NDArray[Any]]]) -> Shapes:
    """The frames of runs, each given by its kind, request, job or work, and its lines as numbers in `every`."""
    number = graph.names
    parts = [[np.empty(0, np.int32)] * 5]
    for root, numbers in runs:
        said = numbers.tolist()
        own = stacked(every, said, trail(graph, [every[line].statement for line in said], root))
        names = [number.setdefault(name, len(number)) for name in own.name]
        parts.append([*map(small, (names, own.parent, own.first, own.last, own.innermost))])
    name, parent, first, last, innermost = map(np.concatenate, zip(*parts, strict=True))
    count = np.array([[len(part[0]), len(part[-1])] for part in parts[1:]], dtype=np.int64).reshape(-1, 2)
    begin, line = (np.repeat(np.cumsum(many) - many, count[:, 0]) for many in count.T)  # of each frame's run
    lines = np.concatenate([np.empty(0, np.int64), *(numbers for _, numbers in runs)])
    opening, closing = lines[line + first], lines[line + last]
    closes = np.array([said.closes for said in every], dtype=np.bool_)
    return Shapes(
        name,
        parent,
        depths(np.where(parent < 0, -1, parent + begin)).astype(np.int32),
        first,
        last,
        bounds_of(graph, "start", every, name, opening),
        bounds_of(graph, "end", every, name, closing),
        closes[closing] & (name[begin + innermost[line + last]] == name),
        innermost,
        count[:, 0],
        count[:, 1],
    )


def bounds_of(graph: CallGraph, edge: str, every: Sequence[Said], name: Small, lines: Numbers) -> Small:
    """Where each frame of that name starts or ends (`edge`) before its first or behind its last line, as number."""
    alike = joint(name, lines)
    one, names = firsts(alike), list(graph.names)
    asked = zip(name[one].tolist(), lines[one].tolist(), strict=True)
    return small([bound_number(graph.bound(edge, names[own], every[line].statement)) for own, line in asked])[alike]


def small(numbers: Sequence[int]) -> Small:
    """Numbers of frames, lines or microseconds between two lines."""
    return np.array(numbers, dtype=np.int32)


def bound_number(bound: Bound) -> int:
    """A bound in one number: microseconds from the own line, or, negative and less one, from the line outside."""
    return bound.offset if bound.own else -1 - bound.offset


def trail(graph: CallGraph, statements: Sequence[Statement], root: str) -> list[tuple[Place, Place]]:
    """For each line the most probable place, and which of the frames before it stayed open (Viterbi over a beam).

    Runs say much the same: what a statement makes of a beam is computed once.
    """
    beam, before, words = graph.beam((graph.root(root),), (0.0,)), 0, NOTHING
    steps: list[Advance] = []
    for now in statements:
        key = before * NUMBERS + now.number
        step = beam.after.get(key)
        if step is None:
            step = beam.after[key] = advance(graph, beam, key, words, now)
        steps.append(step)
        beam = step.beam
        if now.known:
            before, words = now.number, now.words
    at = beam.odds.index(max(beam.odds))
    found: list[tuple[Place, Place]] = []
    for step in reversed(steps):
        found.append((step.beam.places[at], step.kept[at]))
        at = step.way[at]
    found.reverse()
    return found


def advance(graph: CallGraph, beam: Beam, key: int, words: Words, now: Statement) -> Advance:
    """From the guesses of one line to the best few of the next, which is `now` and comes after `words`."""
    reached: dict[Place, Guess] = {}
    best = -math.inf
    for way, (place, odds) in enumerate(zip(beam.places, beam.odds, strict=True)):
        moves = place.moves.get(key)
        if moves is None:
            moves = place.moves[key] = graph.moves(place, words, now)
        for there, kept, chance in moves:
            total = odds + chance
            if total > best:
                best = total
            elif total < best - FADED:
                break
            other = reached.get(there)
            lead = math.inf if other is None else total - other[0]
            # Of two ways that are as probable the one on which more frames were open before.
            if lead > EVEN or (other is not None and lead > -EVEN and kept.depth > other[1].depth):
                reached[there] = (total, kept, way)
    least = best - FADED
    if len(reached) > GUESSES:
        least = max(least, sorted([odds for odds, _, _ in reached.values()], reverse=True)[GUESSES - 1])
    left = {place: guess for place, guess in reached.items() if guess[0] > least - EVEN}
    totals, kept_open, ways = zip(*left.values(), strict=True)
    made = graph.beam(tuple(left), tuple(round(total - best, EXACT) for total in totals))
    return Advance(made, kept_open, ways)


def stacked(every: Sequence[Said], said: Sequence[int], places: Sequence[tuple[Place, Place]]) -> Frames:
    """Frames along a trail of places, and below them one for each method of which the trail knows no frame."""
    frames = Frames()
    stack: list[int] = []
    inner, depth = -1, 0  # of the stack
    leaf, leaf_open = -1, False
    for line, (number, (place, kept)) in enumerate(zip(said, places, strict=True)):
        if kept is not place or kept.depth < depth:
            leaf_open = False
            for frame in stack[kept.depth :]:
                frames.last[frame] = line - 1
            del stack[kept.depth :]
            for name in opened(place, kept):
                stack.append(frames.open(name, stack[-1] if stack else -1, line))
            inner, depth = stack[-1] if stack else -1, len(stack)
        _, method, opens, closes = every[number]
        if method is None:
            leaf_open = False
            frames.innermost.append(inner)
            continue
        if not leaf_open or frames.name[leaf] != method or opens:
            leaf = frames.open(method, inner, line)
        frames.last[leaf] = line
        frames.innermost.append(leaf)
        leaf_open = not closes
    for frame in stack:
        frames.last[frame] = len(places) - 1
    return frames


def opened(place: Place, kept: Place) -> list[str]:
    """Names of the frames between `kept` and `place`, outermost first."""
    names: list[str] = []
    for at in place.up():
        if at is kept:
            break
        names.append(at.name)
    names.reverse()
    return names


def times_of(
    shape: Mapping[str, Small], first: Small, last: Small, times: Numbers, edges: tuple[Small, Small]
) -> tuple[Numbers, Numbers]:
    """Start and end of frames in microseconds: between a frame's outer lines and those outside, where frames of its
    kind were measured to begin and end. A frame lies in its caller, also where the clock steps back.

    `shape` has the columns of Shapes for the frames of any number of runs, with `parent` as row or -1; `first` and
    `last` are the rows of their outer lines in `times`, `edges` those of their run's first and last line.
    """
    start, end = times[first], times[last]
    # Most begin and end with their own lines.
    early, late = np.flatnonzero(shape["before"]), np.flatnonzero(shape["behind"])
    outside = times[first[early] - (first[early] > edges[0][early])]
    start[early] = between(start[early], outside, shape["before"][early])
    outside = times[last[late] + (last[late] < edges[1][late])]
    end[late] = between(end[late], outside, shape["behind"][late])
    parent, depth = shape["parent"], shape["depth"]
    # Nearly all lie in their callers as they are: those that do not are moved, callers first, and so are all in them.
    moved = (parent >= 0) & ((start < start[parent]) | (np.maximum(start, end) > end[parent])) | (end < start)
    # Numbers of 8 or 16 bits are sorted without comparing them.
    order = np.argsort(depth.astype(np.min_scalar_type(int(depth.max(initial=0)))), kind="stable")
    ends = np.cumsum(np.bincount(depth)) if len(depth) else np.empty(0, np.int64)
    for level, stop in enumerate(ends.tolist()):
        at = order[ends[level - 1] if level else 0 : stop]
        if level:
            at = at[moved[at] | moved[parent[at]]]
            low, high = start[parent[at]], end[parent[at]]
            start[at] = np.minimum(np.maximum(start[at], low), high)
            end[at] = np.minimum(end[at], high)
            moved[at] = True
        end[at] = np.maximum(start[at], end[at])
    return start, end


def between(line: Numbers, outside: Numbers, bound: Small) -> Numbers:
    """The instant at a bound's distance from the own line, or else from the line outside, and never beyond either."""
    own = bound >= 0
    # From the own line toward the one outside, or back from there.
    step = np.where(own, bound, bound + 1)
    np.negative(step, out=step, where=outside <= line)
    within: Numbers = np.where(own, line, outside)
    within += step
    return np.clip(within, np.minimum(line, outside), np.maximum(line, outside), out=within)
