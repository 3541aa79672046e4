"""What lines name (`named.py`) and what they tell (`told.py`), found in one pass over the bytes of the logs.

Nothing here needs pandas: a fork of a process that has yet to import it looks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, Self

from tracekit.errors import GrammarError
from tracekit.parse.named import Named, Reading, Renderings, in_order, load_renderings
from tracekit.parse.needles import BLOCK, Needles
from tracekit.parse.told import EVERYWHERE, Heard, Hearing, Telling, load_tellings
from tracekit.patterns import keep_compiled
from tracekit.processes import Forked, Waiting, idle_core
from tracekit.read.files import Sources
from tracekit.resources import grammars

LEAST = 1 << 20  # bytes of logs for which a fork is worth its while
Part = tuple[str, int, int]  # path of a source, first byte, end


class Found(NamedTuple):
    """What some sources say."""

    things: list[tuple[Named, int]]  # what they name, and how often they do, in the order of kinds and ids
    told: list[Heard]


class Search(NamedTuple):
    """What is looked for."""

    renderings: Renderings
    tellings: Sequence[Telling]
    needles: Needles  # where the renderings begin, and then the tellings, in their order

    @classmethod
    def of(cls, root: Traversable) -> Self:
        """What the grammars say. GrammarError where they cannot be understood."""
        renderings, known = load_renderings(root), load_tellings(root)
        try:
            tellings = [known[what] for what in EVERYWHERE]
            begins = (*(one.begins for one in renderings.every), *(one.begins for one in tellings))
            return cls(renderings, tellings, Needles.of(begins, renderings.marks))
        except (KeyError, ValueError) as error:
            raise GrammarError(f"grammars: what is looked for in lines: {error}") from error

    def within(self, data: Any, low: int, high: int, step: int = BLOCK) -> tuple[list[Reading], list[Hearing]]:
        """What each rendering and each telling reads in data[low:high]."""
        readings = [Reading(rendering, data, high) for rendering in self.renderings.every]
        hearings = [Hearing(telling, data, high) for telling in self.tellings]
        read = (*(reading.read for reading in readings), *(hearing.read for hearing in hearings))
        for number, places in self.needles.within(data, low, high, step):
            read[number](places.tolist())
        return readings, hearings


class Searching:
    """What the bytes of some sources say: found by a fork, or by this process."""

    def __init__(self, sources: Sources, parts: Sequence[Part]) -> None:
        self._find = partial(found_in, parts, sources)
        self._large = sum(high - low for _, low, high in parts) >= LEAST
        self._fork: Forked | None = None

    def left_to(self, fork: Forked | None) -> None:
        """A fork finds it that gives what `packed` does; None: one of its own, where it is worth one and there is a
        core for it. That is made while this process is small, and begins when it is told to.
        """
        self._fork = fork or (Waiting(self.packed) if self._large and idle_core() else None)

    def begin(self) -> None:
        """Have a fork of its own begin."""
        if isinstance(self._fork, Waiting):
            self._fork.begin()

    def found(self) -> Found:
        """What they say."""
        packed = self._fork.result() if self._fork else None
        return self._find() if packed is None else unpacked(*packed)

    def packed(self) -> tuple[list[tuple[tuple[Any, ...], int]], list[tuple[Any, ...]]]:
        """The same as marshal takes it."""
        found = self._find()
        return [(tuple(said), count) for said, count in found.things], [tuple(said) for said in found.told]


def unpacked(things: Iterable[tuple[tuple[Any, ...], int]], told: Iterable[tuple[Any, ...]]) -> Found:
    """What `packed` gave."""
    return Found([(Named(*said), count) for said, count in things], [Heard(*said) for said in told])


def found_in(parts: Iterable[Part], sources: Sources) -> Found:
    """What the parts of some sources say."""
    search = Search.of(grammars())
    named: Counter[Named] = Counter()
    told: list[Heard] = []
    for path, low, high in parts:
        readings, hearings = search.within(sources[path].data, low, high)
        for reading in readings:
            for groups, count in reading.all().items():
                said = search.renderings.read(reading.rendering, groups)
                if said is not None:
                    named[said] += count
        told += (hearing.heard(path) for hearing in hearings)
    keep_compiled()
    return Found(in_order(named), told)
