"""What lines call things: kind, id, uuid and name by every rendering that any release prints.

A rendering often has one or two of the three; what different lines say of one thing is put together. The renderings
are data: `grammars/entities.toml`. Where they stand is found by `search.py`; nothing here needs pandas.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.parse.needles import every_place
from tracekit.patterns import compiled
from tracekit.prepared import toml_of
from tracekit.schema import ENTITY_KINDS

FILE = "entities.toml"
BODY = "body"
LONGEST = 1 << 8  # bytes of a text that is known again when it stands once more
Groups = tuple[bytes | None, ...]  # of a rendering's pattern
Thing = tuple[str, Any]  # its kind, and its id, else its uuid, else its name


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
    marks: bytes  # each beginning has one of them

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
        fields = {name: compiled(pattern.encode()) for name, pattern in data["fields"].items()}
        every = tuple(
            Rendering(
                row["kind"],
                row["begins"].encode(),
                compiled(row["reads"].encode()),
                row["ends"].encode() if "ends" in row else None,
                tuple(row["samples"]),
            )
            for row in data["entities"]
        )
        marks = data["marks"].encode()
    except (KeyError, re.error) as error:
        raise GrammarError(f"grammars: {FILE}: {error}") from error
    strange = {rendering.kind for rendering in every} - set(ENTITY_KINDS)
    if strange:
        raise GrammarError(f"grammars: {FILE}: kinds that schema.ENTITY_KINDS does not have: {sorted(strange)}")
    return Renderings(fields, every, marks)


def check_renderings(renderings: Renderings) -> Iterator[str]:
    """What is wrong in entities.toml, one line each: samples that are not read, or not as they say."""
    for rendering in renderings.every:
        if not rendering.samples:
            yield f"{FILE}: {rendering.begins.decode()}: no sample"
        for sample in rendering.samples:
            raw = sample["text"].encode()
            stated = Named(rendering.kind, sample.get("id"), sample.get("uuid"), sample.get("name"))
            reading = Reading(rendering, raw, len(raw))
            reading.read(every_place(rendering.begins, raw, 0, len(raw)))
            found = [renderings.read(rendering, groups) for groups in reading.all()]
            if found != [stated]:
                yield f"{FILE}: reads {found}, its sample says {stated}"


def in_order(named: Mapping[Named, int]) -> list[tuple[Named, int]]:
    """The things that were named, and how often, in the order of kinds and ids."""
    last = 1 << 62
    return sorted(
        united(named), key=lambda row: (row[0].kind, last if row[0].id is None else row[0].id, row[0].name or "")
    )


def united(named: Mapping[Named, int]) -> list[tuple[Named, int]]:
    """What was said of one thing put together: by its id, else by its uuid. The text that stands most often wins."""
    by_uuid: dict[tuple[str, str | None], int] = {}
    for said in sorted(named, key=named.__getitem__):
        if said.uuid is not None and said.id is not None:
            by_uuid[said.kind, said.uuid] = said.id
    counts: Counter[Thing] = Counter()
    uuids: defaultdict[Thing, Counter[str]] = defaultdict(Counter)
    names: defaultdict[Thing, Counter[str]] = defaultdict(Counter)
    for said, count in named.items():
        number = said.id if said.id is not None else by_uuid.get((said.kind, said.uuid))
        key = (said.kind, number if number is not None else said.uuid or said.name)
        counts[key] += count
        if said.uuid:
            uuids[key][said.uuid] += count
        if said.name and said.name != "null":
            names[key][said.name] += count
    return [
        (Named(key[0], key[1] if isinstance(key[1], int) else None, most(uuids.get(key)), most(names.get(key))), count)
        for key, count in counts.items()
    ]


def most(texts: Mapping[str, int] | None) -> str | None:
    """The most frequent one, the first of several."""
    return max(texts, key=texts.__getitem__) if texts else None
