"""Several processes read a source as one does, to the byte."""

from __future__ import annotations

import gzip
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracekit.parse import parallel
from tracekit.parse.dialect import Dialect, detect, load_dialects
from tracekit.parse.events import Events
from tracekit.parse.grammar import load_messages
from tracekit.parse.scan import Dispatch, Scanned, dispatch_of, scan
from tracekit.resources import grammars


@pytest.fixture(scope="module")
def dispatch() -> Dispatch:
    messages = load_messages(grammars())
    return dispatch_of(messages)


@pytest.fixture(scope="module")
def dialects() -> list[Dialect]:
    return load_dialects(grammars())


def same(one: Scanned, two: Scanned) -> None:
    for name in ("starts", "bodies", "ts"):
        assert np.array_equal(getattr(one.heads, name), getattr(two.heads, name)), name
    for name, column in one.heads.columns.items():
        assert column.list() == two.heads.columns[name].list(), name
    assert one.heads.columns.keys() == two.heads.columns.keys()
    assert one.heads.dialects == two.heads.dialects
    assert np.array_equal(one.lines, two.lines)
    assert np.array_equal(one.rules, two.rules)
    assert (one.low, one.end, one.first_line) == (two.low, two.end, two.first_line)


def both(data: Any, dialects: list[Dialect], dispatch: Dispatch, processes: int) -> None:
    dialect, _ = detect(data, dialects)
    assert dialect is not None
    others = [known for known in dialects if known.mixes]
    messages = load_messages(grammars())
    alone, together = Events(messages), Events(messages)
    window = (0, len(data))
    one = scan(data, dialect, dispatch, alone, 7, others, window)
    two = parallel.scan_parallel(data, dialect, dispatch, together, 7, others, window, processes)
    same(one, two)
    assert alone.equals(together)


@pytest.mark.parametrize("size", [1, 5000])
def test_it_does_not_matter_how_many_messages_are_compared(
    samples: Path, dispatch: Dispatch, dialects: list[Dialect], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (samples / "4.18" / "a-healthy" / "management-server.log").read_bytes()
    dialect, _ = detect(data, dialects)
    assert dialect is not None
    messages = load_messages(grammars())
    all_at_once, few = Events(messages), Events(messages)
    one = scan(data, dialect, dispatch, all_at_once, 7)
    monkeypatch.setattr(import_module("tracekit.parse.scan"), "AT_ONCE", size)
    same(one, scan(data, dialect, dispatch, few, 7))
    assert all_at_once.equals(few)
    assert 1000 < sum(len(few.rows(rule).records) for rule in few) == np.count_nonzero(one.rules >= 0)


@pytest.mark.parametrize("processes", [2, 3])
def test_parts_of_a_log_are_the_log(samples: Path, dispatch: Dispatch, dialects: list[Dialect], processes: int) -> None:
    for path in ("4.23-kvm/a-healthy/management-server.log", "4.18/a-healthy/management-server.log"):
        both((samples / path).read_bytes(), dialects, dispatch, processes)


def test_a_log_that_changes_its_layout_is_read_in_parts_as_well(
    samples: Path, dispatch: Dispatch, dialects: list[Dialect]
) -> None:
    old = (samples / "4.18/a-healthy/management-server.log").read_bytes()
    new = gzip.decompress((samples / "4.23/k-ms-restart/management-server.log.gz").read_bytes())
    both(old + new[:200_000] + old, dialects, dispatch, 3)


def test_more_processes_than_records(samples: Path, dispatch: Dispatch, dialects: list[Dialect]) -> None:
    data = (samples / "4.18/a-healthy/management-server.log").read_bytes()
    both(b"".join(data.splitlines(keepends=True)[:3]), dialects, dispatch, 8)


def test_the_part_of_a_child_that_died_is_read_here(
    samples: Path, dispatch: Dispatch, dialects: list[Dialect], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "packed_scan", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    both((samples / "4.23-kvm/a-healthy/management-server.log").read_bytes(), dialects, dispatch, 2)
