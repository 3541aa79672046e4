"""What lines tell of machines, bridges, stores and databases; how they say it is `grammars/topology.toml`.

Nothing here needs pandas: it is found together with what lines name (`search.py`).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.parse.named import Groups
from tracekit.parse.needles import every_place
from tracekit.patterns import compiled
from tracekit.prepared import toml_of
from tracekit.resources import grammars

FILE = "topology.toml"
EVERYWHERE = ("machine", "startup", "primary", "secondary", "database")  # others are read where one of these stands
Said = Mapping[str, str]


class Telling(NamedTuple):
    """One thing that records say, and how."""

    what: str
    begins: bytes
    pattern: re.Pattern[bytes]
    samples: tuple[Mapping[str, str], ...]

    def within(self, data: Any, low: int, high: int) -> list[Said]:
        """What each occurrence in data[low:high] says, one behind the other."""
        hearing = Hearing(self, data, high)
        hearing.read(every_place(self.begins, data, low, high))
        said = list(map(self.said, hearing.known))
        return [said[number] for number in hearing.numbers]

    def first(self, data: Any, low: int, high: int) -> Said:
        """What data[low:high], one record, says first of it; nothing where it does not say it."""
        match = self.pattern.search(data, low, high)
        return self.said(match.groups()) if match else {}

    def said(self, groups: Groups) -> Said:
        """What an occurrence says of which the pattern has these groups."""
        named = self.pattern.groupindex.items()
        return {name: text.decode("utf-8", "replace") for name, number in named if (text := groups[number - 1])}


class Heard(NamedTuple):
    """What one telling says in a source, of nothing but what marshal can write."""

    what: str
    path: str
    said: list[Groups]  # the different things: a log says the same again and again
    numbers: bytes  # of each occurrence that of what it says, 32 bits
    ends: bytes  # and the byte where it ends, 64 bits


@dataclass
class Hearing:
    """What one telling says in data[:high], place by place. Occurrences do not overlap."""

    telling: Telling
    data: Any
    high: int
    known: dict[Groups, int] = field(default_factory=dict)
    numbers: array[int] = field(default_factory=lambda: array("i"))
    ends: array[int] = field(default_factory=lambda: array("q"))

    def read(self, places: Iterable[int]) -> None:
        """Read what is said at some places, which go on behind those before."""
        match, data, high = self.telling.pattern.match, self.data, self.high
        end = self.ends[-1] if self.ends else 0
        for at in places:
            found = match(data, at, high) if at >= end else None
            if found:
                end = found.end()
                self.ends.append(end)
                self.numbers.append(self.known.setdefault(found.groups(), len(self.known)))

    def heard(self, path: str) -> Heard:
        """All that was said, in the source of a path."""
        return Heard(self.telling.what, path, list(self.known), self.numbers.tobytes(), self.ends.tobytes())


def load_tellings(root: Traversable) -> dict[str, Telling]:
    """Read `grammars/topology.toml`. GrammarError where it cannot be understood."""
    try:
        data = toml_of(root / FILE)
        every = [
            Telling(row["what"], row["begins"].encode(), compiled(row["reads"].encode()), tuple(row["samples"]))
            for row in data["tells"]
        ]
    except (KeyError, re.error) as error:
        raise GrammarError(f"grammars: {FILE}: {error}") from error
    return {telling.what: telling for telling in every}


def check_tellings(tellings: Mapping[str, Telling]) -> Iterator[str]:
    """What is wrong in topology.toml, one line each: samples that are not read, or not as they say."""
    for telling in tellings.values():
        if not telling.samples:
            yield f"{FILE}: {telling.what}: no sample"
        for sample in telling.samples:
            raw = sample["text"].encode()
            stated = {name: value for name, value in sample.items() if name != "text"}
            found = telling.within(raw, 0, len(raw))
            if found != [stated]:
                yield f"{FILE}: reads {found}, its sample says {stated}"


@cache
def tellings() -> Mapping[str, Telling]:
    """The tellings that come with tracekit; read once."""
    return load_tellings(grammars())
