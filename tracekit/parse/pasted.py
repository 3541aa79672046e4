"""Undoes what copying did to a log: colours, entities, lost newlines, broken lines. What it is, is data:
`grammars/pastes.toml`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import toml_of
from tracekit.quality import Collector
from tracekit.read.files import Source

HEAD = 1 << 16  # bytes that decide whether something is to be undone
REPLACED = 1 << 26  # bytes of a log in which texts are replaced; a larger one was not copied by hand
PASTE = 1 << 21  # bytes of a log whose lines are looked at one by one
FEW = 2  # lines that are broken at the same length by chance


class Replaced(NamedTuple):
    """Text that copying put in the place of another."""

    id: str
    find: re.Pattern[bytes]
    unless: re.Pattern[bytes] | None
    put: bytes | Mapping[bytes, bytes]

    def undone(self, data: bytes) -> bytes:
        """`data` with the text that was there before."""
        if isinstance(self.put, bytes):
            return self.find.sub(self.put, data)
        texts = self.put
        return self.find.sub(lambda found: texts.get(found.group(), found.group()), data)


class Broken(NamedTuple):
    """How lines are told that were broken at a width; patterns of one line."""

    begins: re.Pattern[bytes]
    stays: re.Pattern[bytes]
    cut: re.Pattern[bytes]
    lead: re.Pattern[bytes]
    widest: int


class Pastes(NamedTuple):
    """What `grammars/pastes.toml` says."""

    replaced: tuple[Replaced, ...]
    keys: tuple[str, ...]
    glued: re.Pattern[bytes]
    behind: int
    word: re.Pattern[bytes]
    broken: Broken


def load_pastes(root: Traversable) -> Pastes:
    """The file's content. Raises GrammarError where something is missing or wrong."""
    said = toml_of(root / "pastes.toml")
    try:
        glued, broken = said["glued"], said["broken"]
        return Pastes(
            tuple(replaced_of(row) for row in said["replaced"]),
            tuple(said["json"]["keys"]),
            re.compile(glued["begins"].encode()),
            glued["behind"],
            re.compile(glued["word"].encode()),
            Broken(
                **{key: re.compile(broken[key].encode()) for key in ("begins", "stays", "cut", "lead")},
                widest=broken["widest"],
            ),
        )
    except (KeyError, re.error) as error:
        raise GrammarError(f"grammars: pastes.toml: {error!r} is missing or wrong") from error


def replaced_of(row: Mapping[str, Any]) -> Replaced:
    """One entry of `replaced`."""
    put, unless = row["put"], row.get("unless")
    texts = put.encode() if isinstance(put, str) else {key.encode(): text.encode() for key, text in put.items()}
    return Replaced(
        row["id"], re.compile(row["find"].encode()), re.compile(unless.encode(), re.M) if unless else None, texts
    )


def unpasted(source: Source, pastes: Pastes, quality: Collector) -> Source:
    """The source as it was before it was copied; itself where nothing is to be undone."""
    data: Any = source.data
    undone: list[str] = []
    if len(data) <= REPLACED:
        for what in pastes.replaced:
            head = bytes(data[:HEAD])
            if what.find.search(head) and not (what.unless and what.unless.search(head)):
                data = what.undone(bytes(data))
                undone.append(what.id)
    steps: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("lines of JSON", lambda text: from_json(text, pastes.keys)),
        ("broken lines", lambda text: rejoined(text, pastes.broken)),
    )
    for name, step in steps if len(data) <= PASTE else ():
        text = bytes(data)
        made = step(text)
        if made != text:
            data = made
            undone.append(name)
    glued = lost_newlines(bytes(data), pastes) if len(data) <= PASTE else []
    if glued:
        data = parted(bytes(data), glued)
        undone.append("lost newlines")
    if not undone:
        return source
    quality.add("copied text mended", "note", example=f"{source.path}: {', '.join(undone)}", where=source.path)
    return replace(source, data=data, inserted=tuple(place + number for number, place in enumerate(glued)))


def from_json(text: bytes, keys: Sequence[str]) -> bytes:
    """The logged lines of JSON objects, one a line; `text` itself where its lines are none."""
    if not text.startswith(b"{"):
        return text
    made = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return text
        said = next((row[key] for key in keys if key in row), None) if isinstance(row, dict) else None
        if not isinstance(said, str):
            return text
        made.append(said.rstrip("\r\n").encode())
    return b"\n".join(made) + b"\n"


def lost_newlines(text: bytes, pastes: Pastes) -> list[int]:
    """Where a header begins inside a line."""
    made = []
    for found in pastes.glued.finditer(text):
        before = text[text.rfind(b"\n", 0, found.start()) + 1 : found.start()]
        if len(before) >= pastes.behind or pastes.word.search(before):
            made.append(found.start())
    return made


def parted(text: bytes, places: Sequence[int]) -> bytes:
    """`text` with a newline put in before each of `places`."""
    return b"\n".join(text[at:to] for at, to in pairwise([0, *places, len(text)]))


def rejoined(text: bytes, broken: Broken) -> bytes:
    """`text` with its broken lines made whole, each followed by as many empty lines as it has lost: the numbers of all
    other lines stay.
    """
    lines = text.split(b"\n")
    rests = [
        number
        for number in range(1, len(lines))
        if not broken.begins.match(lines[number]) and not broken.stays.match(lines[number])
    ]
    if not rests:
        return text
    lengths = Counter(len(lines[number - 1]) for number in rests)
    length, count = max(lengths.items(), key=lambda pair: pair[1])
    width = max(map(len, lines))
    if length == width and count >= max(FEW, len(rests) / 2):
        return joined(lines, {number for number in rests if len(lines[number - 1]) == width}, b"", broken.lead)
    # A word that is too long stands alone, whatever its length.
    width = max((len(line) for line in lines if b" " in broken.lead.sub(b"", line, count=1).strip()), default=0)
    if width > broken.widest or not any(broken.cut.match(lines[number - 1]) for number in rests):
        return text
    full = {number for number in rests if did_not_fit(lines[number - 1], lines[number], width, broken.lead)}
    return joined(lines, full, b" ", broken.lead)


def did_not_fit(line: bytes, rest: bytes, width: int, lead: re.Pattern[bytes]) -> bool:
    """Whether the first word of `rest` would have made `line` wider than `width`."""
    words = lead.sub(b"", rest, count=1).split(b" ", 1)
    return len(line.rstrip()) + 1 + len(words[0]) > width


def joined(lines: Sequence[bytes], rests: set[int], between: bytes, lead: re.Pattern[bytes]) -> bytes:
    """The text of `lines`, those of `rests` at the end of the line before them."""
    made: list[bytes] = []
    empty = 0
    for number, line in enumerate(lines):
        if number in rests:
            rest = lead.sub(b"", line, count=1) if between else line
            made[-1] = made[-1].rstrip(b"\r" + between) + between + rest
            empty += 1
            continue
        made += [b""] * empty + [line]
        empty = 0
    return b"\n".join(made + [b""] * empty)
