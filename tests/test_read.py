"""Paths → bytes: every kind of input, and every way in which it can be bad."""

from __future__ import annotations

import gzip
import io
import mmap
import os
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from hypothesis import given, settings, strategies as st

from tracekit.errors import NotOurLogError, SourceError
from tracekit.read import gzipped, looks
from tracekit.read.files import Sources, open_sources

TEXT = b"".join(
    b"2026-11-22 17:05:00,%03d INFO  [c.c.a.ApiServlet] (main:) line %d\n" % (n % 1000, n) for n in range(5000)
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "management-server.log"
    path.write_bytes(TEXT)
    return path


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def counters(sources: Sources) -> dict[str, int]:
    return {row.counter: row.count for row in sources.quality.rows()}


# --- what can be read


def test_a_plain_file_is_mapped_and_keeps_the_path_as_given(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(log.parent)
    with open_sources(["management-server.log"]) as sources:
        (source,) = sources
        assert source.path == "management-server.log"
        assert isinstance(source.data, mmap.mmap)
        assert (source.packed, source.listed, len(source)) == (False, True, len(TEXT))
        assert source.data[:] == TEXT
        assert sources.quality.rows() == []


def test_slice_gives_bytes_and_stops_at_the_end(log: Path) -> None:
    with open_sources([str(log)]) as sources:
        source = sources[str(log)]
        first = TEXT.index(b"\n") + 1
        assert source.slice(0, first) == TEXT[:first]
        assert source.slice(first, first) == TEXT[first : 2 * first]
        assert source.slice(len(TEXT) - 3, 100) == TEXT[-3:]
        assert source.slice(len(TEXT), 1) == b""


def test_text_of_a_record_is_decoded_without_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"one\nna\xefve \xc3\xa4\r\nthree\n")
    with open_sources([str(path)]) as sources:
        assert sources.text(SimpleNamespace(source=str(path), offset=4, length=10)) == "na\ufffdve \u00e4"


@pytest.mark.parametrize("name", ["management-server.log.gz", "renamed.log"])
def test_gzip_is_known_by_its_content_and_not_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT))
    (source,) = open_sources([str(path)])
    assert source.packed
    assert source.data == TEXT


def test_plain_text_with_a_gz_name_is_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "unpacked.log.gz"
    path.write_bytes(TEXT)
    with open_sources([str(path)]) as sources:
        assert not sources[str(path)].packed
        assert sources[str(path)].data[:] == TEXT


def test_gzip_files_put_one_behind_the_other_are_one_text(tmp_path: Path) -> None:
    path = tmp_path / "both.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(b"the end\n") + bytes(512))
    sources = open_sources([str(path)])
    assert sources[str(path)].data == TEXT + b"the end\n"
    assert counters(sources) == {}


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    stdin(monkeypatch, gzip.compress(TEXT) if packed else TEXT)
    (source,) = open_sources(["-"])
    assert (source.path, source.data, source.packed) == ("-", TEXT, packed)


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(TEXT,), daemon=True)
    writer.start()
    (source,) = open_sources([str(pipe)])
    writer.join()
    assert source.data == TEXT


def test_the_sample_logs_can_be_opened(healthy: Path, restarted: Path) -> None:
    with open_sources([str(healthy), str(restarted)]) as sources:
        assert [source.packed for source in sources] == [False, True]
        assert sources[str(healthy)].slice(0, 25) == b"2026-11-22 17:05:00,859 D"
        assert sources[str(restarted)].data == gzip.decompress(restarted.read_bytes())
        assert counters(sources) == {}


# --- folders


def test_a_folder_gives_its_logs_oldest_first(tmp_path: Path) -> None:
    names = [
        "a.log.2026-11-21.gz",
        "a.log.2026-11-22",
        "a.log",
        "b.log.10",
        "b.log.2.gz",
        "b.log.1",
        "b.log",
        "c.log-20261121.gz",
        "c.log-20261122",
        "c.log.gz",
    ]
    for name in [*names, "notes.txt", "log", "blog", "a.log.bak"]:
        (tmp_path / name).write_bytes(name.encode() + b" one\n")
    (tmp_path / "sub.log").mkdir()
    (tmp_path / "sub.log" / "deeper.log").write_bytes(TEXT)
    with open_sources([str(tmp_path)]) as sources:
        assert [Path(source.path).name for source in sources] == names
        assert {source.listed for source in sources} == {False}
        assert [source.slice(0, 3) for source in sources][:3] == [b"a.l"] * 3


def test_in_a_folder_what_is_no_text_is_left_out_and_counted(log: Path) -> None:
    (log.parent / "empty.log").touch()
    (log.parent / "core.log").write_bytes(bytes(5000))
    with open_sources([str(log.parent)]) as sources:
        assert [source.path for source in sources] == [str(log)]
        (row,) = sources.quality.rows()
        assert (row.counter, row.severity, row.count) == ("file of a folder left out", "warning", 2)
        assert row.where == str(log.parent / "core.log")
        assert "binary" in str(row.example)


def test_a_folder_without_logs(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"no log in this folder") as caught:
        open_sources([str(tmp_path)])
    assert str(tmp_path) in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_folder_of_which_no_log_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    with pytest.raises(SourceError, match=r"can be read; .*a\.log: empty"):
        open_sources([str(tmp_path)])


def test_a_file_given_twice_is_read_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = log.with_name("link.log")
    link.symlink_to(log)
    stdin(monkeypatch, TEXT)
    with open_sources([str(log), str(log.parent), "-", "-"]) as sources:
        assert [source.path for source in sources] == [str(log), "-"]
        assert counters(sources) == {"file given twice": 3}


# --- damaged gzip files


@pytest.mark.parametrize("cut", [9, 8, 5, 1])
def test_a_gzip_file_torn_in_its_trailer_keeps_all_its_text(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "torn.log.gz"
    path.write_bytes(gzip.compress(TEXT)[:-cut])
    sources = open_sources([str(path)])
    assert bytes(sources[str(path)].data) in (TEXT, TEXT[: len(TEXT) - cut])
    (row,) = sources.quality.rows()
    assert (row.counter, row.severity, row.where) == ("damaged gzip file", "warning", str(path))
    assert "ends too early" in str(row.example)


def test_a_torn_gzip_file_keeps_what_could_be_read(tmp_path: Path, restarted: Path) -> None:
    whole = gzip.decompress(restarted.read_bytes())
    path = tmp_path / "torn.log.gz"
    path.write_bytes(restarted.read_bytes()[:100_000])
    sources = open_sources([str(path)])
    data = bytes(sources[str(path)].data)
    assert whole.startswith(data)
    assert len(data) > len(whole) // 2
    assert counters(sources) == {"damaged gzip file": 1}


def test_a_damaged_gzip_file_keeps_at_least_what_stands_before_the_damage(tmp_path: Path, restarted: Path) -> None:
    packed = bytearray(restarted.read_bytes())
    packed[90_000:90_064] = b"\xff" * 64
    path = tmp_path / "damaged.log.gz"
    path.write_bytes(packed)
    sources = open_sources([str(path)])
    data = bytes(sources[str(path)].data)
    whole = gzip.decompress(restarted.read_bytes())
    common = next(at for at, (ours, true) in enumerate(zip(data, whole, strict=False)) if ours != true)
    assert common > len(whole) // 2
    assert counters(sources) == {"damaged gzip file": 1}


def test_a_wrong_checksum_loses_no_text(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-8] ^= 0xFF
    path = tmp_path / "wrong.log.gz"
    path.write_bytes(packed)
    sources = open_sources([str(path)])
    assert sources[str(path)].data == TEXT
    assert counters(sources) == {"damaged gzip file": 1}


def test_the_faster_library_gives_what_zlib_gives(restarted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("isal", reason="tracekit[fast] is not installed")
    packed = restarted.read_bytes()
    assert gzipped._quickly(packed) == gzip.decompress(packed)
    forms = (packed, packed * 2, packed + b"\0" * 600, packed[:-9], packed + b"x", b"")
    quick = [gzipped.unpack(form) for form in forms]
    monkeypatch.setattr(gzipped, "_quickly", lambda _: None)
    assert quick == [gzipped.unpack(form) for form in forms]


def test_rubbish_behind_a_gzip_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.log.gz"
    path.write_bytes(gzip.compress(TEXT) + b"rubbish")
    sources = open_sources([str(path)])
    assert sources[str(path)].data == TEXT
    assert counters(sources) == {"damaged gzip file": 1}


def test_a_gzip_file_that_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "head.log.gz"
    path.write_bytes(gzip.compress(TEXT)[:12])
    with pytest.raises(NotOurLogError, match=r"head\.log\.gz: a gzip file that gives no text"):
        open_sources([str(path)])


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_unpack_never_raises_and_never_calls_damage_whole(at: int, value: int, cut: bool) -> None:
    text = TEXT[:20_000]
    packed = bytearray(gzip.compress(text, mtime=0))
    at %= len(packed)
    if cut:
        del packed[at:]
    else:
        packed[at] = value
    unpacked = gzipped.unpack(bytes(packed))
    if unpacked.damage is None and packed:
        assert unpacked.data == text  # only the header's time, flags and the like differ
    if cut:
        assert text.startswith(unpacked.data)


# --- what cannot be read


def test_a_missing_file(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.log")
    with pytest.raises(SourceError, match=r"nowhere\.log: cannot be read \(No such file or directory\)") as caught:
        open_sources([path])
    assert caught.value.exit_code == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(log: Path) -> None:
    log.chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        open_sources([str(log)])


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "round.log"
    link.symlink_to(link)
    with pytest.raises(SourceError, match=r"round\.log: cannot be read \(Too many levels of symbolic links\)"):
        open_sources([str(link)])


def test_no_path_at_all() -> None:
    with pytest.raises(SourceError, match="no log was given"):
        open_sources([])


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SourceError, match="no standard input"):
        open_sources(["-"])


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.log"
    path.write_bytes(content)
    with pytest.raises(NotOurLogError, match=r"empty\.log: empty") as caught:
        open_sources([str(path)])
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (bytes(4096), "binary data (100 % zero bytes)"),
        (b"\0\1\2text\0" * 100, "zero bytes"),
        (bytes(range(256)) * 16, "binary data"),
        (gzip.compress(gzip.compress(TEXT)), "a gzip file inside a gzip file"),
        (TEXT.decode().encode("utf-16"), "UTF-16"),
    ],
)
def test_a_binary_file_is_named_for_what_it_looks_like(tmp_path: Path, content: bytes, looks_like: str) -> None:
    path = tmp_path / "management-server.log"
    path.write_bytes(content)
    with pytest.raises(NotOurLogError) as caught:
        open_sources([str(path)])
    assert str(caught.value).startswith(f"{path}: not a log but ")
    assert looks_like in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "head",
    [
        TEXT,
        "Grüße 日本語\n".encode(),
        "Grüße\n".encode("latin-1") * 50,
        b"\xef\xbb\xbf" + TEXT,
        b"\x1b[31mred\x1b[0m\n" * 20,
        TEXT[:4000] + bytes(50),  # the hole that a crash leaves
        b"x",
    ],
)
def test_text_in_any_encoding_is_text(head: bytes) -> None:
    assert looks.strange(head) is None
