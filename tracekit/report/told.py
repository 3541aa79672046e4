"""What lines tell of machines, stores, addresses and databases, as the topology asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pandas as pd

from tracekit.frames import among, numbers_of, rows
from tracekit.parse.told import Said, tellings
from tracekit.report.words import known

if TYPE_CHECKING:
    from tracekit.trace import Trace

SAID = ("name", "id", "type", "address", "path")  # columns of TOLD


class Start(NamedTuple):
    """A VM that a host was told to start."""

    machine: str
    host: str
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

    trace: Trace
    machines: pd.DataFrame  # rows of TOLD, one for each time that a host was told to start one
    stores: dict[tuple[str, ...], Store] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)  # host -> address
    databases: dict[str, int] = field(default_factory=dict)  # address/name -> record

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """What the table of a trace says."""
        started = among(trace.told["what"], ["machine"])
        made = cls(trace, trace.told[started])
        for row in rows(trace.told[~started]):
            if row.what == "host":
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

    def starts(self, chosen: Any = slice(None)) -> list[Start]:
        """The starts of machines at some places of their table."""
        machines = self.machines.iloc[chosen]
        records = self.trace.records[["source", "offset", "length"]].take(machines["record"])
        lengths = records["offset"].to_numpy() + records["length"].to_numpy() - numbers_of(machines["end"])
        sources = map(self.trace.sources.__getitem__, records["source"])
        return [
            Start(row.name, row.host_name, row.record, partial(source.slice, row.end, length))
            for row, source, length in zip(rows(machines), sources, lengths.tolist(), strict=True)
        ]
