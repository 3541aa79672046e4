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
UNLIKELY = ELSEWHERE * DETOUR * math.exp(FADED)  # chance of the best step below which a detour is not given up

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
Seen = tuple[Change, int]  # what a step did, how often
Likely = dict[Change, float]
Chances = dict[tuple[Place, tuple[str, ...]], float]  # which open frame stays, what is opened in it


class Table:
    """Steps in one of the three wordings: by what was written before them in a frame, and by what was written."""

    def __init__(self) -> None:
        self.after: dict[tuple[str, str], list[tuple[str, Seen]]] = {}  # statement before and frame -> statements
        self.within: dict[tuple[str, str], list[Seen]] = {}  # frame and statement
        self.anywhere: dict[str, list[Seen]] = {}  # statement

    def add(self, step: Step, after: str, word: str) -> None:
        """One more step."""
        seen = step.change, step.times
        self.after.setdefault((after, step.inside), []).append((word, seen))
        self.within.setdefault((step.inside, word), []).append(seen)
        self.anywhere.setdefault(word, []).append(seen)


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
        self._written: Counter[str] = Counter()  # in each frame
        self._callers: dict[str, Counter[str]] = defaultdict(Counter)
        self._near_of: dict[tuple[str, Words, int], Likely] = {}
        self._far_of: dict[int, Likely] = {}
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
            table.add(step, after, word)
        self._written[step.inside] += step.times
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
        chances: Chances = {(place, ()): STAY if now.known else 0.5}
        if now.known:
            add(chances, place, self._near(place.name, after, now))
            add(chances, place, self._far(now))
            # Where the frame is known for the statement no detour is worth a search.
            if max(chances.values()) < UNLIKELY:
                self._add_detours(chances, place, self._far(now))
        else:
            add(chances, place, self._closed(place.name, after))
        least = max(chances.values()) * math.exp(-FADED)
        left = [move for move in chances.items() if move[1] > least]
        left.sort(key=lambda move: -move[1])
        return tuple((kept.below(opens), kept, math.log(chance)) for (kept, opens), chance in left)

    def _near(self, inside: str, after: Words, now: Statement) -> Likely:
        """Steps seen in this frame, after the same statement and after others."""
        key = (inside, after, now.number)
        made = self._near_of.get(key)
        if made is None:
            made = self._near_of[key] = {}
            for table, weight, before, word in zip(self._tables, WEIGHTS, after, now.words, strict=True):
                followed = table.after.get((before, inside), ())
                total = sum(times for _, (_, times) in followed)
                weigh(made, [seen for other, seen in followed if other == word], weight * AFTER, total)
                weigh(made, table.within.get((inside, word), ()), weight * (1 - AFTER), self._written[inside])
        return made

    def _far(self, now: Statement) -> Likely:
        """Steps of this statement seen in whichever frame."""
        made = self._far_of.get(now.number)
        if made is None:
            known = (table.anywhere.get(word) for table, word in zip(self._tables, now.words, strict=True))
            seen = next(filter(None, known))
            made = self._far_of[now.number] = {}
            weigh(made, seen, ELSEWHERE, sum(times for _, times in seen))
        return made

    def _closed(self, inside: str, after: Words) -> Likely:
        """What usually closes after the statement before, whatever comes next."""
        made: Likely = {}
        for table, before in zip(self._tables, after, strict=True):
            followed = table.after.get((before, inside))
            if followed is not None:
                seen = [((back, skip, ()), times) for _, ((back, skip, _), times) in followed]
                weigh(made, seen, 0.5, sum(times for _, times in seen))
                break
        return made

    def _add_detours(self, chances: Chances, place: Place, elsewhere: Likely) -> None:
        """Steps out of frames that are not open, with the calls that lead to these."""
        stack = place.innermost
        for (back, skip, opens), chance in elsewhere.items():
            if skip or back in stack:
                continue
            start, way, odds = self._way(place, back)
            if odds:
                key = stack[start], (*way, *opens)
                chances[key] = chances.get(key, 0.0) + chance * DETOUR * odds

    def _way(self, place: Place, frame: str) -> Way:
        """The most usual calls from an open frame to `frame`: its name, what they open, their odds (0: none known)."""
        found = place.ways.get(frame)
        if found is None:
            found = place.ways[frame] = self._searched(place, frame)
        return found

    def _searched(self, place: Place, frame: str) -> Way:
        stack = place.innermost
        queue: list[tuple[float, str, tuple[str, ...]]] = [(0.0, frame, ())]
        seen: set[str] = set()
        while queue:
            cost, name, way = heapq.heappop(queue)
            if name in stack:
                return name, way, math.exp(-cost)
            if name in seen:
                continue
            seen.add(name)
            for caller, odds in self._called_by(name):
                # A call from a frame further out closes those between: a little less probable for each.
                out = place.depth - stack[caller].depth if caller in stack else 0
                heapq.heappush(queue, (cost - odds + 0.1 * out, caller, (name, *way)))
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


def weigh(made: Likely, seen: Iterable[Seen], weight: float, total: int) -> None:
    """Add to each change that was seen its share of all `total`, with a weight."""
    for change, times in seen:
        made[change] = made.get(change, 0.0) + weight * times / total


def add(chances: Chances, place: Place, steps: Likely) -> None:
    """Add the steps whose frame is open in `place`."""
    stack = place.innermost
    for (back, skip, opens), chance in steps.items():
        if back in stack:
            kept = place.standing(back, skip) if skip else stack[back]
            if kept is not None:
                chances[kept, opens] = chances.get((kept, opens), 0.0) + chance


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
