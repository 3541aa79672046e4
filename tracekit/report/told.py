"""What lines tell of machines, bridges, stores and databases; how they say it is `grammars/topology.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import numpy as np

from tracekit.build.entities import occurrences, read_parts
from tracekit.errors import GrammarError
from tracekit.prepared import toml_of
from tracekit.resources import grammars

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracekit.trace import Trace

FILE = "topology.toml"
Said = Mapping[str, str]


@dataclass(frozen=True)
class Telling:
    """One thing that records say, and how."""

    what: str
    begins: bytes
    pattern: re.Pattern[bytes]
    samples: tuple[Mapping[str, str], ...]

    def within(self, data: Any, low: int, high: int) -> Iterator[tuple[int, Said]]:
        """Each occurrence in data[low:high]: the byte where it ends, and what it says."""
        for match in occurrences(data, low, high, self.begins, self.pattern):
            said = {name: value.decode("utf-8", "replace") for name, value in match.groupdict().items() if value}
            yield match.end(), said


@dataclass(frozen=True)
class Start:
    """A VM that a host was told to start."""

    machine: str
    host: str
    key: tuple[int, int]  # host, sequence number of the command
    record: int
    nics: tuple[Said, ...]


@dataclass
class Store:
    """A storage pool or image store."""

    what: str
    said: Said
    record: int  # the first that tells of it
    hosts: set[str] = field(default_factory=set)  # whose commands name it


@dataclass
class Told:
    """What the lines of a log tell."""

    starts: list[Start] = field(default_factory=list)
    stores: dict[tuple[str, ...], Store] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)  # host -> address
    databases: dict[str, int] = field(default_factory=dict)  # address/name -> record


def load_tellings(root: Traversable) -> dict[str, Telling]:
    """Read `grammars/topology.toml`. GrammarError where it cannot be understood."""
    try:
        data = toml_of(root / FILE)
        every = [
            Telling(row["what"], row["begins"].encode(), re.compile(row["reads"].encode()), tuple(row["samples"]))
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
            found = [said for _, said in telling.within(raw, 0, len(raw))]
            if found != [stated]:
                yield f"{FILE}: reads {found}, its sample says {stated}"


@cache
def tellings() -> Mapping[str, Telling]:
    """The tellings that come with tracekit; read once."""
    return load_tellings(grammars())


def told_of(trace: Trace) -> Told:
    """Everything that the records of a trace tell, in their order."""
    told = Told()
    numbers = trace.records["source"].cat.codes.to_numpy()
    paths = [str(path) for path in trace.records["source"].cat.categories]
    for path, low, high in read_parts(trace.records):
        rows = np.flatnonzero(numbers == paths.index(path))
        part = _Part(trace.sources[path].data, rows, trace.records["offset"].to_numpy()[rows], low, high)
        _read(part, told)
    return told


@dataclass(frozen=True)
class _Part:
    """The bytes of one source and where its records stand in them."""

    data: Any
    rows: npt.NDArray[np.intp]
    offsets: npt.NDArray[np.int64]
    low: int
    high: int

    def occurrences(self, what: str) -> Iterator[tuple[int, int, Said]]:
        """Each occurrence in the part: its record's place among the rows, the byte where it ends, what it says."""
        for end, said in tellings()[what].within(self.data, self.low, self.high):
            yield max(int(np.searchsorted(self.offsets, end, side="left")) - 1, 0), end, said

    def within(self, place: int) -> tuple[int, int]:
        """First byte of a record, and the one behind it."""
        return int(self.offsets[place]), int(self.offsets[place + 1]) if place + 1 < len(self.offsets) else self.high

    def first(self, what: str, place: int, begin: int | None = None) -> Said:
        """What a record says first of something, from byte `begin` on; nothing where it does not say it."""
        low, high = self.within(place)
        return next((said for _, said in tellings()[what].within(self.data, begin or low, high)), {})


def _read(part: _Part, told: Told) -> None:
    """Add what one part tells."""
    for place, end, said in part.occurrences("machine"):
        host, command = part.first("host", place), part.first("command", place)
        if not host or not command:
            continue
        _, high = part.within(place)
        nics = tuple(nic for _, nic in tellings()["nic"].within(part.data, end, high))
        key = (int(command["id"]), int(command["seq"]))
        told.starts.append(Start(said["name"], host["name"], key, int(part.rows[place]), nics))
        address = part.first("at", place, end)
        if address:
            told.addresses.setdefault(host["name"], address["address"])
    for _, _, said in part.occurrences("startup"):
        told.addresses[said["name"]] = said["address"]
    for place, _, said in part.occurrences("database"):
        told.databases.setdefault(f"{said['address']}/{said['name']}", int(part.rows[place]))
    for what in ("primary", "secondary"):
        _read_stores(part, what, told)


def _read_stores(part: _Part, what: str, told: Told) -> None:
    for place, _, said in part.occurrences(what):
        key = (what, *said.values())
        store = told.stores.setdefault(key, Store(what, said, int(part.rows[place])))
        host = part.first("host", place)
        if host:
            store.hosts.add(host["name"])
