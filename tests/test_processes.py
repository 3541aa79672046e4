"""Forks make what they are asked for, or cost time alone; a log is scanned by one while pandas is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from tracekit import build as building, diagnose, processes, trace as tracing
from tracekit.build import runshapes
from tracekit.cli import cli
from tracekit.errors import NotOurLogError
from tracekit.parse import Parsed, begun as beginning, parse, search as searching
from tracekit.processes import Early, Forked, Meanwhile, Shared, Threaded, Waiting
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.trace import read_trace, trace_of

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks are made on Linux alone")
# What is imported before the fork; `report` imports the rest beside it.
EARLY = """
import sys, tracekit.cli, tracekit.kept, tracekit.parse.begun, tracekit.parse.search
print("pandas" in sys.modules)
"""


def died() -> Any:
    """A fork that somebody kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def watched(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, killed: bool) -> list[int]:
    """The calls of a function in this process from now on, by its number. With `killed` a fork dies of calling it."""
    own, here = os.getpid(), getattr(module, name)
    calls: list[int] = []

    def asked(*given: Any, **named: Any) -> Any:
        if os.getpid() != own and killed:
            died()
        calls.append(os.getpid())
        return here(*given, **named)

    monkeypatch.setattr(module, name, asked)
    return calls


def failed() -> Any:
    """A fork that makes a mistake."""
    raise ValueError("not for the parent")


@LINUX
def test_a_fork_makes_what_it_is_asked_for() -> None:
    made = Forked(lambda: (os.getpid(), b"text" * 100_000, {"name": [1, 2]})).result()
    assert made[0] != os.getpid()
    assert made[1:] == (b"text" * 100_000, {"name": [1, 2]})


@LINUX
@pytest.mark.parametrize("make", [died, failed, object], ids=["killed", "error", "not for marshal"])
def test_a_fork_that_died_made_nothing(make: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert Forked(make).result() is None
    assert capfd.readouterr() == ("", "")


@LINUX
def test_what_a_fork_sent_in_part_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = processes.marshal.dumps(list(range(1000)))
    monkeypatch.setattr(processes.marshal, "dumps", lambda *_: whole[:-1])
    assert Forked(lambda: ()).result() is None


@LINUX
def test_a_fork_that_the_system_refuses_made_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    assert Forked(lambda: 1).result() is None


def test_two_threads_that_ask_for_one_thing_have_it_made_once() -> None:
    made: list[int] = []
    ready = threading.Barrier(2)

    def make() -> int:
        made.append(threading.get_ident())
        time.sleep(0.1)
        return len(made)

    once = Meanwhile(make, by=None)
    other = Threaded(lambda: [ready.wait(), once.made])
    ready.wait()
    assert once.made == 1
    assert other.result()[1] == 1
    assert len(made) == 1


def test_a_thread_makes_what_it_is_asked_for() -> None:
    assert Meanwhile(threading.get_ident, by=Threaded).made != threading.get_ident()


@LINUX
@pytest.mark.parametrize("lazy", [0.0, 0.3])
def test_a_later_fork_waits_for_an_earlier_one(lazy: float) -> None:
    first = Forked(lambda: [time.sleep(lazy), os.getpid()])
    second = Forked(lambda: [first.result(), os.getpid()])
    time.sleep(0.3 - lazy)
    made = first.result()
    assert made == [None, first._pid]
    assert second.result() == [made, second._pid]


@LINUX
def test_a_fork_that_nobody_asks_ends() -> None:
    fork = Forked(lambda: time.sleep(60))
    pid = fork._pid
    assert pid is not None
    del fork
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_beside_another_thread_nothing_is_forked() -> None:
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    assert not processes.idle_core()
    ended.set()
    other.join()


def test_what_comes_before_the_fork_needs_no_pandas() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def the_same(one: Parsed, two: Parsed) -> None:
    """Two readings of the same sources."""
    assert one.records.equals(two.records)
    assert one.events.equals(two.events)
    assert one.files == two.files


@LINUX
@pytest.mark.parametrize(("meanwhile", "killed"), [(1 << 30, False), (0, False), (0, True)])
def test_a_log_that_a_fork_scans_is_the_log(
    healthy: Path, restarted: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: int, killed: bool
) -> None:
    monkeypatch.setattr(beginning, "MEANWHILE", meanwhile)
    monkeypatch.setattr(beginning, "idle_core", lambda: True)
    if killed:
        monkeypatch.setattr(beginning, "packed_scan", lambda *_: died())
    counted, counted_too = Collector(), Collector()
    sources = open_sources([str(healthy), str(restarted)])
    begun = beginning.ahead(beginning.begin(sources), os.getpid)
    assert begun.scan is not None
    assert all(
        (part[1] < high) == (meanwhile == 0) for part, (_, high) in zip(begun.firsts, begun.windows, strict=True)
    )
    the_same(parse(sources, counted, begun=begun), parse(sources, counted_too))
    assert counted.rows() == counted_too.rows()
    assert begun.scan.result() == (None if killed else begun.scan._pid)


def test_what_is_worth_all_cores_is_not_scanned_ahead(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = open_sources([str(healthy)])
    monkeypatch.setattr(beginning, "idle_core", lambda: True)
    monkeypatch.setattr(beginning, "LEAST", 0)
    assert beginning.ahead(beginning.begin(sources), os.getpid).scan is None


def test_what_is_no_log_is_refused_before_the_fork(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_text("nothing of ours\n" * 10)
    with pytest.raises(NotOurLogError):
        tracing.started_trace(open_sources([str(path)]))
    assert CliRunner().invoke(cli, ["operations", str(path)]).exception is not None


@LINUX
@pytest.mark.parametrize("killed", [False, True])
def test_what_a_fork_finds_is_what_the_log_says(healthy: Path, monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    alone = read_trace([str(healthy)])
    monkeypatch.setattr(searching, "LEAST", 0)
    monkeypatch.setattr(searching, "idle_core", lambda: True)
    finders = watched(monkeypatch, searching, "found_in", killed)
    trace = read_trace([str(healthy)])
    pd.testing.assert_frame_equal(trace.entities, alone.entities)
    pd.testing.assert_frame_equal(trace.told, alone.told)
    assert finders == ([os.getpid()] if killed else [])


@LINUX
@pytest.mark.parametrize("killed", [False, True])
def test_the_fork_that_scans_finds_what_the_log_says(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    alone = read_trace([str(healthy)])
    monkeypatch.setattr(searching, "LEAST", 0)
    monkeypatch.setattr(searching, "idle_core", lambda: True)
    monkeypatch.setattr(beginning, "idle_core", lambda: True)
    scanners = watched(monkeypatch, beginning, "packed_scan", killed=False)
    finders = watched(monkeypatch, searching, "found_in", killed)
    sources = open_sources([str(healthy)])
    trace = trace_of(sources, started=tracing.started_trace(sources))
    pd.testing.assert_frame_equal(trace.entities, alone.entities)
    pd.testing.assert_frame_equal(trace.told, alone.told)
    assert finders == ([os.getpid()] if killed else [])
    assert not scanners


@LINUX
@pytest.mark.parametrize("killed", [False, True])
def test_findings_that_a_fork_looks_for_are_those_of_the_log(
    restarted: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    monkeypatch.setattr(tracing, "forked", lambda _: None)
    alone = read_trace([str(restarted)]).findings
    assert (alone["verdict"] == "found").any()
    monkeypatch.setattr(tracing, "forked", lambda _: Forked)
    seekers = watched(monkeypatch, diagnose, "diagnose", killed)
    trace = read_trace([str(restarted)])
    later = trace.with_operations(trace.operations.iloc[:1])
    assert not seekers
    pd.testing.assert_frame_equal(trace.findings, alone)
    assert later.findings is trace.findings
    assert seekers == ([os.getpid()] if killed else [])


@LINUX
@pytest.mark.parametrize("killed", [False, True])
def test_calls_that_a_fork_finds_are_those_of_the_log(
    restarted: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    monkeypatch.setattr(building, "forked", lambda _: None)
    alone = read_trace([str(restarted)])
    assert (alone.spans["kind"] == "call").any()
    monkeypatch.setattr(building, "forked", lambda _: Forked)
    finders = watched(monkeypatch, runshapes, "shapes_of", killed)
    beside = read_trace([str(restarted)])
    pd.testing.assert_frame_equal(beside.spans, alone.spans)
    pd.testing.assert_frame_equal(beside.records, alone.records)
    assert finders == ([os.getpid()] if killed else [])


def test_what_has_many_records_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert processes.idle_core(processes.FORKED)
    assert not processes.idle_core(processes.FORKED + 1)


@LINUX
def test_numbers_that_forks_share_are_taken_once_each() -> None:
    shared = Shared(20_000)
    forks = [Forked(lambda: list(shared)) for _ in range(3)]
    taken = [list(shared), *(fork.result() for fork in forks)]
    assert sorted(number for own in taken for number in own) == list(range(20_000))


@LINUX
def test_a_fork_waits_until_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "said"
    path.write_text("too early")
    fork = Waiting(lambda: [path.read_text(), os.getpid()])
    time.sleep(0.1)
    path.write_text("in time")
    fork.begin()
    assert fork.result() == ["in time", fork._pid]


@LINUX
def test_a_fork_that_nobody_tells_anything_ends() -> None:
    fork = Waiting(os.getpid)
    pid = fork._pid
    assert pid is not None
    del fork
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@LINUX
def test_a_fork_that_died_waiting_is_told_in_vain() -> None:
    fork = Waiting(os.getpid)
    assert fork._pid is not None
    os.kill(fork._pid, signal.SIGKILL)
    time.sleep(0.1)
    fork.begin()
    assert fork.result() is None


@LINUX
def test_what_a_fork_makes_first_can_be_had_before_the_rest() -> None:
    here, there = os.pipe()
    fork = Early(lambda: ["first", os.getpid()], lambda: [os.read(here, 9).decode(), os.getpid()])
    assert fork.first() == ["first", fork._pid]
    os.write(there, b"then")
    assert fork.result() == ["then", fork._pid]
    os.close(here)
    os.close(there)


@LINUX
@pytest.mark.parametrize("died_of", ["first", "rest"])
def test_a_fork_that_dies_loses_what_it_had_yet_to_make(died_of: str) -> None:
    fork = Early(*((lambda: 1, died) if died_of == "rest" else (died, lambda: 2)))
    assert fork.first() == (1 if died_of == "rest" else None)
    assert fork.result() is None


@LINUX
def test_a_fork_that_nobody_asks_for_either_ends() -> None:
    fork = Early(lambda: 1, lambda: time.sleep(60))
    pid, files = fork._pid, len(os.listdir("/proc/self/fd"))
    assert pid is not None
    del fork
    assert len(os.listdir("/proc/self/fd")) == files - 3  # the pipe's end and what would have been made
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
