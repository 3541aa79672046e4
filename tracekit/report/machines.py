"""Hosts, and the VMs that were started on them, as far as commands and states tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.fleet.times import BAD_ANSWERS
from tracekit.parse.told import Said
from tracekit.report import verdict
from tracekit.report.told import Start, Told
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


def hosts_of(commands: pd.DataFrame) -> dict[str, Host]:
    """The hosts that the commands of a table went to, with the times of their answers."""
    number, names = pd.factorize(commands["host_name"])
    took, failed = verdict.answer_times(commands), frames.places(commands["result"], BAD_ANSWERS) >= 0
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(len(names) + 1)).tolist()
    made = {}
    for name, mine in zip(names, map(slice, bounds, bounds[1:]), strict=False):
        times = took[order[mine]]
        made[name] = Host(name, times[~np.isnan(times)].tolist(), int(failed[order[mine]].sum()))
    return made


def settle(spans: pd.DataFrame, commands: pd.DataFrame, hosts: dict[str, Host], told: Told) -> None:
    """Put each VM on the host that last had it running or answered a command to start it well."""
    places: dict[str, tuple[str, Machine]] = {}
    for name, host, machine in itertools.chain(_running(spans, commands), _started(told, commands, hosts)):
        places.pop(name, None)  # the last one that was put somewhere is the last of its host
        places[name] = (host, machine)
    for name, (host, machine) in places.items():
        hosts[host].machines[name] = machine


def _running(spans: pd.DataFrame, commands: pd.DataFrame) -> Iterator[tuple[str, str, Machine]]:
    """Each VM that began to run, with the host whose start command was the last one sent before."""
    starts = _start_commands(commands)
    states = np.flatnonzero(frames.among(spans["kind"], ["state"]))
    moments = frames.instants(spans["start"].iloc[states])
    order = np.argsort(moments, kind="stable")
    columns = (spans[name].iloc[states[order]].tolist() for name in ("operation", "name", "attributes"))
    for operation, change, attributes, at in zip(*columns, moments[order].tolist(), strict=True):
        name = attributes.get("vm") if isinstance(attributes, dict) else None
        if known(name) and str(change).rpartition(" → ")[2] == words().running:
            before = [start for start in starts.get(operation, ()) if start[0] <= at]
            if before:
                yield str(name), max(before, key=lambda start: start[0])[1], Machine()


def _start_commands(commands: pd.DataFrame) -> dict[str, list[tuple[int, str]]]:
    """When each operation sent commands to start a VM, and to which hosts."""
    number, names = pd.factorize(commands["command"])
    tells = np.array([*(words().start in name.split(", ") for name in names), False])  # the last one is null
    sent, host = frames.instants(commands["sent"]), commands["host_name"]
    at = np.flatnonzero(tells[number] & (sent != frames.NEVER) & host.notna().to_numpy())
    made: dict[str, list[tuple[int, str]]] = {}
    columns = (commands["operation"].iloc[at].tolist(), sent[at].tolist(), host.iloc[at].tolist())
    for operation, moment, name in zip(*columns, strict=True):
        made.setdefault(operation, []).append((moment, name))
    return made


def _started(told: Told, commands: pd.DataFrame, hosts: Mapping[str, Host]) -> Iterator[tuple[str, str, Machine]]:
    """Each VM that a host was told to start, where the answer was good; its last start."""
    machines = told.machines
    keys = (
        np.concatenate([frames.numbers_of(commands[name]), frames.numbers_of(machines[name])])
        for name in ("host", "seq")
    )
    number = frames.joint(*keys)
    answers = np.full(len(number), -1)
    answers[number[: len(commands)]] = np.arange(len(commands))  # the one that comes last stays
    answer = answers[number[len(commands) :]]
    good = np.append(frames.places(commands["result"], BAD) < 0, False)[answer]
    at = np.flatnonzero(good & (frames.places(machines["host_name"], hosts) >= 0))
    at = at[~machines["name"].iloc[at].duplicated(keep="last").to_numpy()]
    took = verdict.answer_times(commands)[answer[at]]
    for start, seconds in zip(told.starts(at), took.tolist(), strict=True):
        yield start.machine, start.host, Machine(seconds if known(seconds) else None, start)
