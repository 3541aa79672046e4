"""What lines tell of machines, stores, addresses and databases, as the topology asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tracekit.frames import rows
from tracekit.parse.told import Said, tellings
from tracekit.report.words import known

if TYPE_CHECKING:
    from tracekit.trace import Trace

SAID = ("name", "id", "type", "address", "path")  # columns of TOLD


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
        return tuple(tellings()["nic"].within(rest, 0, len(rest)))


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

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """What the table of a trace says."""
        made = cls()
        for row in rows(trace.told):
            if row.what == "machine":
                behind = partial(rest_of, trace, row.record, row.end)
                made.starts.append(Start(row.name, row.host_name, (row.host, row.seq), row.record, behind))
            elif row.what == "host":
                made.addresses[row.name] = row.address
            elif row.what == "database":
                made.databases[f"{row.address}/{row.name}"] = row.record
            else:
                made.add_store(row)
        return made

    def add_store(self, row: Any) -> None:
        """Add a store, or one more host of it."""
        said: Mapping[str, str] = {name: value for name in SAID if known(value := getattr(row, name))}
        store = self.stores.setdefault((row.what, *said.values()), Store(row.what, said, row.record))
        if known(row.host_name):
            store.hosts.add(row.host_name)


def rest_of(trace: Trace, record: int, begin: int) -> bytes:
    """What stands in a record behind a byte of its source."""
    records: Any = trace.records
    path, offset, length = (records[name].iat[record] for name in ("source", "offset", "length"))
    return trace.sources[path].slice(begin, int(offset + length) - begin)
