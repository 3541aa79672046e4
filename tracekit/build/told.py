"""Table TOLD: what lines tell of machines, hosts, databases and stores, and which records do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import by_source, stretches
from tracekit.parse.told import Heard, Said, tellings
from tracekit.read.files import Sources
from tracekit.schema import TOLD, check, frame

STORES = ("primary", "secondary")
Row = dict[str, Any]


@dataclass
class Told:
    """Rows of the table."""

    machines: list[Row] = field(default_factory=list)
    hosts: dict[str, Row] = field(default_factory=dict)  # the last that tells of an address wins
    others: dict[tuple[str, ...], Row] = field(default_factory=dict)  # the first

    def table(self) -> pd.DataFrame:
        """The machines in the order in which they were started, then hosts, databases and stores."""
        rows = [*self.machines, *self.hosts.values(), *self.others.values()]
        return check(frame(TOLD, {name: [row.get(name) for row in rows] for name in TOLD}), TOLD, "told")


@dataclass(frozen=True)
class Part:
    """One source, and where its records stand in it."""

    data: Any
    records: npt.NDArray[Any]
    begins: npt.NDArray[np.int64]  # ascending
    ends: npt.NDArray[np.int64]
    hosts: dict[int, str | None] = field(default_factory=dict)  # by the record's place

    def places(self, heard: Heard) -> npt.NDArray[np.int64]:
        """The place of the record of each occurrence."""
        return np.searchsorted(self.begins, np.frombuffer(heard.ends, np.int64), side="left") - 1

    def inside(self, heard: Heard) -> Heard:
        """The same in the order of the records, without what stands in none: in pieces of lines in front of the first,
        or in copies that are left out.
        """
        ends, places = np.frombuffer(heard.ends, np.int64), self.places(heard)
        known = np.flatnonzero((places >= 0) & (ends <= self.ends[places]))
        known = known[np.argsort(self.records[places[known]], kind="stable")]
        numbers, different = pd.factorize(np.frombuffer(heard.numbers, np.int32)[known])
        said = [heard.said[number] for number in different.tolist()]
        return heard._replace(said=said, numbers=numbers.astype(np.int32).tobytes(), ends=ends[known].tobytes())

    def first(self, what: str, place: int, begin: int | None = None) -> Said:
        """What a record, from a byte of the source on, says first of something."""
        low = int(self.begins[place]) if begin is None else begin
        return tellings()[what].first(self.data, low, int(self.ends[place]))

    def host(self, place: int) -> str | None:
        """The host that the command of a record went to; a record that tells of several things is read once."""
        if place not in self.hosts:
            self.hosts[place] = self.first("host", place).get("name")
        return self.hosts[place]


def told_table(heard: Sequence[Heard], records: pd.DataFrame, sources: Sources) -> pd.DataFrame:
    """The table of what was heard in some sources."""
    told = Told()
    for path, columns in by_source(records, "offset", "length"):
        if not columns["offset"].is_monotonic_increasing:  # pieces of a log that stood there in another order
            columns = columns.sort_values("offset")
        begins = columns["offset"].to_numpy()
        part = Part(sources[path].data, columns.index.to_numpy(), begins, begins + columns["length"].to_numpy())
        mine = {one.what: part.inside(one) for one in heard if one.path == path}
        add_machines(told, part, mine["machine"])
        for row, said in each(part, mine["startup"]):
            told.hosts[said["name"]] = {"what": "host", "record": row, **said}
        for row, said in each(part, mine["database"]):
            told.others.setdefault(("database", *said.values()), {"what": "database", "record": row, **said})
        for what in STORES:
            add_stores(told, part, mine[what])
    return told.table()


def each(part: Part, heard: Heard) -> Iterator[tuple[int, Said]]:
    """The record of each occurrence, and what it says."""
    return zip(part.records[part.places(heard)].tolist(), every_said(heard), strict=True)


def every_said(heard: Heard) -> Iterable[Said]:
    """What each occurrence says."""
    different = list(map(tellings()[heard.what].said, heard.said))
    return map(different.__getitem__, np.frombuffer(heard.numbers, np.int32).tolist())


def add_machines(told: Told, part: Part, heard: Heard) -> None:
    """The VMs that a host was told to start, and where it was."""
    ends = np.frombuffer(heard.ends, np.int64).tolist()
    for place, end, said in zip(part.places(heard).tolist(), ends, every_said(heard), strict=True):
        host, command, record = part.host(place), part.first("command", place), int(part.records[place])
        if not host or not command:
            continue
        numbers = {"host": int(command["id"]), "seq": int(command["seq"])}
        told.machines.append({"what": "machine", "record": record, "end": end, "host_name": host, **numbers, **said})
        address = {} if host in told.hosts else part.first("at", place, end)
        if address:
            told.hosts[host] = {"what": "host", "record": record, "name": host, **address}


def add_stores(told: Told, part: Part, heard: Heard) -> None:
    """The different stores, once for each host whose commands name them, and once where no command does."""
    said = list(map(tellings()[heard.what].said, heard.said))
    numbers, places = np.frombuffer(heard.numbers, np.int32), part.places(heard)
    order = np.argsort(numbers, kind="stable")
    begins, _ = stretches((np.diff(numbers[order]) == 0) & (np.diff(places[order]) == 0), len(order))
    chosen = order[begins]  # a record names a store more than once
    for number, place in zip(numbers[chosen].tolist(), places[chosen].tolist(), strict=True):
        host = part.host(place)
        key = (heard.what, host or "", *said[number].values())
        if key not in told.others:
            record = int(part.records[place])
            told.others[key] = {"what": heard.what, "record": record, "host_name": host, **said[number]}
