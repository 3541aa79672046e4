"""Large data laid aside is the data that was given, in memory or not."""

from __future__ import annotations

import gzip
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from tracekit import aside
from tracekit.aside import Text, arrays_aside, table_aside
from tracekit.kept import key_of
from tracekit.parse import parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small data is laid aside."""
    monkeypatch.setattr(aside, "LEAST", 100)
    monkeypatch.setattr(aside, "LARGE", 10)


def full(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let files take `room` bytes, and then no more."""
    taken = 0

    def write(file: Any, data: Any) -> None:
        nonlocal taken
        taken += len(data)
        if taken > room:
            file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        file.write(data)

    monkeypatch.setattr(aside, "written", write)


def mapped(array: Any) -> bool:
    """Whether an array stands in a file."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


@settings(max_examples=50)
@given(pieces=st.lists(st.binary(max_size=60)), least=st.integers(1, 100), room=st.integers(0, 400))
def test_a_text_is_its_pieces_wherever_the_disk_is_full(pieces: list[bytes], least: int, room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aside, "LEAST", least)
        full(patch, room)
        text = Text()
        for piece in pieces:
            text.add(piece)
        assert text.whole()[:] == b"".join(pieces)


def test_a_long_text_is_not_in_memory(small: None) -> None:
    text = Text()
    text.add(b"x" * 99)
    text.add(b"y" * 99)
    text.add(b"z")
    whole = text.whole()
    assert isinstance(whole, mmap.mmap)
    assert whole[:] == b"x" * 99 + b"y" * 99 + b"z"


def test_where_no_file_can_be_made_it_stays_in_memory(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    text = Text()
    text.add(b"x" * 200)
    text.add(b"y")
    assert text.whole() == b"x" * 200 + b"y"
    arrays = [np.arange(100)]
    assert arrays_aside(arrays)[0] is arrays[0]


def test_nothing_is_left_behind(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (large,) = arrays_aside([np.arange(1000)])
    assert mapped(large)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["int8", "int32", "int64", "bool", "datetime64[us]"]), st.integers(0, 40)),
        max_size=6,
    )
)
def test_arrays_come_back_as_they_were(shapes: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aside, "LEAST", 64)
        patch.setattr(aside, "LARGE", 16)
        arrays = [np.arange(2 * many).astype(dtype).reshape(many, 2) for dtype, many in shapes]
        back = arrays_aside(arrays)
        assert [(one.dtype, one.shape) for one in back] == [(one.dtype, one.shape) for one in arrays]
        assert all(np.array_equal(one, other) for one, other in zip(arrays, back, strict=True))


def test_a_full_disk_leaves_the_arrays_in_memory(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, 1000)
    arrays = [np.arange(100), np.arange(200)]
    assert all(one is other for one, other in zip(arrays, arrays_aside(arrays), strict=True))


def test_what_is_written_to_an_array_is_not_in_the_file_of_another(small: None) -> None:
    one, two = arrays_aside([np.arange(100), np.arange(100)])
    one[:] = 7
    assert two.tolist() == list(range(100))


def test_a_table_comes_back_as_it_was(small: None, healthy: Path) -> None:
    quality = Collector()
    parsed = parse(open_sources([str(healthy)]), quality)
    records = parsed.records
    made = table_aside(records)
    pd.testing.assert_frame_equal(made, records)
    assert mapped(made["ts"].to_numpy())
    assert mapped(made["thread"].array.codes)
    some = table_aside(records, ["ts"])
    pd.testing.assert_frame_equal(some, records)
    assert mapped(some["ts"].to_numpy())
    assert not mapped(some["line"].to_numpy())


def test_events_come_back_as_they_were(small: None, healthy: Path) -> None:
    one, two = (parse(open_sources([str(healthy)]), Collector()).events for _ in range(2))
    two.moved(arrays_aside)
    assert one.equals(two)
    assert mapped(two.places)
    pd.testing.assert_frame_equal(one.table(), two.table())


def test_a_packed_log_in_a_file_is_known_by_its_text(small: None, tmp_path: Path) -> None:
    log = tmp_path / "management-server.log.gz"
    keys = []
    for word in (b"one", b"two"):
        log.write_bytes(gzip.compress(b"2026-01-01 00:00:00,000 %s line\n" % word * 100, 0, mtime=0))
        os.utime(log, ns=(1, 1))
        sources = open_sources([str(log)])
        assert isinstance(next(iter(sources)).data, mmap.mmap)
        keys.append((log.stat().st_size, key_of(sources, {})))
    (size, key), (other_size, other) = keys
    assert size == other_size
    assert key != other
