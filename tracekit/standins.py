"""Stand-ins for what names people and places: addresses, hosts, accounts, users, VMs, e-mail addresses, UUIDs.

A stand-in is of the same kind as what it stands for and, where it can be, as long; the same everywhere in one run and
in every run over the same input. A log with stand-ins is still a log: what is joined by a name or by the first digits
of a UUID is joined by its stand-in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from tracekit.aside import Text
from tracekit.processes import Forked
from tracekit.read.blocks import Part, by_two, in_two, parts_of, text_of
from tracekit.read.files import Source, Sources
from tracekit.redact import mask, suspicious
from tracekit.report.words import words
from tracekit.wholewords import WholeWords

if TYPE_CHECKING:
    from tracekit.trace import Trace

PARTS = 1 << 18  # of which is known what is said instead
SHORTEST = 3  # characters of a name; shorter ones stand in too many other words
LETTERS = {"host": "h", "account": "a", "user": "u", "VM": "v"}
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
MAC = r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])"  # also the end of a longer id, as a DUID is
_G = r"[0-9a-fA-F]{1,4}"  # a group of an IPv6 address
V6 = rf"(?<![\w:.])(?:(?:{_G}:){{7}}{_G}|(?:{_G}:){{1,6}}(?::{_G}){{1,6}})(?![\w:])"
V4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"
MAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
_KINDS = re.compile(f"(?P<uuid>{UUID})|(?P<mac>{MAC})|(?P<mail>{MAIL})|(?P<v6>{V6})|(?P<v4>{V4})")
_NO_MAIL = re.compile(f"(?P<uuid>{UUID})|(?P<mac>{MAC})|(?P<v6>{V6})|(?P<v4>{V4})")  # five times as fast
_SIGNS = re.compile(r"-[0-9a-fA-F]{4}-|:[0-9a-fA-F]{0,4}:|\.\d|@")  # each kind has one of them
_SHORT = re.compile(r"(?<![\w-])[0-9a-f]{8}(?![\w-])")  # the first digits of a UUID, as a logid has them


@dataclass
class StandIns:
    """The map of one run. First :meth:`learn` all of it, then :meth:`written` gives files back with stand-ins.

    A log says the same over and over: text is taken apart at spaces and commas, which nothing that is replaced has but
    few names, and each different part is looked at once.
    """

    names: Mapping[str, str]  # what is replaced as a whole word → its kind
    made: dict[str, tuple[str, str]] = field(default_factory=dict)  # original → kind, stand-in
    _counts: dict[str, int] = field(default_factory=dict)
    _heads: dict[str, str] = field(default_factory=dict)  # first digits of UUIDs → those of their stand-ins

    def __post_init__(self) -> None:
        said = {name: self._make(self.names[name], name) for name in sorted(self.names)}
        apart = {name: stand_in for name, stand_in in said.items() if " " in name or "," in name}
        self._names, self._apart = WholeWords({name: said[name] for name in said.keys() - apart}), WholeWords(apart)
        self._word, self._part = lru_cache(PARTS)(self._word_anew), lru_cache(PARTS)(self._part_anew)

    @classmethod
    def of(cls, trace: Trace) -> StandIns:
        """The map for the input of `trace`, complete."""
        made = cls(names_of(trace))
        for source in trace.sources:
            own, others = in_two(parts_of(source))
            fork = Forked(partial(list, found_in(source, others))) if others else None
            made.learn(found_in(source, own))
            found = fork.result() if fork else None
            made.learn(found_in(source, others) if found is None else found)
        return made

    def learn(self, found: Iterable[tuple[str, str]]) -> None:
        """Give all that was found, kind and text, a stand-in, in this order."""
        known = len(self.made)
        for kind, original in found:
            self._make(kind, original)
        if len(self.made) > known:
            self._word.cache_clear()
            self._part.cache_clear()

    def replaced(self, text: str) -> str:
        """`text` without secrets, and with stand-ins."""
        self.learn(found_in_text(text))
        return self._replaced(text)

    def sources(self, sources: Sources) -> Sources:
        """The same files with stand-ins, large ones outside of memory; their names as well."""
        return Sources(tuple(map(self._source, sources)))

    def _source(self, source: Source) -> Source:
        whole = Text()
        for block in self.written(source):
            whole.add(block)
        return Source(self.replaced(source.path), whole.whole(), source.packed, source.listed)

    def written(self, source: Source) -> Iterator[bytes]:
        """A file of which all is learnt, with stand-ins, block by block."""
        return by_two(partial(self._blocks, source), parts_of(source))

    def _blocks(self, source: Source, parts: Sequence[Part]) -> Iterator[bytes]:
        for part in parts:
            yield self._replaced(text_of(source, part)).encode("utf-8", errors="surrogateescape")

    def _replaced(self, text: str) -> str:
        if "PRIVATE KEY" in text:
            text = mask(text, userdata=True)
        lines = text.split("\n")
        if self._apart:
            lines = [self._apart.replaced(mask(line, userdata=True)) for line in lines]
        for number, line in enumerate(lines):
            parts: list[Any] = list(map(self._word, line.split(" ")))
            if None in parts:
                parts = [self._word(word) or self._instead(word) for word in mask(line, userdata=True).split(" ")]
            lines[number] = " ".join(parts)
        return "\n".join(lines)

    def _word_anew(self, word: str) -> str | None:
        """What is said instead of a word; None when its line may have a secret."""
        return None if suspicious(word) else self._instead(word)

    def _instead(self, word: str) -> str:
        return ",".join(map(self._part, word.split(",")))

    def _part_anew(self, part: str) -> str:
        """What is said instead of a part of a word that has no secrets."""
        for found in reversed(list(kinds_in(part))):
            said = self._make(str(found.lastgroup), found.group())
            part = part[: found.start()] + said + part[found.end() :]
        if self._heads:
            part = _SHORT.sub(lambda found: self._heads.get(found.group(), found.group()), part)
        return self._names.replaced(part)

    def table(self) -> str:
        """The private map: kind, original, stand-in, separated by tabs."""
        rows = [f"{kind}\t{original}\t{stand_in}\n" for original, (kind, stand_in) in self.made.items()]
        return "kind\toriginal\tstand-in\n" + "".join(rows)

    def _make(self, kind: str, original: str) -> str:
        known = self.made.get(original)
        if known is not None:
            return known[1]
        if kind in ("v4", "v6") and not _identifies(original):
            return original
        first, domain, _ = original.partition(".")
        if kind == "host" and domain:
            stand_in = f"{self._make('host', first)}.example.org"
        else:
            sub = _block_of(original) if kind == "v4" else kind
            number = self._counts[sub] = self._counts.get(sub, 0) + 1
            stand_in = _stand_in(kind, sub, number, original)
        self.made[original] = ({"v4": "address", "v6": "address"}.get(kind, kind), stand_in)
        if kind == "uuid":
            self._heads.setdefault(original[:8].lower(), stand_in[:8])
        return stand_in


def kinds_in(part: str) -> Iterator[re.Match[str]]:
    """Everything in a part of a text that is not a name."""
    if not _SIGNS.search(part):
        return iter(())
    return (_KINDS if "@" in part else _NO_MAIL).finditer(part)


def names_of(trace: Trace) -> dict[str, str]:
    """Names in the tables of a trace that are nobody's but the owner's → their kind."""
    found: dict[str, str] = {}
    entities = trace.operations["entity"].dropna()
    given = [part.strip("()") for entity in entities for part in str(entity).split(" ")]
    columns: tuple[tuple[str, Iterable[object]], ...] = (
        ("host", [label for host in trace.commands["host_name"].dropna().unique() for label in _host_names(str(host))]),
        ("account", trace.operations["account"].dropna().unique()),
        ("user", trace.operations["user"].dropna().unique()),
        ("VM", given),
    )
    for kind, values in columns:
        for value in values:
            name = str(value)
            made_by_us = any(re.fullmatch(pattern, name) for pattern in words().kept)
            if len(name) >= SHORTEST and not name.isdigit() and not made_by_us and not _KINDS.search(name):
                found.setdefault(name, kind)
    return found


def found_in(source: Source, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """Kind and text of everything in some parts of a file that is not a name, in the order in which it stands there."""
    return chain.from_iterable(found_in_text(text_of(source, part)) for part in parts)


def found_in_text(text: str) -> Iterator[tuple[str, str]]:
    """The same in a text; what stands there more than once may come once."""
    words = dict.fromkeys(text.split(" "))
    for part in dict.fromkeys(chain.from_iterable(word.split(",") for word in words)):
        for found in kinds_in(part):
            yield str(found.lastgroup), found.group()


def _host_names(host: str) -> list[str]:
    """A host's whole name and, where it has a domain, its first label."""
    first, *rest = host.split(".")
    return [host, first] if rest else [host]


def _identifies(address: str) -> bool:
    """Whether an address is one of a machine: no loopback, mask, wildcard or version number."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return False
    if read.version == 6:
        return not (read.is_loopback or read.is_unspecified)
    first, *_, last = address.split(".")
    return not (read.is_loopback or first in ("0", "255") or (int(first) < 10 and last == "0"))


def _block_of(address: str) -> str:
    """The range that an address and so its stand-in is from."""
    read = ipaddress.ip_address(address) if _identifies(address) else None
    return "link" if read and read.is_link_local else "private" if read and read.is_private else "public"


def _stand_in(kind: str, block: str, number: int, original: str) -> str:
    if kind == "uuid":
        return f"{number:08x}-0000-4000-8000-{number:012x}"
    high, middle, low = number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF
    if kind == "mac":
        return f"02:00:00:{high:02x}:{middle:02x}:{low:02x}"
    if kind == "mail":
        return f"mail{number}@example.org"
    if kind == "v6":
        return f"fd00::{number:x}"
    if kind == "v4":
        first = {"link": "169.254", "private": f"10.{high}", "public": f"198.{18 + (high & 1)}"}[block]
        return f"{first}.{middle}.{low}"
    width = max(len(original) - 1, len(str(number)))
    return f"{LETTERS[kind]}{number:0{width}d}"
