"""The call tree of one thread's run: which `Class.method` frames were open when each line was written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tracekit.build.callgraph import FADED, NOTHING, CallGraph, Place, Statement, load_calls

__all__ = ["CallGraph", "Frames", "load_calls", "rebuild"]

GUESSES = 6  # stacks that are followed side by side
NUMBERS = 1 << 20  # more statements than any set of rules has
OPENERS = frozenset({"begin", "both"})
CLOSERS = frozenset({"end", "both", "answer"})

Trail = tuple["Trail | None", Place, Place]  # the lines before, the place of this line, the frame that stayed open
Guess = tuple[float, "Trail | None"]  # log probability


@dataclass
class Frames:
    """Frames of a run as parallel lists, callers before the called, and the innermost frame of every line."""

    name: list[str] = field(default_factory=list)  # Class.method
    parent: list[int] = field(default_factory=list)  # -1: called by the run itself
    first: list[int] = field(default_factory=list)  # lines of the run
    last: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)  # microseconds, as in `times`
    end: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)  # "logged": its last line says so; "before": before the next line
    innermost: list[int] = field(default_factory=list)  # by line; -1: no frame

    def open(self, name: str, parent: int, line: int) -> int:
        """A new frame that `line` is the first of; its number."""
        self.name.append(name)
        self.parent.append(parent)
        self.first.append(line)
        self.last.append(line)
        return len(self.name) - 1


def rebuild(
    graph: CallGraph, methods: Sequence[str | None], events: Sequence[str | None], times: Sequence[int], root: str
) -> Frames:
    """The frames of one run, line by line: `Class.method` of the statement, its rule, its time in microseconds.

    `methods` is None where no rule knows the line, `root` the kind of the run: request, job or work.
    """
    statements = [graph.statement(event, method) for event, method in zip(events, methods, strict=True)]
    # Runs that say the same, as polls and lists do, have the same frames: only the times differ.
    key = (root, *[statement.number for statement in statements])
    shape = graph.shapes.get(key)
    if shape is None:
        shape = graph.shapes[key] = stacked(graph, statements, methods, trail(graph, statements, root))
    frames = replace(shape, start=[], end=[], ends=[])
    set_times(graph, frames, statements, times)
    return frames


def trail(graph: CallGraph, statements: Sequence[Statement], root: str) -> list[tuple[Place, Place]]:
    """For each line the most probable place, and which of the frames before it stayed open (Viterbi over a beam)."""
    guesses: dict[Place, Guess] = {graph.root(root): (0.0, None)}
    before, words = 0, NOTHING
    for now in statements:
        key = before * NUMBERS + now.number
        reached: dict[Place, Guess] = {}
        best = -math.inf
        for place, (odds, way) in guesses.items():
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
                if other is None or total > other[0]:
                    reached[there] = (total, (way, there, kept))
        guesses = reached if len(reached) == 1 else likely(reached, best - FADED)
        if now.known:
            before, words = now.number, now.words
    way = max(guesses.values(), key=lambda guess: guess[0])[1]
    found: list[tuple[Place, Place]] = []
    while way is not None:
        found.append((way[1], way[2]))
        way = way[0]
    found.reverse()
    return found


def likely(guesses: dict[Place, Guess], least: float) -> dict[Place, Guess]:
    """The best few of the guesses that are at least so probable."""
    if len(guesses) > GUESSES:
        least = max(least, sorted([odds for odds, _ in guesses.values()], reverse=True)[GUESSES - 1])
    return {place: guess for place, guess in guesses.items() if guess[0] >= least}


def stacked(
    graph: CallGraph,
    statements: Sequence[Statement],
    methods: Sequence[str | None],
    places: Sequence[tuple[Place, Place]],
) -> Frames:
    """Frames along a trail of places, and below them one for each method of which the trail knows no frame."""
    frames = Frames()
    stack: list[int] = []
    leaf, leaf_open = -1, False
    for line, (place, kept) in enumerate(places):
        if kept is not place or kept.depth < len(stack):
            leaf_open = False
            for frame in stack[kept.depth :]:
                frames.last[frame] = line - 1
            del stack[kept.depth :]
            for name in opened(place, kept):
                stack.append(frames.open(name, stack[-1] if stack else -1, line))
        method, role = methods[line], statements[line].role
        inner = stack[-1] if stack else -1
        if method is None or method in graph.frames:
            leaf_open = False
            frames.innermost.append(inner)
            continue
        if not leaf_open or frames.name[leaf] != method or role in OPENERS:
            leaf = frames.open(method, inner, line)
        frames.last[leaf] = line
        frames.innermost.append(leaf)
        leaf_open = role not in CLOSERS
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


def set_times(graph: CallGraph, frames: Frames, statements: Sequence[Statement], times: Sequence[int]) -> None:
    """Start, end and how the end is known: between a frame's outer lines and those outside, where frames of its kind
    were measured to begin and end. A frame lies in its caller, also where the clock steps back.
    """
    final = len(times) - 1
    for name, parent, first, last in zip(frames.name, frames.parent, frames.first, frames.last, strict=True):
        start, end = times[first], times[last]
        if first:
            bound = graph.bound("start", name, statements[first])
            start = between(start, times[first - 1], bound.own, bound.offset)
        if last < final:
            bound = graph.bound("end", name, statements[last])
            end = between(end, times[last + 1], bound.own, bound.offset)
        if parent >= 0:
            start = min(max(start, frames.start[parent]), frames.end[parent])
            end = min(end, frames.end[parent])
        frames.start.append(start)
        frames.end.append(max(start, end))
        said = statements[last].role in CLOSERS and frames.name[frames.innermost[last]] == name
        frames.ends.append("logged" if said else "before")


def between(line: int, outside: int, own: bool, offset: int) -> int:
    """The instant `offset` from the own line, or else from the line outside, and never beyond either."""
    if outside <= line:
        return max(outside, line - offset) if own else min(line, outside + offset)
    return min(outside, line + offset) if own else max(line, outside - offset)
