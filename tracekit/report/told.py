"""What lines tell of machines, bridges, stores and databases; how they say it is `grammars/topology.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tracekit.errors import GrammarError
from tracekit.prepared import toml_of
from tracekit.resources import grammars

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracekit.trace import Trace

FILE = "topology.toml"
Said = Mapping[str, str]


class Telling(NamedTuple):
    """One thing that records say, and how."""

    what: str
    begins: bytes
    pattern: re.Pattern[bytes]
    samples: tuple[Mapping[str, str], ...]

    def within(self, data: Any, low: int, high: int) -> Iterator[tuple[int, Said]]:
        """Each occurrence in data[low:high], one behind the other: the byte where it ends, and what it says."""
        known: dict[tuple[bytes | None, ...], Said] = {}  # a log says the same again and again
        read = self.pattern.match
        at = data.find(self.begins, low, high)
        while at >= 0:
            match = read(data, at, high)
            if match:
                said = known.get(groups := match.groups())
                if said is None:
                    said = known[groups] = said_in(match)
                yield (end := match.end()), said
            at = data.find(self.begins, end if match else at + 1, high)

    def first(self, data: Any, low: int, high: int) -> Said:
        """What data[low:high], one record, says first of it; nothing where it does not say it."""
        match = self.pattern.search(data, low, high)
        return said_in(match) if match else {}


def said_in(match: re.Match[bytes]) -> Said:
    """What one occurrence says."""
    return {name: text.decode("utf-8", "replace") for name, text in match.groupdict().items() if text}


class Start(NamedTuple):
    """A VM that a host was told to start."""

    machine: str
    host: str
    key: tuple[int, int]  # host, sequence number of the command
    record: int
    behind: Callable[[], bytes]  # the rest of the record

    def nics(self) -> tuple[Said, ...]:
        """The nics that it was to have; read when they are asked for, because most VMs are started again later."""
        rest = self.behind()
        return tuple(nic for _, nic in tellings()["nic"].within(rest, 0, len(rest)))


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
    offsets, lengths = (trace.records[name].to_numpy() for name in ("offset", "length"))
    numbers, paths = trace.records["source"].cat.codes.to_numpy(), trace.records["source"].cat.categories
    for number, path in enumerate(paths):
        rows = np.flatnonzero(numbers == number) if len(paths) > 1 else np.arange(len(numbers), dtype=np.int32)
        if rows.size:
            high = int(offsets[rows[-1]] + lengths[rows[-1]])
            _read(_Part(trace.sources[path].data, rows, offsets[rows] if len(paths) > 1 else offsets, high), told)
    return told


@dataclass(frozen=True)
class _Part:
    """The bytes of one source and where its records stand in them."""

    data: Any
    rows: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]  # ascending
    high: int
    hosts: dict[int, str | None] = field(default_factory=dict)  # by the byte where a record begins

    def occurrences(self, what: str) -> Iterator[tuple[int, int, int, int, Said]]:
        """Each occurrence in the part: number, first byte and end of its record, byte where it ends, what it says."""
        found = list(tellings()[what].within(self.data, int(self.offsets[0]), self.high))
        ends = [end for end, _ in found]
        place = np.maximum(np.searchsorted(self.offsets, ends, side="left") - 1, 0)
        behind = np.minimum(place + 1, len(self.offsets) - 1)
        high = np.where(behind > place, self.offsets[behind], self.high)
        columns = (column.tolist() for column in (self.rows[place], self.offsets[place], high))
        return zip(*columns, ends, (said for _, said in found), strict=True)

    def host(self, low: int, high: int) -> str | None:
        """The host that the command of a record went to; a record that tells of several things is read once."""
        if low not in self.hosts:
            self.hosts[low] = tellings()["host"].first(self.data, low, high).get("name")
        return self.hosts[low]


def _read(part: _Part, told: Told) -> None:
    """Add what one part tells."""
    for row, low, high, end, said in part.occurrences("machine"):
        host, command = part.host(low, high), tellings()["command"].first(part.data, low, high)
        if not host or not command:
            continue
        key = (int(command["id"]), int(command["seq"]))
        told.starts.append(Start(said["name"], host, key, row, partial(part.data.__getitem__, slice(end, high))))
        address = {} if host in told.addresses else tellings()["at"].first(part.data, end, high)
        if address:
            told.addresses[host] = address["address"]
    for *_, said in part.occurrences("startup"):
        told.addresses[said["name"]] = said["address"]
    for row, *_, said in part.occurrences("database"):
        told.databases.setdefault(f"{said['address']}/{said['name']}", row)
    for what in ("primary", "secondary"):
        _read_stores(part, what, told)


def _read_stores(part: _Part, what: str, told: Told) -> None:
    for row, low, high, _, said in part.occurrences(what):
        store = told.stores.get(key := (what, *said.values()))
        if store is None:
            store = told.stores[key] = Store(what, said, row)
        host = part.host(low, high)
        if host:
            store.hosts.add(host)
