"""What is known of CloudStack's calls: which frames a statement is written in, and which it closes and opens.

The knowledge is `grammars/calls.tsv`, counted on logs whose tracer wrote down the frame of every line. It is used as
a Markov chain: given the innermost open frame and the statement before, how probable are a statement and the frames
that it closes and opens? Rare evidence backs off from the statement to its method with role, then to its method, so
a release that words a message anew is still understood.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from operator import itemgetter
from typing import NamedTuple

from tracekit.build.callcounts import NOTHING, Bound, Change, Counts, Seen, Words, load_counts

WEIGHTS = (1.0, 0.05, 0.01)  # of the three wordings of a statement: its rule, its method with role, its method
AFTER = 0.9  # weight of what followed the same statement, against what was written in the same frame at all
ELSEWHERE = 7.5e-5  # a known step out of a frame from which it was never seen
DETOUR = 0.05  # and out of a frame that is not open, so that the frames between have to be guessed
STAY = 1e-5  # a statement written in a frame where none of the kind is known
FADED = 10.0  # log odds below which a guess is given up
UNLIKELY = ELSEWHERE * DETOUR * math.exp(FADED)  # chance of the best step below which a detour is not given up
FAINT = math.exp(-FADED)  # share of the best step's chance below which another is given up
OWN_LINE = Bound(True, 0)


class Statement(NamedTuple):
    """A statement as the log's lines show it. `number` is unique within a graph."""

    number: int
    words: Words
    role: str
    known: bool


class Place:
    """A stack of open frames: its innermost frame's name on top of the place of its caller."""

    __slots__ = ("_innermost", "children", "depth", "moves", "name", "parent", "ways")

    def __init__(self, name: str, parent: Place | None) -> None:
        self.name = name
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self._innermost: dict[str, Place] = {}  # asked of few places
        self.children: dict[str, Place] = {}
        self.moves: dict[int, tuple[Move, ...]] = {}  # what is known so far, by the numbers of two statements
        self.ways: dict[str, Way] = {}  # likewise, by the frame they lead to

    def below(self, names: Iterable[str]) -> Place:
        """The place after opening `names` one in the other."""
        at = self
        for name in names:
            child = at.children.get(name)
            if child is None:
                child = at.children[name] = Place(name, at)
            at = child
        return at

    def up(self) -> Iterator[Place]:
        """This place, its caller's, and so on; the root, in which no frame is open, comes last."""
        at: Place | None = self
        while at is not None:
            yield at
            at = at.parent

    @property
    def innermost(self) -> dict[str, Place]:
        """The innermost open frame of each name; the root by its kind."""
        if not self._innermost:
            for at in self.up():
                self._innermost.setdefault(at.name, at)
        return self._innermost

    def standing(self, name: str, skip: int) -> Place | None:
        """The innermost open frame called `name`, but for the `skip` further in; None: not open."""
        at = self.innermost.get(name)
        for _ in range(skip):
            at = at and at.parent and at.parent.innermost.get(name)
        return at


class Beam:
    """The most probable places of one line, side by side; beams of equal ones are one object."""

    __slots__ = ("after", "odds", "places")

    def __init__(self, places: tuple[Place, ...], odds: tuple[float, ...]) -> None:
        self.places = places
        self.odds = odds  # log, less that of the best
        self.after: dict[int, Advance] = {}  # what is known so far, by the numbers of two statements


class Advance(NamedTuple):
    """A step from one beam to the next."""

    beam: Beam
    kept: tuple[Place, ...]  # of each of its places the frame that stayed open
    way: tuple[int, ...]  # and where in the beam before it came from


Move = tuple[Place, Place, float]  # where to, which open frame stays, log probability
Way = tuple[str, tuple[str, ...], float]  # from which open frame, what is called on the way, odds
Likely = dict[Change, float]
Chance = tuple[tuple[Place, tuple[str, ...]], float]  # which open frame stays, what is opened in it, how probable
Caller = tuple[float, str, tuple[str, ...]]  # how improbable, a frame, what is called on the way from it
BY_CHANCE = itemgetter(1)
UNSEEN: tuple[int, dict[str, list[Seen]]] = (0, {})


class CallGraph:
    """Knowledge of `calls.tsv` in the form that :func:`tracekit.build.calls.trail` asks for."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._bound_of: dict[tuple[str, str, int], Bound] = {}
        self._steps_of: dict[tuple[str, Words, int], list[tuple[Change, float]]] = {}
        self._far_of: dict[int, Likely] = {}
        self._callers_of: dict[str, list[Caller]] = {}
        self._statements: dict[tuple[str | None, str | None], Statement] = {}
        self._roots: dict[str, Place] = {}
        self._beams: dict[tuple[tuple[Place, ...], tuple[float, ...]], Beam] = {}
        self.names: dict[str, int] = {}  # of frames, numbered as they are met
        self.frames = counts.callers.keys()

    def root(self, kind: str) -> Place:
        """The place of a run of `kind` in which no frame is open."""
        return self._roots.setdefault(kind, Place(kind, None))

    def beam(self, places: tuple[Place, ...], odds: tuple[float, ...]) -> Beam:
        """The beam of these places and their odds."""
        made = self._beams.get((places, odds))
        if made is None:
            made = self._beams[places, odds] = Beam(places, odds)
        return made

    def statement(self, event: str | None, method: str | None) -> Statement:
        """The statement of a line; one that no rule knows has method None."""
        made = self._statements.get((event, method))
        if made is None:
            words = NOTHING if method is None else self._counts.words(event, method)
            known = method is not None and any(
                word in table.anywhere for table, word in zip(self._counts.tables, words, strict=True)
            )
            made = Statement(len(self._statements) + 1, words, self._counts.role(event), known)
            self._statements[event, method] = made
        return made

    def bound(self, edge: str, frame: str, line: Statement) -> Bound:
        """Where `frame` starts or ends (`edge`) when `line` is its first or last line."""
        key = (edge, frame, line.number)
        found = self._bound_of.get(key)
        if found is None:
            keys = [(edge, frame, word) for word in (line.words[0], line.words[2], "*")]
            found = Bound(*next(filter(None, map(self._counts.bounds.get, keys)), OWN_LINE))
            self._bound_of[key] = found
        return found

    def moves(self, place: Place, after: Words, now: Statement) -> tuple[Move, ...]:
        """Where `now`, written after `after`, may lead from `place`; the most probable first."""
        stack = place.innermost
        chances: list[Chance] = [
            ((kept, opens), chance)
            for (back, skip, opens), chance in self._steps(place.name, after, now)
            if (kept := place.standing(back, skip) if skip else stack.get(back)) is not None
        ]
        # Where the frame is known for the statement no detour is worth a search.
        if now.known and chances[0][1] < UNLIKELY:
            chances = self._with_detours(chances, place, self._far(now))
        least = chances[0][1] * FAINT
        return tuple((kept.below(opens), kept, math.log(chance)) for (kept, opens), chance in chances if chance > least)

    def _steps(self, inside: str, after: Words, now: Statement) -> list[tuple[Change, float]]:
        """What `now`, written in this frame after `after`, may do, whatever else is open; the most probable first."""
        key = (inside, after, now.number)
        made = self._steps_of.get(key)
        if made is None:
            chances: Likely = {(inside, 0, ()): STAY if now.known else 0.5}
            parts = [self._near(inside, after, now), self._far(now)] if now.known else [self._closed(inside, after)]
            for part in parts:
                for change, chance in part.items():
                    chances[change] = chances.get(change, 0.0) + chance
            made = self._steps_of[key] = sorted(chances.items(), key=BY_CHANCE, reverse=True)
        return made

    def _near(self, inside: str, after: Words, now: Statement) -> Likely:
        """Steps seen in this frame, after the same statement and after others."""
        made: Likely = {}
        written = self._counts.written.get(inside, 0)
        for table, weight, before, word in zip(self._counts.tables, WEIGHTS, after, now.words, strict=True):
            total, followed = table.after.get((before, inside), UNSEEN)
            weigh(made, followed.get(word, ()), weight * AFTER, total)
            weigh(made, table.within.get((inside, word), ()), weight * (1 - AFTER), written)
        return made

    def _far(self, now: Statement) -> Likely:
        """Steps of this statement seen in whichever frame."""
        made = self._far_of.get(now.number)
        if made is None:
            known = (table.anywhere.get(word) for table, word in zip(self._counts.tables, now.words, strict=True))
            seen = next(filter(None, known))
            made = self._far_of[now.number] = {}
            weigh(made, seen, ELSEWHERE, sum(times for _, times in seen))
        return made

    def _closed(self, inside: str, after: Words) -> Likely:
        """What usually closes after the statement before, whatever comes next."""
        made: Likely = {}
        for table, before in zip(self._counts.tables, after, strict=True):
            total, followed = table.after.get((before, inside), UNSEEN)
            if total:
                seen = [((back, skip, ()), times) for part in followed.values() for (back, skip, _), times in part]
                weigh(made, seen, 0.5, total)
                break
        return made

    def _with_detours(self, chances: Iterable[Chance], place: Place, elsewhere: Likely) -> list[Chance]:
        """Steps and those out of frames that are not open, with the calls that lead to these."""
        made = dict(chances)
        stack = place.innermost
        for (back, skip, opens), chance in elsewhere.items():
            if skip or back in stack:
                continue
            start, way, odds = self._way(place, back)
            if odds:
                key = stack[start], (*way, *opens)
                made[key] = made.get(key, 0.0) + chance * DETOUR * odds
        return sorted(made.items(), key=BY_CHANCE, reverse=True)

    def _way(self, place: Place, frame: str) -> Way:
        """The most usual calls from an open frame to `frame`: its name, what they open, their odds (0: none known)."""
        found = place.ways.get(frame)
        if found is None:
            found = place.ways[frame] = self._searched(place, frame)
        return found

    def _searched(self, place: Place, frame: str) -> Way:
        stack = place.innermost
        best, least = place.name, math.inf
        called: tuple[str, ...] = ()
        for cost, name, way in self._callers(frame):
            if cost >= least:
                break
            # What is called from a frame further in is called from there.
            if name in stack and stack.keys().isdisjoint(way):
                # A call from a frame further out closes those between: a little less probable for each.
                total = cost + 0.1 * (place.depth - stack[name].depth)
                if total < least:
                    best, called, least = name, way, total
        return best, called, math.exp(-least)

    def _callers(self, frame: str) -> list[Caller]:
        """Frames that call a frame, one through the other, and what they call on the way; the most usual first."""
        known = self._callers_of.get(frame)
        if known is None:
            known = self._callers_of[frame] = []
            queue: list[Caller] = [(0.0, frame, ())]
            seen: set[str] = set()
            while queue:
                cost, name, way = heapq.heappop(queue)
                if name in seen:
                    continue
                seen.add(name)
                known.append((cost, name, way))
                callers = self._counts.callers.get(name, {})
                total = sum(callers.values())
                for caller, count in callers.items():
                    heapq.heappush(queue, (cost - math.log(count / total), caller, (name, *way)))
        return known


def weigh(made: Likely, seen: Iterable[Seen], weight: float, total: int) -> None:
    """Add to each change that was seen its share of all `total`, with a weight."""
    for change, times in seen:
        made[change] = made.get(change, 0.0) + weight * times / total


def load_calls(root: Traversable, roles: Mapping[str, str]) -> CallGraph:
    """The knowledge in the grammars folder `root`, with the roles of the message rules. Raises GrammarError."""
    return CallGraph(load_counts(root, roles))
