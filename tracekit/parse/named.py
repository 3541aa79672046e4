"""What lines call things: kind, id, uuid and name by every rendering that any release prints.

A rendering often has one or two of the three; what different lines say of one thing is put together. The renderings
are data: `grammars/entities.toml`. Nothing here needs pandas: a fork of a process that has yet to import it finds what
a log names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.parse.needles import BLOCK, Needles
from tracekit.prepared import toml_of
from tracekit.processes import Waiting, idle_core
from tracekit.read.files import Sources
from tracekit.resources import grammars
from tracekit.schema import ENTITY_KINDS

FILE = "entities.toml"
BODY = "body"
LEAST = 1 << 20  # bytes of logs for which a fork is worth its while
LONGEST = 1 << 8  # bytes of a text that is known again when it stands once more
Groups = tuple[bytes | None, ...]  # of a rendering's pattern
Part = tuple[str, int, int]  # path of a source, first byte, end


class Named(NamedTuple):
    """What one occurrence says."""

    kind: str
    id: int | None
    uuid: str | None
    name: str | None


class Rendering(NamedTuple):
    """How one kind of entity is printed by some releases."""

    kind: str
    begins: bytes
    pattern: re.Pattern[bytes]
    ends: bytes | None  # the character up to which the pattern reads; None where that is not told
    samples: tuple[Mapping[str, Any], ...]


@dataclass
class Reading:
    """What one rendering reads in data[:high], place by place. Occurrences do not overlap."""

    rendering: Rendering
    data: Any
    high: int
    end: int = 0  # up to here all is read
    counted: Counter[Groups] = field(default_factory=Counter)
    known: dict[bytes, Groups] = field(default_factory=dict)  # texts without their ends: a log has few, many times
    again: dict[bytes, int] = field(default_factory=dict)  # how often each of them stood there once more

    def read(self, places: Iterable[int]) -> None:
        """Read what is said at some places."""
        data, ends, again, last = self.data, self.rendering.ends, self.again, self.high - LONGEST
        for at in places:
            text = data[at : at + LONGEST].partition(ends)[0] if ends and at <= last else None
            if text in again and at >= self.end:
                again[text] += 1
            else:
                self.read_anew(at, text)

    def read_anew(self, at: int, text: bytes | None) -> None:
        """Have the pattern read at a place, and know the text again that it reads when nothing can overlap it."""
        if at < self.end:
            return
        match = self.rendering.pattern.match(self.data, at, self.high)
        if not match:
            self.skip_line(at)
            return
        self.end, groups = match.end(), match.groups()
        self.counted[groups] += 1
        if text and self.end == at + len(text) + 1 and self.rendering.begins not in text[1:]:
            self.known[text], self.again[text] = groups, 0

    def skip_line(self, at: int) -> None:
        """Read nothing of a line that does not end what begins at a place: beginnings without number may follow."""
        if self.rendering.ends:
            line = self.data.find(b"\n", at, self.high)
            line = self.high if line < 0 else line
            if self.data.find(self.rendering.ends, at, line) < 0:
                self.end = line

    def all(self) -> Counter[Groups]:
        """What was said, counted."""
        for text, times in self.again.items():
            self.counted[self.known[text]] += times
        return self.counted


class Renderings(NamedTuple):
    """entities.toml."""

    fields: Mapping[str, re.Pattern[bytes]]
    every: tuple[Rendering, ...]
    needles: Needles  # where the renderings begin, in their order

    def found(self, data: Any, low: int, high: int, step: int = BLOCK) -> list[Counter[Groups]]:
        """What each rendering reads in data[low:high], counted. Occurrences of one rendering do not overlap."""
        readings = [Reading(rendering, data, high) for rendering in self.every]
        for number, places in self.needles.within(data, low, high, step):
            readings[number].read(places.tolist())
        return [reading.all() for reading in readings]

    def read(self, rendering: Rendering, groups: Groups) -> Named | None:
        """What one occurrence says; None where it names nothing."""
        named = {name: groups[number - 1] for name, number in rendering.pattern.groupindex.items()}
        said = {name: value for name, value in named.items() if value is not None}
        body = said.pop(BODY, None)
        if body is not None:
            read = ((name, pattern.search(body)) for name, pattern in self.fields.items())
            said |= {name: field.group(1) for name, field in read if field}
        if not said:
            return None
        texts = {name: value.decode("utf-8", "replace") for name, value in said.items()}
        return Named(rendering.kind, int(texts["id"]) if "id" in texts else None, texts.get("uuid"), texts.get("name"))


def load_renderings(root: Traversable) -> Renderings:
    """Read `grammars/entities.toml`. GrammarError where it cannot be understood."""
    try:
        data = toml_of(root / FILE)
        fields = {name: re.compile(pattern.encode()) for name, pattern in data["fields"].items()}
        every = tuple(
            Rendering(
                row["kind"],
                row["begins"].encode(),
                re.compile(row["reads"].encode()),
                row["ends"].encode() if "ends" in row else None,
                tuple(row["samples"]),
            )
            for row in data["entities"]
        )
        needles = Needles.of((rendering.begins for rendering in every), data["marks"].encode())
    except (KeyError, ValueError, re.error) as error:
        raise GrammarError(f"grammars: {FILE}: {error}") from error
    strange = {rendering.kind for rendering in every} - set(ENTITY_KINDS)
    if strange:
        raise GrammarError(f"grammars: {FILE}: kinds that schema.ENTITY_KINDS does not have: {sorted(strange)}")
    return Renderings(fields, every, needles)


def check_renderings(renderings: Renderings) -> Iterator[str]:
    """What is wrong in entities.toml, one line each: samples that are not read, or not as they say."""
    for number, rendering in enumerate(renderings.every):
        if not rendering.samples:
            yield f"{FILE}: {rendering.begins.decode()}: no sample"
        for sample in rendering.samples:
            raw = sample["text"].encode()
            stated = Named(rendering.kind, sample.get("id"), sample.get("uuid"), sample.get("name"))
            found = [renderings.read(rendering, groups) for groups in renderings.found(raw, 0, len(raw))[number]]
            if found != [stated]:
                yield f"{FILE}: reads {found}, its sample says {stated}"


class Naming:
    """What some sources name. A fork finds it, where there is a core for it and they are large enough: it is made
    while this process is small, and begins when it is known which bytes were read.
    """

    def __init__(self, sources: Sources) -> None:
        self._find = partial(things_in, sources=sources)
        self._parts: Sequence[Part] = ()
        worth = idle_core() and sum(map(len, sources)) >= LEAST
        self._fork = Waiting(self._packed) if worth else None

    def begin(self, parts: Sequence[Part]) -> None:
        """Begin with the bytes that were read."""
        self._parts = parts
        if self._fork:
            self._fork.tell(parts)

    def found(self) -> list[tuple[Named, int]]:
        """What they name, and how often they do."""
        packed = self._fork.result() if self._fork else None
        return self._find(self._parts) if packed is None else [(Named(*said), count) for said, count in packed]

    def _packed(self, parts: Sequence[Part]) -> list[tuple[tuple[Any, ...], int]]:
        return [(tuple(said), count) for said, count in self._find(parts)]


def things_in(parts: Iterable[Part], sources: Sources) -> list[tuple[Named, int]]:
    """The things that the parts of some sources name, and how often they do, in the order of kinds and ids."""
    last = 1 << 62
    things = united(names_in(parts, sources))
    return sorted(things, key=lambda row: (row[0].kind, last if row[0].id is None else row[0].id, row[0].name or ""))


def names_in(parts: Iterable[Part], sources: Sources) -> Counter[Named]:
    """What the parts of some sources name, and how often they do."""
    renderings = load_renderings(grammars())
    named: Counter[Named] = Counter()
    for path, low, high in parts:
        found = renderings.found(sources[path].data, low, high)
        for rendering, occurring in zip(renderings.every, found, strict=True):
            for groups, count in occurring.items():
                said = renderings.read(rendering, groups)
                if said is not None:
                    named[said] += count
    return named


def united(named: Mapping[Named, int]) -> list[tuple[Named, int]]:
    """What was said of one thing put together: by its id, else by its uuid. The text that stands most often wins."""
    by_uuid: dict[tuple[str, str | None], int] = {}
    for said in sorted(named, key=named.__getitem__):
        if said.uuid is not None and said.id is not None:
            by_uuid[said.kind, said.uuid] = said.id
    things: dict[tuple[str, Any], tuple[Counter[str], Counter[str], Counter[int]]] = {}
    for said, count in named.items():
        number = said.id if said.id is not None else by_uuid.get((said.kind, said.uuid))
        key = (said.kind, number if number is not None else said.uuid or said.name)
        uuids, names, counts = things.setdefault(key, (Counter(), Counter(), Counter()))
        counts[0] += count
        if said.uuid:
            uuids[said.uuid] += count
        if said.name and said.name != "null":
            names[said.name] += count
    return [
        (Named(kind, key if isinstance(key, int) else None, most(uuids), most(names)), counts[0])
        for (kind, key), (uuids, names, counts) in things.items()
    ]


def most(texts: Counter[str]) -> str | None:
    """The most frequent one."""
    return texts.most_common(1)[0][0] if texts else None
