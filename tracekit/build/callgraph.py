"""What is known of CloudStack's calls: which frames a statement is written in, and which it closes and opens.

The knowledge is `grammars/calls.tsv`, counted on logs whose tracer wrote down the frame of every line. It is used as
a Markov chain: given the innermost open frame and the statement before, how probable are a statement and the frames
that it closes and opens? Rare evidence backs off from the statement to its method with role, then to its method, so
a release that words a message anew is still understood.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError

FILE = "calls.tsv"
NONE = "-"  # cell of a step that is the first of its run, or that opens nothing
WEIGHTS = (1.0, 0.05, 0.01)  # of the three wordings of a statement: its rule, its method with role, its method
AFTER = 0.9  # weight of what followed the same statement, against what was written in the same frame at all
ELSEWHERE = 7.5e-5  # a known step out of a frame from which it was never seen
DETOUR = 0.05  # and out of a frame that is not open, so that the frames between have to be guessed
STAY = 1e-5  # a statement written in a frame where none of the kind is known
FADED = 10.0  # log odds below which a guess is given up

Words = tuple[str, str, str]  # rule, method:role, method
Change = tuple[str, int, tuple[str, ...]]  # back to the n-th open frame of this name, then open these


class Step(NamedTuple):
    """A statement was written: how often, where, after which other one, and what that did to the open frames."""

    times: int
    inside: str  # innermost frame before, the kind of the run where none was open
    after: str  # rule of the statement before, "" at the beginning of a run
    event: str
    change: Change


class Bound(NamedTuple):
    """Where between two lines a frame begins or ends."""

    own: bool  # near the frame's own line, else near the line outside
    offset: int  # microseconds from it


class Statement(NamedTuple):
    """A statement as the log's lines show it. `number` is unique within a graph."""

    number: int
    words: Words
    role: str
    known: bool


class Place:
    """A stack of open frames: its innermost frame's name on top of the place of its caller."""

    __slots__ = ("children", "depth", "moves", "name", "parent", "ways")

    def __init__(self, name: str, parent: Place | None) -> None:
        self.name = name
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
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


class Table:
    """Counts of steps in one of the three wordings, as probabilities."""

    def __init__(self) -> None:
        self.followed: dict[tuple[str, str, str], Counter[Change]] = defaultdict(Counter)
        self.written: dict[tuple[str, str], Counter[Change]] = defaultdict(Counter)
        self.anywhere: dict[str, Counter[Change]] = defaultdict(Counter)
        self.returns: dict[tuple[str, str], Counter[Change]] = defaultdict(Counter)
        self.inside: Counter[str] = Counter()

    def add(self, inside: str, after: str, word: str, change: Change, count: int) -> None:
        """One more step."""
        self.followed[after, inside, word][change] += count
        self.written[inside, word][change] += count
        self.anywhere[word][change] += count
        self.returns[after, inside][change[0], change[1], ()] += count
        self.inside[inside] += count


class CallGraph:
    """Knowledge of `calls.tsv` in the form that :func:`tracekit.build.calls.rebuild` asks for."""

    def __init__(
        self,
        lines: Mapping[str, tuple[str, str]],
        steps: Iterable[Step],
        bounds: Mapping[tuple[str, str, str], Bound],
        roles: Mapping[str, str],
    ) -> None:
        """`lines`: rule -> method and measured role; `bounds`: ("start" or "end", frame, rule or method or "*");
        `roles`: rule -> role as the message rules say, which is stronger than the measured one.
        """
        self._roles = {event: role for event, (_, role) in lines.items()} | dict(roles)
        self._bounds = bounds
        self._bound_of: dict[tuple[str, str, int], Bound] = {}
        self._tables = (Table(), Table(), Table())
        self._callers: dict[str, Counter[str]] = defaultdict(Counter)
        self._odds: dict[str, list[tuple[str, float]]] = {}
        self._statements: dict[tuple[str | None, str | None], Statement] = {}
        self._roots: dict[str, Place] = {}
        self._beams: dict[tuple[tuple[Place, ...], tuple[float, ...]], Beam] = {}
        self.names: dict[str, int] = {}  # of frames, numbered as they are met
        for step in steps:
            before = self._words(step.after, lines[step.after][0]) if step.after else NOTHING
            self._count(step, before, self._words(step.event, lines[step.event][0]))
        self.frames = frozenset(self._callers)

    def _count(self, step: Step, before: Words, now: Words) -> None:
        for table, after, word in zip(self._tables, before, now, strict=True):
            table.add(step.inside, after, word, step.change, step.times)
        caller = step.change[0]
        for name in step.change[2]:
            self._callers[name][caller] += step.times
            caller = name

    def _words(self, event: str | None, method: str) -> Words:
        return event or method, f"{method}:{self.role(event)}", method

    def role(self, event: str | None) -> str:
        """What a statement is to the frame of its method: begin, end, both, point, or another word of its rule."""
        return self._roles.get(event or "", "point")

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
            words = NOTHING if method is None else self._words(event, method)
            known = method is not None and any(
                word in table.anywhere for table, word in zip(self._tables, words, strict=True)
            )
            made = Statement(len(self._statements) + 1, words, self.role(event), known)
            self._statements[event, method] = made
        return made

    def bound(self, edge: str, frame: str, line: Statement) -> Bound:
        """Where `frame` starts or ends (`edge`) when `line` is its first or last line."""
        key = (edge, frame, line.number)
        found = self._bound_of.get(key)
        if found is None:
            keys = [(edge, frame, word) for word in (line.words[0], line.words[2], "*")]
            found = next((self._bounds[known] for known in keys if known in self._bounds), OWN_LINE)
            self._bound_of[key] = found
        return found

    def moves(self, place: Place, after: Words, now: Statement) -> tuple[Move, ...]:
        """Where `now`, written after `after`, may lead from `place`; the most probable first."""
        chances: dict[tuple[Place, Place], float] = defaultdict(float)
        if now.known:
            chances[place, place] = STAY
            for (back, skip, opens), chance in self._near(place, after, now.words):
                self._add(chances, standing(place, back, skip), opens, chance)
            for kept, opens, chance in self._far(place, now.words):
                self._add(chances, kept, opens, chance)
        else:
            chances[place, place] = 0.5
            for (back, skip, opens), chance in self._closed(place, after):
                self._add(chances, standing(place, back, skip), opens, chance)
        moves = [(there, kept, math.log(chance)) for (there, kept), chance in chances.items()]
        moves.sort(key=lambda move: -move[2])
        return tuple(move for move in moves if move[2] > moves[0][2] - FADED)

    @staticmethod
    def _add(
        chances: dict[tuple[Place, Place], float], kept: Place | None, opens: tuple[str, ...], chance: float
    ) -> None:
        if kept is not None and chance > 0:
            chances[kept.below(opens), kept] += chance

    def _near(self, place: Place, after: Words, now: Words) -> Iterator[tuple[Change, float]]:
        """Steps seen in this frame, after the same statement and after others."""
        for table, weight, before, word in zip(self._tables, WEIGHTS, after, now, strict=True):
            total = table.returns.get((before, place.name), EMPTY).total()
            for change, count in table.followed.get((before, place.name, word), EMPTY).items():
                yield change, weight * AFTER * count / total
            for change, count in table.written.get((place.name, word), EMPTY).items():
                yield change, weight * (1 - AFTER) * count / table.inside[place.name]

    def _far(self, place: Place, now: Words) -> Iterator[tuple[Place | None, tuple[str, ...], float]]:
        """Steps of this statement seen in whichever frame: which frame stays, what is opened; those between, too."""
        for table, word in zip(self._tables, now, strict=True):
            changes = table.anywhere.get(word)
            if changes is None:
                continue
            total = changes.total()
            for change, count in changes.items():
                back, skip, opens = change
                chance = ELSEWHERE * count / total
                kept = standing(place, back, skip)
                if kept is not None:
                    yield kept, opens, chance
                elif not skip:
                    start, way, odds = self._way(place, back)
                    yield standing(place, start, 0), (*way, *opens), chance * DETOUR * odds
            return

    def _closed(self, place: Place, after: Words) -> Iterator[tuple[Change, float]]:
        """What usually closes after the statement before, whatever comes next."""
        for table, before in zip(self._tables, after, strict=True):
            changes = table.returns.get((before, place.name))
            if changes is not None:
                total = changes.total()
                for change, count in changes.items():
                    yield change, 0.5 * count / total
                return

    def _way(self, place: Place, frame: str) -> Way:
        """The most usual calls from an open frame to `frame`: its name, what they open, their odds (0: none known)."""
        found = place.ways.get(frame)
        if found is None:
            found = place.ways[frame] = self._searched(place, frame)
        return found

    def _searched(self, place: Place, frame: str) -> Way:
        open_at: dict[str, int] = {}
        for at in place.up():
            open_at.setdefault(at.name, place.depth - at.depth)
        queue: list[tuple[float, str, tuple[str, ...]]] = [(0.0, frame, ())]
        seen: set[str] = set()
        while queue:
            cost, name, way = heapq.heappop(queue)
            if name in open_at:
                return name, way, math.exp(-cost)
            if name in seen:
                continue
            seen.add(name)
            for caller, odds in self._called_by(name):
                # A call from a frame further out closes those between: a little less probable for each.
                further = cost - odds + 0.1 * open_at.get(caller, 0)
                heapq.heappush(queue, (further, caller, (name, *way)))
        return place.name, (), 0.0

    def _called_by(self, name: str) -> list[tuple[str, float]]:
        """Who calls a frame, with log odds."""
        known = self._odds.get(name)
        if known is None:
            callers = self._callers.get(name, EMPTY)
            total = callers.total()
            known = self._odds[name] = [(caller, math.log(count / total)) for caller, count in callers.items()]
        return known


NOTHING: Words = ("", "", "")
OWN_LINE = Bound(True, 0)
EMPTY: Counter[Any] = Counter()


def standing(place: Place, name: str, skip: int) -> Place | None:
    """The innermost open frame called `name`, but for the `skip` further in; the root by its kind. None: not open."""
    at: Place | None = place
    while at is not None:
        if at.name == name:
            if skip == 0:
                return at
            skip -= 1
        at = at.parent
    return None


def load_calls(root: Traversable, roles: Mapping[str, str]) -> CallGraph:
    """Read `calls.tsv` of the grammars folder `root`. `roles`: rule -> role of the message rules.

    Raises GrammarError with the number of a row that is not what the head of the file says.
    """
    lines: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    bounds: dict[tuple[str, str, str], Bound] = {}
    for number, row in enumerate((root / FILE).read_text(encoding="utf-8").splitlines(), 1):
        cells = row.split("\t")
        try:
            match cells:
                case ["line", _, event, method, role]:
                    lines[event] = (method, role)
                case ["step", count, inside, after, event, back, skip, opens]:
                    change = (back, int(skip), () if opens == NONE else tuple(opens.split(" > ")))
                    steps.append(Step(int(count), inside, "" if after == NONE else after, event, change))
                case ["start" | "end" as edge, _, frame, word, "own" | "other" as side, offset]:
                    bounds[edge, frame, word] = Bound(side == "own", int(offset) * 1000)
                case _ if row and not row.startswith("#"):
                    raise GrammarError(f"grammars: {FILE}:{number}: neither line, step, start nor end")
        except ValueError as error:
            raise GrammarError(f"grammars: {FILE}:{number}: {error}") from error
    named = {step.event for step in steps} | {step.after for step in steps} - {""}
    if strange := sorted(named - set(lines)):
        raise GrammarError(f"grammars: {FILE}: a step names {strange[0]}, of which there is no line row")
    return CallGraph(lines, steps, bounds, roles)
