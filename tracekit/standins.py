"""Stand-ins for what names people and places: addresses, hosts, accounts, users, VMs, e-mail addresses, UUIDs.

A stand-in is of the same kind as what it stands for and, where it can be, as long; the same everywhere in one run and
in every run over the same input. A log with stand-ins is still a log: what is joined by a name or by the first digits
of a UUID is joined by its stand-in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracekit.read.files import Source, Sources
from tracekit.redact import mask
from tracekit.report.words import words

if TYPE_CHECKING:
    from tracekit.trace import Trace

BLOCK = 4_000_000  # bytes that are worked on at once
SHORTEST = 3  # characters of a name; shorter ones stand in too many other words
LETTERS = {"host": "h", "account": "a", "user": "u", "VM": "v"}
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
MAC = r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])"  # also the end of a longer id, as a DUID is
_G = r"[0-9a-fA-F]{1,4}"  # a group of an IPv6 address
V6 = rf"(?<![\w:.])(?:(?:{_G}:){{7}}{_G}|(?:{_G}:){{1,6}}(?::{_G}){{1,6}})(?![\w:])"
V4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"
MAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
_KINDS = re.compile(f"(?P<uuid>{UUID})|(?P<mac>{MAC})|(?P<mail>{MAIL})|(?P<v6>{V6})|(?P<v4>{V4})")
_SHORT = re.compile(r"(?<![\w-])[0-9a-f]{8}(?![\w-])")  # the first digits of a UUID, as a logid has them


@dataclass
class StandIns:
    """The map of one run. First :meth:`learn` all text, then :meth:`replaced` gives it back with stand-ins."""

    names: Mapping[str, str]  # what is replaced as a whole word → its kind
    made: dict[str, tuple[str, str]] = field(default_factory=dict)  # original → kind, stand-in
    _counts: dict[str, int] = field(default_factory=dict)
    _heads: dict[str, str] = field(default_factory=dict)  # first digits of UUIDs → those of their stand-ins
    _words: re.Pattern[str] | None = None

    def __post_init__(self) -> None:
        for name in sorted(self.names):
            self._make(self.names[name], name)
        longest = sorted(self.names, key=lambda name: (-len(name), name))
        if longest:
            either = "|".join(map(re.escape, longest))
            self._words = re.compile(f"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])")

    @classmethod
    def of(cls, trace: Trace) -> StandIns:
        """The map for the input of `trace`, complete."""
        made = cls(names_of(trace))
        for source in trace.sources:
            for block in blocks(source):
                made.learn(block)
        return made

    def learn(self, text: str) -> None:
        """Give everything in `text` its stand-in, in the order in which it stands there."""
        for found in _KINDS.finditer(text):
            self._make(str(found.lastgroup), found.group())

    def replaced(self, text: str) -> str:
        """`text` without secrets, and with stand-ins."""
        said = "PRIVATE KEY" in text
        clean = mask(text, userdata=True) if said else "\n".join(mask(line, userdata=True) for line in text.split("\n"))
        clean = _KINDS.sub(lambda found: self._make(str(found.lastgroup), found.group()), clean)
        if self._heads:
            clean = _SHORT.sub(lambda found: self._heads.get(found.group(), found.group()), clean)
        return self._words.sub(lambda found: self.made[found.group()][1], clean) if self._words else clean

    def sources(self, sources: Sources) -> Sources:
        """The same files with stand-ins, in memory; their names as well."""
        files = [
            Source(self.replaced(source.path), b"".join(self.written(source)), source.packed, source.listed)
            for source in sources
        ]
        return Sources(tuple(files))

    def written(self, source: Source) -> Iterator[bytes]:
        """A file with stand-ins, block by block."""
        for block in blocks(source):
            yield self.replaced(block).encode("utf-8", errors="surrogateescape")

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


def blocks(source: Source) -> Iterator[str]:
    """The text of a file in pieces of about BLOCK bytes, cut where a line begins with a digit, as records do."""
    at, size = 0, len(source)
    while at < size:
        raw = source.slice(at, BLOCK)
        if at + len(raw) < size:
            cuts = [raw.rfind(b"\n" + str(digit).encode()) for digit in range(10)]
            cut = max(*cuts, -1)
            raw = raw[: cut + 1] if cut > 0 else raw[: raw.rfind(b"\n") + 1] or raw
        yield raw.decode("utf-8", errors="surrogateescape")
        at += len(raw)


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
