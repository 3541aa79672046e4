"""What the page draws of hosts, machines, bridges and stores is what lines of the log tell, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from generator.reading import grammars_once
from tracekit.parse.told import EVERYWHERE, check_tellings, load_tellings
from tracekit.report.boxes import Topology
from tracekit.report.context import from_trace
from tracekit.report.told import SAID, Told
from tracekit.resources import grammars
from tracekit.trace import Trace, read_trace


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def trace(healthy: Path) -> Trace:
    return read_trace([str(healthy)])


@pytest.fixture(scope="module")
def told(trace: Trace) -> Told:
    return Told.of(trace)


@pytest.fixture(scope="module")
def drawn(trace: Trace) -> Topology:
    topology = from_trace(trace).topology
    assert topology is not None
    return topology


def test_the_samples_of_the_tellings_are_read_as_they_say() -> None:
    assert list(check_tellings(load_tellings(grammars()))) == []


def said_by_records(trace: Trace) -> Iterator[tuple[str, int, dict[str, str], str | None]]:
    """What each record tells by itself: what, its number, what it says of it, and the host that its command went to."""
    known = load_tellings(grammars())
    for row in trace.records.itertuples():
        raw = trace.sources[row.source].slice(row.offset, row.length)
        for what in EVERYWHERE:
            for said in known[what].within(raw, 0, len(raw)):
                yield what, row.Index, dict(said), known["host"].first(raw, 0, len(raw)).get("name")


@pytest.mark.parametrize("log", ["4.23-kvm/a-healthy", "4.18/a-healthy", "4.23/k-ms-restart"])
def test_the_table_has_what_records_tell_one_by_one(samples: Path, log: str) -> None:
    trace = read_trace([str(next((samples / log).glob("management-server.log*")))])
    machines, others = [], dict[Any, int]()
    for what, record, said, host in said_by_records(trace):
        if what == "machine":
            machines.append((record, said["name"], host))
        elif what != "startup":
            others.setdefault((what, frozenset(said.items()), None if what == "database" else host), record)
    told = trace.told.astype(object).where(trace.told.notna(), None)
    started = told[told["what"] == "machine"]
    assert list(zip(started["record"], started["name"], started["host_name"], strict=True)) == machines != []
    found = {}
    for row in told[~told["what"].isin(["machine", "host"])].itertuples():
        said = frozenset((name, getattr(row, name)) for name in SAID if getattr(row, name))
        found[row.what, said, row.host_name] = row.record
    assert found == others


def test_pieces_of_lines_before_the_first_record_tell_nothing(healthy: Path, trace: Trace, tmp_path: Path) -> None:
    whole = healthy.read_bytes()
    last = trace.told.iloc[-1]
    record = trace.records.loc[last["record"]]
    piece = trace.sources[record["source"]].slice(record["offset"], record["length"])[40:]  # without its time
    known = load_tellings(grammars())
    assert any(known[what].within(piece, 0, len(piece)) for what in EVERYWHERE)
    path = tmp_path / "cut.log"
    path.write_bytes(piece + whole)
    cut = read_trace([str(path)])
    assert len(cut.records) == len(trace.records)
    ends = cut.told["end"] - len(piece)
    pd.testing.assert_frame_equal(cut.told.assign(end=ends), trace.told)
    assert cut.entities["count"].sum() >= trace.entities["count"].sum()


def test_every_nic_stands_in_the_line_that_it_is_said_of(trace: Trace, told: Told) -> None:
    assert {start.machine for start in told.starts()} == {"r-4-VM", "i-2-3-VM", "i-2-5-VM"}
    for start in told.starts():
        line = trace.sources.text(trace.records.loc[start.record])
        assert f'"name":"{start.machine}"' in line
        assert f"({start.host})" in line
        assert start.nics()
        for nic in start.nics():
            assert f'"ip":"{nic["ip"]}"' in line
            assert f'"type":"{nic["traffic"]}"' in line
            assert "bridge" not in nic or f'"name":"{nic["bridge"]}"' in line


def test_stores_are_those_that_commands_name(trace: Trace, told: Told) -> None:
    names = {(store.what, store.said.get("name"), store.said["path"]) for store in told.stores.values()}
    assert names == {("primary", "primary0", "/export/primary0"), ("secondary", None, "/export/secondary")}
    hosts = set(trace.commands["host_name"])
    assert all(store.hosts <= hosts for store in told.stores.values())


def test_machines_stand_in_the_host_that_started_them(trace: Trace, told: Told, drawn: Topology) -> None:
    boxes = {place.title: place for place in drawn.places if place.css.startswith("host")}
    for start in told.starts():
        assert start.machine in [chip.name for chip in boxes[start.host].chips]
    bridges = [chip.said for place in boxes.values() for chip in place.chips if chip.css == "bridge"]
    assert any(said.startswith("cloudbr1 · Guest vlan://830, Public vlan://50") for said in bridges)
    assert any(said == "bridge not told · Control" for said in bridges)


def test_nothing_in_a_host_overlaps(drawn: Topology) -> None:
    for place in drawn.places:
        for one in place.chips:
            left, right = float(one.x), float(one.x) + float(one.width)
            assert 0 <= left < right <= 100
            assert one.y + one.height <= place.height
            for other in place.chips:
                apart = right <= float(other.x) or float(other.x) + float(other.width) <= left
                assert one is other or apart or one.y + one.height <= other.y or other.y + other.height <= one.y
        for wire in place.wires:
            assert wire.y1 < wire.y2 <= place.height


def test_the_table_has_every_nic_with_its_line(told: Told, drawn: Topology) -> None:
    last = {start.machine: start for start in told.starts()}
    assert len(drawn.nics) == sum(len(start.nics()) for start in last.values())
    assert all(nic.line.isdigit() for nic in drawn.nics)


def test_what_is_not_told_is_not_drawn(restarted: Path) -> None:
    """The simulator names no bridge, and its log has the start of the server, which names the database."""
    topology = from_trace(read_trace([str(restarted)])).topology
    assert topology is not None
    chips = [chip for place in topology.places for chip in place.chips]
    assert all(chip.said.startswith("bridge not told") for chip in chips if chip.css == "bridge")
    assert all(nic.bridge == "" for nic in topology.nics)
    assert [place.name for place in topology.places if place.css == "outside"] == ["clients", "MySQL"]
