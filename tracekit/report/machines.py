"""Hosts, and the VMs that were started on them, as far as commands and states tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.fleet.times import BAD_ANSWERS
from tracekit.parse.told import Said
from tracekit.report import verdict
from tracekit.report.told import Start
from tracekit.report.words import known, words

BAD = (*BAD_ANSWERS, "not sent", "unanswered")  # results of commands
FEW = 3  # starts of which there is a usual time, at least


@dataclass
class Machine:
    """A VM that was started on a host."""

    took: float | None = None  # seconds of its start command
    start: Start | None = None

    @property
    def record(self) -> int | None:
        """The record in which its host was told to start it."""
        return self.start.record if self.start else None

    @cached_property
    def nics(self) -> tuple[Said, ...]:
        """Its nics, as far as the command to start it told them."""
        return self.start.nics() if self.start else ()


@dataclass
class Host:
    """What the log says of one host."""

    name: str
    times: list[float] = field(default_factory=list)
    failed: int = 0
    machines: dict[str, Machine] = field(default_factory=dict)


def is_system(name: str) -> bool:
    """Whether a machine is a router or a system VM."""
    return re.match(words().system, name) is not None


def usual_starts(hosts: Iterable[Host]) -> dict[bool, float]:
    """The median time of a start, of routers and system VMs (True) and of users' VMs; none where they are few."""
    times: dict[bool, list[float]] = {}
    for host in hosts:
        for name, machine in host.machines.items():
            if machine.took is not None:
                times.setdefault(is_system(name), []).append(machine.took)
    return {kind: frames.median(values) for kind, values in times.items() if len(values) >= FEW}


def sent_commands(commands: pd.DataFrame) -> list[Any]:
    """The commands of a table as rows of what this module asks of them: `sent` in microseconds, `took` in seconds."""
    asked = commands[["host", "host_name", "seq", "command", "operation", "result"]]
    return frames.rows(asked.assign(sent=frames.instants(commands["sent"]), took=verdict.answer_times(commands)))


def hosts_of(commands: Sequence[Any]) -> dict[str, Host]:
    """The hosts that commands went to, with the times of their answers."""
    hosts: dict[str, Host] = {}
    for row in commands:
        if known(row.host_name):
            host = hosts.setdefault(row.host_name, Host(row.host_name))
            if known(row.took):
                host.times.append(row.took)
            host.failed += row.result in BAD_ANSWERS
    return hosts


def settle(spans: pd.DataFrame, commands: Sequence[Any], hosts: dict[str, Host], starts: Iterable[Start]) -> None:
    """Put each VM on the host that last had it running or answered a command to start it well."""
    places: dict[str, tuple[str, Machine]] = {}
    for name, host, machine in itertools.chain(_running(spans, commands), _started(starts, commands, hosts)):
        places.pop(name, None)  # the last one that was put somewhere is the last of its host
        places[name] = (host, machine)
    for name, (host, machine) in places.items():
        hosts[host].machines[name] = machine


def _running(spans: pd.DataFrame, commands: Sequence[Any]) -> Iterator[tuple[str, str, Machine]]:
    """Each VM that began to run, with the host whose start command was the last one sent before."""
    starts: dict[str, list[Any]] = {}
    for row in commands:
        if known(row.host_name) and row.sent != frames.NEVER and words().start in str(row.command).split(", "):
            starts.setdefault(row.operation, []).append(row)
    states = np.flatnonzero(frames.among(spans["kind"], ["state"]))
    moments = frames.instants(spans["start"].iloc[states])
    order = np.argsort(moments, kind="stable")
    columns = (spans[name].iloc[states[order]].tolist() for name in ("operation", "name", "attributes"))
    for operation, change, attributes, at in zip(*columns, moments[order].tolist(), strict=True):
        name = attributes.get("vm") if isinstance(attributes, dict) else None
        if known(name) and str(change).rpartition(" → ")[2] == words().running:
            before = [start for start in starts.get(operation, ()) if start.sent <= at]
            if before:
                yield str(name), max(before, key=lambda start: start.sent).host_name, Machine()


def _started(
    starts: Iterable[Start], commands: Sequence[Any], hosts: Mapping[str, Host]
) -> Iterator[tuple[str, str, Machine]]:
    """Each VM that a host was told to start, where the answer was good."""
    answers = {(row.host, row.seq): row for row in commands if known(row.host)}
    for start in starts:
        row = answers.get(start.key)
        if row is not None and start.host in hosts and row.result not in BAD:
            yield start.machine, start.host, Machine(row.took if known(row.took) else None, start)
