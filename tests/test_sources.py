"""Every form in which a log can come gives the same operations: packed, in archives, split, shuffled, piped."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from generator.reading import grammars_once
from tracekit.errors import NotOurLogError, SourceError
from tracekit.parse import parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.read.remote import without_secrets
from tracekit.trace import Trace, read_trace

LOG = "management-server.log"


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def whole(healthy: Path) -> Trace:
    return read_trace([str(healthy)])


def same(trace: Trace, reference: Trace) -> None:
    """The operations are the same ones in every column, and so is where their time went."""
    pd.testing.assert_frame_equal(trace.operations, reference.operations)
    columns = ["operation", "start", "end", "category", "owner"]
    pd.testing.assert_frame_equal(trace.ledger[columns], reference.ledger[columns])
    pd.testing.assert_frame_equal(trace.jobs, reference.jobs)


def counters(trace: Trace) -> dict[str, int]:
    return dict(zip(trace.quality["counter"], trace.quality["count"], strict=True))


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def apilog() -> bytes:
    """A line of apilog.log of the same server; the sample logs have none."""
    return (
        b"2026-11-22 17:05:01,090 INFO  [a.c.c.a.ApiServlet] (qtp253011924-24:[ctx-779f7ecf, ctx-0a0a0a0a]) "
        b'(logid:01020304) (userId=2 accountId=2 sessionId=node0) 127.0.0.1 -- POST command=login 200 {"r":{}}\n'
    )


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "x.gz": gzip.compress,
    "x.bz2": bz2.compress,
    "x.xz": lzma.compress,
    "x.tar": lambda data: tarred({f"var/log/{LOG}": data, "var/log/apilog.log": apilog(), "readme.txt": b"hello\n"}),
    "x.tgz": lambda data: gzip.compress(tarred({LOG: data})),
    "x.tar.xz": lambda data: lzma.compress(tarred({f"ms1/{LOG}.1.gz": gzip.compress(data)})),
    "x.zip": lambda data: zipped({f"a/{LOG}": data}),
    "nested.zip": lambda data: zipped({"inner.tar.gz": gzip.compress(tarred({LOG: data}))}),
    "odd names.tar": lambda data: tarred({"server.out": data}),
}


@pytest.mark.parametrize("name", PACKINGS)
def test_packed_logs_give_the_same_operations(name: str, healthy: Path, whole: Trace, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PACKINGS[name](healthy.read_bytes()))
    trace = read_trace([str(path)])
    same(trace, whole)
    assert all(source.path.startswith(str(path)) and source.packed for source in trace.sources)
    first = trace.records[trace.records["source"].astype("str").str.contains("apilog") == False].iloc[0]  # noqa: E712
    assert trace.sources.text(first).startswith("2026-11-22 17:05:00,859 D")


@pytest.mark.parametrize(
    ("module", "name", "call"), [("zstandard", "x.log.zst", "compress"), ("lz4.frame", "x.log.lz4", "compress")]
)
def test_zstd_and_lz4(module: str, name: str, call: str, healthy: Path, whole: Trace, tmp_path: Path) -> None:
    packer = pytest.importorskip(module)
    data = healthy.read_bytes()
    path = tmp_path / name
    path.write_bytes(getattr(packer, call)(data[:100_000]) + getattr(packer, call)(data[100_000:]))
    same(read_trace([str(path)]), whole)


@pytest.mark.parametrize("magic", [b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"])
def test_without_its_package_the_extra_is_named(magic: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("compression.zstd", "zstandard", "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "x.log"
    path.write_bytes(magic + bytes(100))
    with pytest.raises(SourceError, match=r"pip install 'tracekit\[archives\]'") as caught:
        open_sources([str(path)])
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress], ids=["bzip2", "xz"])
@pytest.mark.parametrize("hurt", ["torn", "broken", "rubbish"])
def test_what_stands_before_damage_is_read(
    pack: Callable[[bytes], bytes], hurt: str, restarted: Path, tmp_path: Path
) -> None:
    text = gzip.decompress(restarted.read_bytes())
    packed = bytearray(pack(text))
    if hurt == "torn":
        del packed[-3000:]
    elif hurt == "broken":
        packed[-5000:-4900] = b"\xff" * 100
    else:
        packed += b"rubbish"
    path = tmp_path / "x.log"
    path.write_bytes(packed)
    sources = open_sources([str(path)])
    data = bytes(sources[str(path)].data)
    assert text.startswith(data)
    assert len(data) > len(text) // 4
    (row,) = sources.quality.rows()
    assert row.counter.startswith("damaged ")


def test_archives_without_a_log_and_too_deep(tmp_path: Path, healthy: Path) -> None:
    log = {LOG: healthy.read_bytes()}
    deep = zipped({"b.zip": zipped({"c.zip": zipped(log)})})
    for name, data, words in (
        ("empty.zip", zipped({}), "no log in this archive"),
        ("pictures.zip", zipped({"a.png": b"\x89PNG" + bytes(20)}), "not a log but a picture"),
        ("deep.zip", deep, "unpack the outer ones first"),
        ("torn.tar", tarred(log)[:700], "no log in this archive"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        if name == "torn.tar":  # the head of the log is there, and is read
            assert [row.counter for row in open_sources([str(path)]).quality.rows()] != []
            continue
        with pytest.raises(SourceError) as caught:
            open_sources([str(path)])
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("seed", range(4))
def test_pieces_cut_anywhere_and_shuffled_give_the_same_operations(
    seed: int, healthy: Path, whole: Trace, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    data = healthy.read_bytes()
    cuts = sorted(chance.sample(range(1000, len(data) - 1000), 2))
    if seed % 2:  # between lines
        cuts = [data.index(b"\n", cut) + 1 for cut in cuts]
    paths = [tmp_path / name for name in chance.sample(["x.log", "y.log", "z.log"], 3)]
    for path, piece in zip(paths, pieces(data, cuts), strict=True):
        path.write_bytes(piece)
    chance.shuffle(paths)
    trace = read_trace([str(path) for path in paths])
    same(trace, whole)
    assert len(trace.records) == len(whole.records)
    assert "bytes before the first record" not in counters(trace)
    texts = [trace.sources.text(row) for row in trace.records.itertuples()]
    assert texts == [whole.sources.text(row) for row in whole.records.itertuples()]


def test_a_log_rotated_by_day_is_put_in_order_by_content(healthy: Path, whole: Trace, tmp_path: Path) -> None:
    data = healthy.read_bytes()
    cut = data.index(b"\n2026-11-22 17:05:06") + 1
    late = data[cut:].replace(b"2026-11-22 17", b"2026-11-23 00")
    (tmp_path / f"{LOG}.2026-11-24").write_bytes(data[:cut])  # the name says another order than the content
    (tmp_path / f"{LOG}.2026-11-22.gz").write_bytes(gzip.compress(late))
    (tmp_path / "both.log").write_bytes(data[:cut] + late)
    days = read_trace([str(tmp_path / f"{LOG}.2026-11-24"), str(tmp_path / f"{LOG}.2026-11-22.gz")])
    same(days, read_trace([str(tmp_path / "both.log")]))
    assert [file.path.rpartition(".")[2] for file in days.meta.files] == ["2026-11-24", "gz"]


def test_standard_input(healthy: Path, whole: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(tarred({LOG: healthy.read_bytes()})))
    monkeypatch.setattr("sys.stdin", stream)
    same(read_trace(["-"]), whole)


def test_copies_are_read_once(healthy: Path, whole: Trace, tmp_path: Path) -> None:
    data = healthy.read_bytes()
    (tmp_path / "copy.log").write_bytes(data)
    (tmp_path / "earlier.log.gz").write_bytes(gzip.compress(data[: len(data) // 2]))
    trace = read_trace([str(healthy), str(tmp_path)])
    same(trace, whole)
    assert counters(trace)["file given twice"] == 2


def test_patterns_and_folders_of_folders(healthy: Path, whole: Trace, tmp_path: Path) -> None:
    (tmp_path / "ms1").mkdir()
    (tmp_path / "ms1" / LOG).write_bytes(healthy.read_bytes())
    same(read_trace([str(tmp_path / "*" / "*.log")]), whole)
    same(read_trace([str(tmp_path)]), whole)
    with pytest.raises(SourceError, match="no file matches"):
        open_sources([str(tmp_path / "nothing*.log")])


# --- addresses


class Bucket:
    """What fsspec gives for an address."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def cat_file(self, path: str) -> bytes:
        if path == "bucket/gone.log":
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[path]

    def unstrip_protocol(self, path: str) -> str:
        return f"s3://{path}"


def test_addresses_are_fetched_through_fsspec(healthy: Path, whole: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    data = healthy.read_bytes()
    cut = data.index(b"\n", len(data) // 2) + 1
    bucket = Bucket({"bucket/a.log": data[:cut], "bucket/b.log": data[cut:]})
    core = types.ModuleType("fsspec.core")
    core.get_fs_token_paths = lambda url: (  # type: ignore[attr-defined]
        bucket,
        "",
        sorted(bucket.files) if "*" in url else [url.removeprefix("s3://")],
    )
    monkeypatch.setitem(sys.modules, "fsspec", types.ModuleType("fsspec"))
    monkeypatch.setitem(sys.modules, "fsspec.core", core)
    trace = read_trace(["s3://bucket/*.log"])
    same(trace, whole)
    assert [source.path for source in trace.sources] == ["s3://bucket/a.log", "s3://bucket/b.log"]
    with pytest.raises(SourceError, match=r"^s3://bucket/gone\.log: no such file there$"):
        open_sources(["s3://bucket/gone.log"])


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("sftp://anna:geheim@10.1.1.1:2222/var/log/x.log", "sftp://anna@10.1.1.1:2222/var/log/x.log"),
        ("https://store.example.org/x.log?X-Amz-Signature=4f3a&token=1", "https://store.example.org/x.log"),
        ("s3://logs/ms1/*.log", "s3://logs/ms1/*.log"),
    ],
)
def test_an_address_is_named_without_its_secrets(address: str, named: str) -> None:
    assert without_secrets(address) == named


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(SourceError, match=r"pip install 'tracekit\[remote\]'"):
        open_sources(["https://example.org/management-server.log"])


# --- windows


@pytest.mark.parametrize(
    ("since", "until"),
    [("17:05:04", None), (None, "17:05:04"), ("17:05:03.5", "17:05:06"), ("17:05:00", "17:59:00")],
)
def test_a_window_reads_what_lies_in_it(since: str | None, until: str | None, healthy: Path, whole: Trace) -> None:
    low = datetime.fromisoformat(f"2026-11-22 {since}") if since else None
    high = datetime.fromisoformat(f"2026-11-22 {until}") if until else None
    got = parse(open_sources([str(healthy)]), Collector(), since=low, until=high).records
    ts = whole.records["ts"]
    inside = whole.records[(ts >= (low or ts.min())) & (ts <= (high or ts.max()))]
    assert got["line"].iloc[0] == inside["line"].iloc[0]
    assert got["line"].iloc[-1] == inside["line"].iloc[-1]
    assert set(inside["line"]) <= set(got["line"])


def test_a_window_without_records(healthy: Path) -> None:
    with pytest.raises(NotOurLogError, match="no file has records between"):
        parse(open_sources([str(healthy)]), Collector(), since=datetime(2027, 1, 1))


def test_a_window_of_a_large_file_touches_little_of_it(healthy: Path, tmp_path: Path) -> None:
    """The patterns run over the window alone: of sixty days with the same lines one is parsed."""
    day = healthy.read_bytes()
    path = tmp_path / "long.log"
    with path.open("wb") as stream:
        for number in range(60):
            stamp = (pd.Timestamp("2026-01-01") + pd.Timedelta(number, "D")).strftime("%Y-%m-%d").encode()
            stream.write(day.replace(b"2026-11-22", stamp))
    parsed = parse(
        open_sources([str(path)]), Collector(), since=datetime(2026, 2, 1), until=datetime(2026, 2, 1, 23, 59)
    )
    assert len(parsed.records) == day.count(b"\n") - sum(parsed.records["lines"] - 1)
    assert parsed.records["line"].iloc[0] == 31 * day.count(b"\n") + 1
    assert parsed.records["ts"].dt.date.nunique() == 1
