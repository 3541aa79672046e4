"""Hosts, and the VMs that were started on them, as far as commands and states tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracekit.fleet.times import BAD_ANSWERS
from tracekit.report import verdict
from tracekit.report.summary import quantile
from tracekit.report.told import Said, Start
from tracekit.report.words import known, words

BAD = (*BAD_ANSWERS, "not sent", "unanswered")  # results of commands
FEW = 3  # starts of which there is a usual time, at least


@dataclass
class Machine:
    """A VM that was started on a host."""

    took: float | None = None  # seconds of its start command
    nics: tuple[Said, ...] = ()
    record: int | None = None


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
    return {kind: quantile(sorted(values), 0.5) for kind, values in times.items() if len(values) >= FEW}


def hosts_of(commands: Sequence[Any]) -> dict[str, Host]:
    """The hosts that commands went to, with the times of their answers."""
    hosts: dict[str, Host] = {}
    for row in commands:
        if known(row.host_name):
            host = hosts.setdefault(str(row.host_name), Host(str(row.host_name)))
            took = verdict.answer_time(row)
            host.times += [] if took is None else [took]
            host.failed += str(row.result) in BAD_ANSWERS
    return hosts


def settle(states: Sequence[Any], commands: Sequence[Any], hosts: dict[str, Host]) -> None:
    """Put each VM on the host whose start command was the last one sent before it was running."""
    starts: dict[str, list[Any]] = {}
    for row in commands:
        if known(row.host_name) and known(row.sent) and words().start in str(row.command).split(", "):
            starts.setdefault(str(row.operation), []).append(row)
    for row in sorted(states, key=lambda row: row.start):
        machine = row.attributes.get("vm") if isinstance(row.attributes, dict) else None
        if not known(machine) or str(row.name).rpartition(" → ")[2] != words().running:
            continue
        before = [start for start in starts.get(str(row.operation), ()) if start.sent <= row.start]
        if before:
            _put(str(machine), str(max(before, key=lambda start: start.sent).host_name), Machine(), hosts)


def place_started(starts: Iterable[Start], commands: Sequence[Any], hosts: dict[str, Host]) -> None:
    """Put each VM on the host that last answered a command to start it well."""
    answers = {(int(row.host), int(row.seq)): row for row in commands if known(row.host)}
    for start in starts:
        row = answers.get(start.key)
        if row is not None and start.host in hosts and str(row.result) not in BAD:
            machine = Machine(verdict.answer_time(row), start.nics, start.record)
            _put(start.machine, start.host, machine, hosts)


def _put(name: str, host: str, machine: Machine, hosts: dict[str, Host]) -> None:
    for other in hosts.values():
        other.machines.pop(name, None)
    hosts[host].machines[name] = machine
