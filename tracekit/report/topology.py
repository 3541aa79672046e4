"""Machines, bridges and stores that a log mentions, and who talks to whom, from left to right; slow ones marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tracekit.frames import among, instants, median
from tracekit.parse.told import Said
from tracekit.report import boxes
from tracekit.report.boxes import Inside, Link, Nic, Place, Topology
from tracekit.report.log import Log
from tracekit.report.machines import Host, Machine, is_system, settle, usual_starts
from tracekit.report.told import Store, Told
from tracekit.report.words import count, duration, known, listed, text, words

if TYPE_CHECKING:
    from tracekit.trace import Trace

MAX_HOSTS, MAX_STORES, MAX_MACHINES, MAX_SERVERS, MAX_NICS = 10, 8, 8, 4, 80
GAP, TOP = 14, 8  # pixels down
SERVER_X, HOST_X, POOL_X = 1.0, 29.0, 80.0  # per cent
SERVER_W, HOST_W, POOL_W = 17.0, 41.0, 19.0
SLOW = 2.0  # times the median of all hosts
SLOW_START, SHORT = 3.0, 1.0  # times the median of its kind; seconds
NETWORKS = 2  # of one traffic type that a bridge names


def view(trace: Trace, hosts: dict[str, Host], log: Log) -> Topology | None:
    """The topology of the whole input; None where it names no host. `hosts` are as `machines` has them.

    The hosts are given their machines.
    """
    if not hosts:
        return None
    told = Told.of(trace)
    settle(trace.spans, trace.commands, hosts, told)
    drawn = sorted(sorted(hosts.values(), key=lambda host: (-sum(host.times), host.name))[:MAX_HOSTS], key=_name)
    every = [value for host in hosts.values() for value in host.times]
    usual = median(every) if every else 0.0
    starts = usual_starts(hosts.values())
    of_host, y = {}, TOP
    for host in drawn:
        of_host[host.name] = _host_box(host, y, usual, starts, told, log)
        y += of_host[host.name].height + GAP
    stores = _stores(trace, told, log)
    left, right = _server_boxes(trace, told), [_store_box(store) for store in stores]
    height = max(y, *(sum(place.height + GAP for place in side) + TOP for side in (left, right)))
    left, right = boxes.stacked(left, height, GAP), boxes.stacked(right, height, GAP)
    lost = len(hosts) - len(drawn)
    nics = [nic for host in drawn for nic in _nics(host, log)]
    return Topology(
        height,
        (*left, *of_host.values(), *right),
        tuple(_links(left, of_host, hosts, list(zip(stores, right, strict=True)))),
        f"{count(lost, 'host')} with less agent time left out" if lost else "",
        f"{count(len(hosts), 'host')}, {count(len(stores), 'store')}; the tables of commands and nics say the same.",
        tuple(nics[:MAX_NICS]),
        f"{count(len(nics) - MAX_NICS, 'more nic')} left out" if len(nics) > MAX_NICS else "",
    )


def _name(host: Host) -> str:
    return host.name


def _stores(trace: Trace, told: Told, log: Log) -> list[Store]:
    """Pools and image stores of which lines tell, and pools that planning chose of which no other line does."""
    found = [store for _, store in sorted(told.stores.items())]
    there = {f"pool {store.said.get('id')}" for store in found} | {store.said.get("name") for store in found}
    chosen: dict[str, Store] = {}
    forms = [form for form in words().details if form.attribute == "destination"]
    for (value, pool), record in _choices(trace).items():
        pools = [f"pool {item}" for form in forms if "{number}" in form.say for item in re.findall(form.pattern, value)]
        places = [log.names.host(int(item)) for form in forms if "{host}" in form.say
                  for item in re.findall(form.pattern, value)]  # fmt: skip
        for name in [*pools, *pool]:
            if name not in there:
                chosen.setdefault(name, Store("primary", {"name": name}, record)).hosts.update(places)
    return [*found, *(chosen[name] for name in sorted(chosen))][:MAX_STORES]


def _choices(trace: Trace) -> dict[tuple[str, tuple[str, ...]], int]:
    """The different destinations and pools that stages name, each with the first record of the first that does."""
    made: dict[tuple[str, tuple[str, ...]], int] = {}
    stages = np.flatnonzero(among(trace.spans["kind"], ["stage"]))
    columns = (trace.spans[name].iloc[stages].tolist() for name in ("attributes", "first_record"))
    for attributes, record in zip(*columns, strict=True):
        if isinstance(attributes, dict) and ("destination" in attributes or "pool" in attributes):
            pool = attributes.get("pool")
            said = (str(attributes.get("destination", "")), (str(pool),) if known(pool) else ())
            made.setdefault(said, int(record))
    return made


def _host_box(host: Host, y: int, usual: float, starts: dict[bool, float], told: Told, log: Log) -> Place:
    middle = median(host.times) if host.times else 0.0
    slow = middle >= SLOW * usual > 0 and len(host.times) > 2
    said = [f"{count(len(host.times), 'command')}, median {duration(middle)}" + (" · slow" if slow else "")]
    said = said if host.times else ["no answered command"]
    said += [f"{count(host.failed, 'failed command')}"] if host.failed else []
    address = told.addresses.get(host.name)
    name = log.names.short(text(host.name, 120)) + (f" · {text(address, 40)}" if known(address) else "")
    name += " · system VM" if is_system(host.name) else ""
    css = "host slow" if slow else "host bad" if host.failed else "host"
    place = boxes.box(HOST_X, HOST_W, y, css, name, said, text(host.name, 120))
    if not host.machines:
        return place
    shown = dict(list(host.machines.items())[-MAX_MACHINES:])
    carries = _carried(shown.values())
    lost = len(host.machines) - len(shown)
    return boxes.furnished(
        place,
        [_inside(name, machine, starts) for name, machine in shown.items()],
        [(bridge, f"{bridge or 'bridge not told'} · {said}") for bridge, said in carries.items()],
        f"and {count(lost, 'VM')} started before them" if lost else "",
    )


def _bridge(nic: Said) -> str:
    """What the nics of one bridge share: its name, and where none is told what the network is."""
    return text(nic.get("bridge"), 40)


def _carried(machines: Iterable[Machine]) -> dict[str, str]:
    """What each bridge carries, by traffic; the nics of which no line says the bridge are together under ""."""
    carries: dict[str, dict[str, dict[str, None]]] = {}
    for machine in machines:
        for nic in machine.nics:
            of_traffic = carries.setdefault(_bridge(nic), {}).setdefault(text(nic.get("traffic"), 30), {})
            if "network" in nic:
                of_traffic[text(nic["network"], 40)] = None
    named = sorted(carries, key=lambda name: (not name, name))
    return {
        bridge: ", ".join(
            f"{traffic} {listed(', '.join(networks), NETWORKS)}".strip()
            for traffic, networks in sorted(carries[bridge].items())
        )
        for bridge in named
    }


def _inside(name: str, machine: Machine, usual: dict[bool, float]) -> Inside:
    system, took = is_system(name), machine.took
    slow = took is not None and took >= max(SLOW_START * usual.get(system, float("inf")), SHORT)
    said = f"slow start {duration(took)}" if slow else next((text(n.get("ip"), 40) for n in machine.nics), "")
    kind = "router or system VM" if system else "VM"
    title = f"{kind} {text(name, 80)}" + (f", started in {duration(took)}" if took is not None else "")
    css = f"machine{' system' if system else ''}{' slow' if slow else ''}"
    return Inside(css, title, text(name, 30), said, tuple(dict.fromkeys(_bridge(nic) for nic in machine.nics)))


def _nics(host: Host, log: Log) -> Iterable[Nic]:
    for name, machine in host.machines.items():
        for nic in machine.nics:
            traffic, bridge, network, ip = (text(nic.get(key), 80) for key in ("traffic", "bridge", "network", "ip"))
            where, line = log.names.short(text(host.name, 120)), log.near(machine.record, machine.record)
            yield Nic(text(name, 80), where, traffic, bridge, network, ip, line)


def _store_box(store: Store) -> Place:
    what = "secondary storage" if store.what == "secondary" else "primary storage"
    said = [text(store.said[key], 120) for key in ("address", "path") if key in store.said]
    kind = text(store.said.get("type"), 40)
    name = text(store.said.get("name"), 60) or what
    lines = [f"{what}{f' · {kind}' if kind else ''}", *said] if name != what else said
    return boxes.box(POOL_X, POOL_W, 0, f"pool {store.what}", name, lines, " · ".join((name, what, *said)))


def _server_boxes(trace: Trace, told: Told) -> list[Place]:
    """Clients, the management servers and the database, from the top."""
    names = Counter(filter(known, trace.operations["server"]))
    callers = len(set(filter(known, trace.operations["caller"])))
    waits = np.flatnonzero(among(trace.ledger["category"], ["database"]))
    start, end = (instants(trace.ledger[name].iloc[waits]) for name in ("start", "end"))
    spent = int((end - start).sum()) / 1e6
    made = []
    if callers:
        clients = [count(callers, "address", "addresses")]
        made.append(boxes.box(SERVER_X, SERVER_W, 0, "outside", "clients", clients))
    several = len(names) > 1
    said = [
        text(name, 40) + (f": {count(int(times), 'operation')}" if several else "") for name, times in names.items()
    ]
    said = said[:MAX_SERVERS] + ([f"and {len(said) - MAX_SERVERS} more"] if len(said) > MAX_SERVERS else [])
    said.append(count(len(trace.operations), "operation"))
    title = "management servers" if several else "management server"
    made.append(boxes.box(SERVER_X, SERVER_W, 0, "server", title, said))
    where = [text(address, 60) for address in told.databases]
    took = f"{duration(spent)} in it" if spent else "no wait in it is logged"
    made.append(boxes.box(SERVER_X, SERVER_W, 0, "outside", "MySQL" if where else "database", [*where, took]))
    return made


def _links(
    left: Sequence[Place], of_host: dict[str, Place], hosts: dict[str, Host], stores: Sequence[tuple[Store, Place]]
) -> Iterable[Link]:
    server = next(place for place in left if place.css == "server")
    total = sum(sum(host.times) for host in hosts.values())
    for name, place in of_host.items():
        spent = sum(hosts[name].times)
        part = spent / total if total else 0.0
        label = f"{duration(spent)}, {part * 100:.0f} %" if spent else ""
        yield boxes.link(server, place, label, "thick" if part >= 0.5 else "middle" if part >= 0.2 else "")
    for other in left:
        if other is not server:
            yield boxes.link(server, other, "")
    for store, place in stores:
        for host in sorted(store.hosts & of_host.keys()):
            yield boxes.link(of_host[host], place, "")
