"""A trace out of the cache is the trace that was put there; nothing stale or damaged is taken."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from command_line import run
from tracekit import kept, stored
from tracekit.cache import cache_folder
from tracekit.container import Reader, Writer
from tracekit.processes import Forked
from tracekit.read.files import open_sources
from tracekit.report import terminal
from tracekit.trace import Trace, trace_of

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks are made on Linux alone")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that keeps every log."""
    # With the patterns that were derived already: deriving them for each test would take most of its time.
    usual = cache_folder()
    made = tmp_path / "cache" / "tracekit"
    made.mkdir(parents=True)
    for path in (*usual.glob("grammar-*"), *usual.glob("toml-*")) if usual.is_dir() else ():
        shutil.copy(path, made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tracekit.cache.LEAST", 0)
    return tmp_path / "cache" / "tracekit"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for each time that logs were really read."""
    made: list[Any] = []

    def counting(*sources: Any, **options: Any) -> Trace:
        made.append(sources)
        return trace_of(*sources, **options)

    monkeypatch.setattr(kept, "trace_of", counting)
    return made


def read(*paths: Path, **options: Any) -> Trace:
    sources = open_sources([str(path) for path in paths])
    return kept.kept_trace(sources, kept.place_of(sources, options), **options)


def same(one: Trace, two: Trace) -> None:
    for field in fields(Trace):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_categorical=True)
    assert one.events.equals(two.events)
    pd.testing.assert_frame_equal(one.events.table(), two.events.table())
    assert one.meta == two.meta
    assert [source.path for source in one.sources] == [source.path for source in two.sources]


def test_the_second_trace_is_the_first(folder: Path, reads: list[Any], samples: Path) -> None:
    for path in sorted(samples.rglob("management-server.log*")):
        same(read(path), read(path))
    assert len(reads) == len(list(folder.glob("trace-*.bin"))) > 2


def test_options_have_traces_of_their_own(folder: Path, reads: list[Any], healthy: Path) -> None:
    same(read(healthy, dialect="log4j2"), read(healthy, dialect="log4j2"))
    read(healthy)
    assert len(reads) == 2


def grown(log: Path) -> None:
    log.write_bytes(log.read_bytes() * 2)


def touched(log: Path) -> None:
    os.utime(log, ns=(1, 1))


def rewritten(log: Path) -> None:
    state = log.stat()
    log.write_bytes(log.read_bytes()[:-1] + b" ")
    os.utime(log, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("change", [grown, touched, rewritten])
def test_a_log_that_changed_is_read_again(
    folder: Path, reads: list[Any], healthy: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    log = tmp_path / "management-server.log"
    log.write_bytes(healthy.read_bytes())
    read(log)
    change(log)
    read(log)
    assert len(reads) == 2


def test_other_code_reads_again(folder: Path, reads: list[Any], healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(healthy)
    monkeypatch.setattr(kept, "reader_digest", lambda: "another")
    read(healthy)
    assert len(reads) == 2


def test_other_libraries_read_again(
    folder: Path, reads: list[Any], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(healthy)
    monkeypatch.setattr(stored, "libraries", lambda: ["2.0", "4.0"])
    read(healthy)
    assert len(reads) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"N"])
def test_a_damaged_file_is_not_taken(folder: Path, reads: list[Any], healthy: Path, damage: bytes) -> None:
    first = read(healthy)
    (path,) = folder.glob("trace-*.bin")
    path.write_bytes(damage)
    same(first, read(healthy))
    assert len(reads) == 2


def test_half_a_file_is_not_taken(folder: Path, reads: list[Any], healthy: Path) -> None:
    read(healthy)
    (path,) = folder.glob("trace-*.bin")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read(healthy)
    assert len(reads) == 2


def test_a_damaged_table_is_read_out_of_the_log(folder: Path, reads: list[Any], healthy: Path) -> None:
    first = read(healthy)
    (path,) = folder.glob("trace-*.bin")
    offset, length, _ = Reader(path).directory["tables"]["spans"][0][2][0]
    whole = bytearray(path.read_bytes())
    whole[offset + length // 2] ^= 1
    path.write_bytes(whole)
    second = read(healthy)
    pd.testing.assert_frame_equal(second.operations, first.operations)
    assert len(reads) == 1
    same(first, second)
    assert len(reads) == 2
    same(first, read(healthy))  # the file was made anew
    assert len(reads) == 2


def test_a_trace_that_cannot_be_kept_leaves_nothing(
    folder: Path, reads: list[Any], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PLAIN", ())
    assert len(read(healthy).operations)
    assert list(folder.glob("trace-*")) == []


def test_objects_and_texts_come_back(tmp_path: Path) -> None:
    one = {"a": [1, None, ("b", 2.5)]}
    cells = [one, None, {}, one, [1, 2], [3, 4]]
    texts = ["x", None, "", "x", "y", None]
    table = pd.DataFrame({"said": pd.Series(cells, dtype="object"), "text": pd.Series(texts, dtype="str")})
    with Writer(tmp_path / "table.bin") as writer:
        writer.finish(stored.stored_table(table, writer))
    reader = Reader(tmp_path / "table.bin")
    again = stored.table_of(reader.directory, reader)
    pd.testing.assert_frame_equal(again, table)
    assert again["said"].iloc[0] is again["said"].iloc[3]


@pytest.mark.parametrize(
    "value", [np.int64(1), {"a": [1, {2: b"b"}]}, [[], {"a": ("b", {1})}], {np.str_("a"): 1}, [1, pd.NaT]]
)
def test_what_would_come_back_as_another_value_is_not_kept(value: Any) -> None:
    with pytest.raises(stored.UnkeptError):
        stored.plain([None, value])


def test_another_table_of_operations_reads_nothing(folder: Path, healthy: Path) -> None:
    first, second = read(healthy), read(healthy)
    few = first.operations.iloc[:1]
    (path,) = folder.glob("trace-*.bin")
    path.unlink()  # it is mapped already
    assert second.with_operations(few).operations is few
    pd.testing.assert_frame_equal(second.operations, first.operations)
    pd.testing.assert_frame_equal(replace(second, operations=few).ledger, first.ledger)


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (("operations",), {"operations"}),
        (("operations", "--json"), {"operations"}),
        (("tree", "job-18"), {"operations", "spans"}),
        (("lines", "job-18"), {"operations", "records", "sources"}),
    ],
)
def test_a_command_reads_the_tables_that_it_shows(
    folder: Path,
    healthy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    parts: set[str],
) -> None:
    name, *others = command
    arguments = [name, str(healthy), *others]
    made = run(capsys, *arguments)
    asked, part = set(), kept.Kept.part

    def noted(self: kept.Kept, name: str) -> Any:
        asked.add(name)
        return part(self, name)

    monkeypatch.setattr(kept.Kept, "part", noted)
    assert run(capsys, *arguments) == made
    assert (made[0], asked) == (0, parts)


def test_a_folder_that_cannot_be_written_to_costs_nothing(
    tmp_path: Path, folder: Path, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(read(healthy).operations)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("by", [None, pytest.param(Forked, marks=LINUX)])
def test_a_trace_is_kept_when_the_command_is_done(
    folder: Path,
    healthy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    by: type[Forked] | None,
    cores: int,
) -> None:
    monkeypatch.setattr(kept, "forked", lambda _: by)
    monkeypatch.setattr(kept, "cores", lambda: cores)  # of several a thread takes one where nothing is forked
    there: list[bool] = []
    shown = terminal.operations_table

    def noted(*given: Any) -> str:
        there.append(any(folder.glob("trace-*.bin")))
        return shown(*given)

    monkeypatch.setattr(terminal, "operations_table", noted)
    assert run(capsys, "operations", str(healthy))[0] == 0
    assert by or cores > 1 or there == [False]
    (made,) = folder.glob("trace-*")
    assert made.suffix == ".bin"


def test_nothing_is_kept_for_who_interrupts(
    folder: Path, healthy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "forked", lambda _: None)
    monkeypatch.setattr(kept, "cores", lambda: 1)
    monkeypatch.setattr(terminal, "operations_table", interrupted)
    assert run(capsys, "operations", str(healthy))[0] == 130
    assert not list(folder.glob("trace-*"))


def test_a_comparison_reads_a_log_once(
    tmp_path: Path, folder: Path, reads: list[Any], healthy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, page = tmp_path / "other.log", tmp_path / "page.html"
    shutil.copy(healthy, other)
    pair = ("--operation", "job-18", "job-21")
    for logs, read_by_now in (((healthy, healthy), 1), ((healthy, other), 2), ((other, healthy), 2)):
        arguments = ("diff", *map(str, logs), *pair, "-o", str(page), "--force")
        assert run(capsys, *arguments)[0] == 0
        assert len(reads) == read_by_now
