"""Machines and stores that a log mentions, and who talks to whom, drawn from left to right; the slow ones marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracekit.frames import rows
from tracekit.report import verdict
from tracekit.report.log import Log
from tracekit.report.scale import percent
from tracekit.report.shapes import Link, Place, Topology
from tracekit.report.summary import quantile
from tracekit.report.words import count, duration, known, text, words

if TYPE_CHECKING:
    from tracekit.trace import Trace

MAX_HOSTS, MAX_POOLS, MAX_MACHINES, MAX_SERVERS = 10, 6, 6, 4
LINE, PAD, GAP, TOP = 17, 10, 14, 8  # pixels down
SERVER_X, HOST_X, POOL_X = 2.0, 38.0, 82.0  # per cent
SERVER_W, HOST_W, POOL_W = 22.0, 28.0, 16.0
LEAST = 270  # pixels down, for the server between its clients and its database
SLOW = 2.0  # times the median of all hosts
CHARACTERS = 44  # of a line in the box of a host


class _Host:
    """What the log says of one host."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.times: list[float] = []
        self.failed = 0
        self.machines: dict[str, None] = {}


def view(trace: Trace, log: Log) -> Topology | None:
    """The topology of the whole input; None where it names no host."""
    commands = rows(trace.commands)
    hosts = _hosts(commands)
    if not hosts:
        return None
    _settle(rows(trace.spans[trace.spans["kind"] == "state"]), commands, hosts)
    busiest = sorted(hosts.values(), key=lambda host: (-sum(host.times), host.name))[:MAX_HOSTS]
    drawn = sorted(busiest, key=lambda host: host.name)
    every = sorted(value for host in hosts.values() for value in host.times)
    usual = quantile(every, 0.5) if every else 0.0
    pools, reached = _pools(trace, log, hosts)
    boxes, y = [], TOP
    for host in drawn:
        box = _host_box(host, y, usual, log)
        boxes.append(box)
        y += box.height + GAP
    height = max(y, LEAST)
    servers = _server_boxes(trace, height)
    stores = _pool_boxes(pools, height)
    links = [_command_link(servers[0], host, box, sum(every)) for host, box in zip(drawn, boxes, strict=True)]
    links += [_link(servers[0], other, "") for other in servers[1:]]
    by_pool = dict(zip(pools, stores, strict=False))
    at = {host.name: box for host, box in zip(drawn, boxes, strict=True)}
    links += [_link(at[host], by_pool[pool], "") for host, pool in sorted(reached) if host in at and pool in by_pool]
    lost = len(hosts) - len(drawn)
    return Topology(
        height,
        (*servers, *boxes, *stores),
        tuple(links),
        f"{count(lost, 'host')} with less agent time left out" if lost else "",
        f"{count(len(hosts), 'host')}, {count(len(pools), 'storage pool')}; the table of commands says the same.",
    )


def _hosts(commands: Sequence[Any]) -> dict[str, _Host]:
    hosts: dict[str, _Host] = {}
    for row in commands:
        if known(row.host_name):
            host = hosts.setdefault(str(row.host_name), _Host(str(row.host_name)))
            took = verdict.answer_time(row)
            host.times += [] if took is None else [took]
            host.failed += str(row.result) in ("false", "failed", "timed out")
    return hosts


def _settle(states: Sequence[Any], commands: Sequence[Any], hosts: dict[str, _Host]) -> None:
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
            for host in hosts.values():
                host.machines.pop(str(machine), None)
            hosts[str(max(before, key=lambda start: start.sent).host_name)].machines[str(machine)] = None


def _pools(trace: Trace, log: Log, hosts: dict[str, _Host]) -> tuple[list[str], set[tuple[str, str]]]:
    """Pools that planning chose, and from which host each is used."""
    found: dict[str, None] = {}
    reached: set[tuple[str, str]] = set()
    forms = [form for form in words().details if form.attribute == "destination"]
    for row in rows(trace.spans[trace.spans["kind"] == "stage"]):
        attributes = row.attributes if isinstance(row.attributes, dict) else {}
        value = str(attributes.get("destination", ""))
        pools = [f"pool {item}" for form in forms if "{number}" in form.say for item in re.findall(form.pattern, value)]
        places = [log.names.host(int(item)) for form in forms if "{host}" in form.say
                  for item in re.findall(form.pattern, value)]  # fmt: skip
        pools += [text(attributes["pool"], 40)] if known(attributes.get("pool")) else []
        found.update(dict.fromkeys(pools))
        reached |= {(host, pool) for host in places if host in hosts for pool in pools}
    return sorted(found)[:MAX_POOLS], reached


def _host_box(host: _Host, y: int, usual: float, log: Log) -> Place:
    median = quantile(sorted(host.times), 0.5) if host.times else 0.0
    slow = median >= SLOW * usual > 0 and len(host.times) > 2
    said = [f"{count(len(host.times), 'command')}, median {duration(median)}" + (" · slow" if slow else "")]
    said = said if host.times else ["no answered command"]
    said += [f"{count(host.failed, 'failed command')}"] if host.failed else []
    machines = [
        ("router/system " if re.match(words().system, name) else "VM ") + text(name, 30) for name in host.machines
    ]
    said += machines[:MAX_MACHINES]
    said += [f"and {count(len(machines) - MAX_MACHINES, 'more VM')}"] if len(machines) > MAX_MACHINES else []
    css = "host slow" if slow else "host bad" if host.failed else "host"
    return _box(HOST_X, HOST_W, y, css, log.names.short(text(host.name, 120)), said, text(host.name, 120))


def _server_boxes(trace: Trace, height: int) -> list[Place]:
    names = [text(name, 40) for name in trace.operations["server"].dropna().astype("object").unique()][:MAX_SERVERS]
    callers = trace.operations["caller"].dropna().nunique()
    operations = count(len(trace.operations), "operation")
    waits = trace.ledger[trace.ledger["category"] == "database"]
    spent = float((waits["end"] - waits["start"]).dt.total_seconds().sum())
    server = _box(SERVER_X, SERVER_W, 0, "server", "management server", [*names, operations])
    server = _moved(server, max(TOP, (height - server.height) // 2))
    client = _box(SERVER_X, SERVER_W, TOP, "outside", "clients", [count(int(callers), "address", "addresses")])
    said = f"{duration(spent)} in it" if spent else "no wait in it is logged"
    below = server.y + server.height + 34
    database = _box(SERVER_X, SERVER_W, below, "outside", "database", [said])
    made = [server]
    if callers and client.height + GAP < server.y:
        made.append(client)
    return [*made, database] if below + database.height <= height else made


def _pool_boxes(pools: Sequence[str], height: int) -> list[Place]:
    boxes, y = [], max(TOP, (height - len(pools) * 54) // 2)
    for pool in pools:
        box = _box(POOL_X, POOL_W, y, "pool", pool, ["primary storage"])
        boxes.append(box)
        y += box.height + GAP
    return [box for box in boxes if box.y + box.height <= height]


def _box(x: float, width: float, y: int, css: str, name: str, said: Sequence[str], title: str = "") -> Place:
    lines = tuple((PAD + LINE * (i + 2) - 4, line[:CHARACTERS]) for i, line in enumerate(said))
    return Place(percent(x), percent(width), y, 2 * PAD + LINE * (len(said) + 1), css, title or name, name, lines)


def _moved(box: Place, y: int) -> Place:
    return Place(box.x, box.width, y, box.height, box.css, box.title, box.name, box.lines)


def _command_link(server: Place, host: _Host, box: Place, total: float) -> Link:
    part = sum(host.times) / total if total else 0.0
    label = f"{duration(sum(host.times))}, {part * 100:.0f} %" if host.times else ""
    css = "thick" if part >= 0.5 else "middle" if part >= 0.2 else ""
    return _link(server, box, label, css)


def _link(one: Place, other: Place, label: str, css: str = "") -> Link:
    if one.x == other.x:
        x = percent(float(one.x) + float(one.width) / 2)
        top, low = sorted((one, other), key=lambda box: box.y)
        return Link(x, top.y + top.height, x, low.y, css, label, x, low.y)
    y1, y2 = one.y + one.height // 2, other.y + other.height // 2
    x1, x2 = float(one.x) + float(one.width), float(other.x)
    return Link(percent(x1), y1, percent(x2), y2, css, label, percent(x2 - 0.4), y2 - 5)
