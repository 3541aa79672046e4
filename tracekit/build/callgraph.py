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
from typing import NamedTuple

from tracekit.errors import GrammarError

FILE = "calls.tsv"
WEIGHTS = (1.0, 0.05, 0.01)  # of the three wordings of a statement: its rule, its method with role, its method
AFTER = 0.9  # weight of what followed the same statement, against what was written in the same frame at all
ELSEWHERE = 7.5e-5  # a known step out of a frame from which it was never seen
DETOUR = 0.05  # and out of a frame that is not open, so that the frames between have to be guessed
STAY = 1e-5  # a statement written in a frame where none of the kind is known
FADED = 14.0  # log odds below which a guess is given up

Words = tuple[str, str, str]  # rule, method:role, method
Change = tuple[str, int, tuple[str, ...]]  # back to the n-th open frame of this name, then open these


class Step(NamedTuple):
    """A statement was written: how often, where, after which other one, and what that did to the open frames."""

    count: int
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

    __slots__ = ("children", "depth", "moves", "name", "parent")

    def __init__(self, name: str, parent: Place | None) -> None:
        self.name = name
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.children: dict[str, Place] = {}
        self.moves: dict[int, tuple[Move, ...]] = {}

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


Move = tuple[Place, Place, float]  # where to, which open frame stays, log probability


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

    def __init__(self, lines: Mapping[str, tuple[str, str]], steps: Iterable[Step],
                 bounds: Mapping[tuple[str, str, str], Bound], roles: Mapping[str, str]) -> None:
        """`lines`: rule -> method and measured role; `roles`: rule -> role, stronger than the measured one."""
        self._roles = {event: role for event, (_, role) in lines.items()} | dict(roles)
        self._tables = (Table(), Table(), Table())
        self._callers: dict[str, Counter[str]] = defaultdict(Counter)
        self._bounds = bounds
        self._statements: dict[tuple[str | None, str | None], Statement] = {}
        self._roots: dict[str, Place] = {}
        self._unknown = ("", ":", "")
        for step in steps:
            self._count(step, {event: method for event, (method, _) in lines.items()}
                        if False else lines)
        self.frames = frozenset(self._callers)

    def _count(self, step: Step, lines: Mapping[str, tuple[str, str]]) -> None:
        before, now = self._words(step.after, lines), self._words(step.event, lines)
        for table, after, word in zip(self._tables, before, now, strict=True):
            table.add(step.inside, after, word, step.change, step.count)
        caller = step.change[0]
        for name in step.change[2]:
            self._callers[name][caller] += step.count
            caller = name
