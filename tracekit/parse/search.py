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
from tracekit.processes import Waiting, idle_core
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
    """What some sources say. A fork finds it, where there is a core for it and they are large enough: it is made while
    this process is small, and begins when it is known which bytes were read.
    """

    def __init__(self, sources: Sources) -> None:
        self._find = partial(found_in, sources=sources)
        self._parts: Sequence[Part] = ()
        worth = idle_core() and sum(map(len, sources)) >= LEAST
        self._fork = Waiting(self._packed) if worth else None

    def begin(self, parts: Sequence[Part]) -> None:
        """Begin with the bytes that were read."""
        self._parts = parts
        if self._fork:
            self._fork.tell(parts)

    def found(self) -> Found:
        """What they say."""
        packed = self._fork.result() if self._fork else None
        if packed is None:
            return self._find(self._parts)
        things, told = packed
        return Found([(Named(*said), count) for said, count in things], [Heard(*said) for said in told])

    def _packed(self, parts: Sequence[Part]) -> tuple[list[tuple[tuple[Any, ...], int]], list[tuple[Any, ...]]]:
        found = self._find(parts)
        return [(tuple(said), count) for said, count in found.things], [tuple(said) for said in found.told]


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
