"""Layouts: each is told from the others, reads a whole real log in its form, and may take over in the middle of one."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from generator.reading import grammars_once
from tracekit.errors import GrammarError, NotOurLogError, UsageError
from tracekit.parse import parse
from tracekit.parse.dialect import Dialect, collisions, detect, load_dialects, named, scores
from tracekit.parse.headers import HeaderReader, read_heads
from tracekit.parse.stamps import YEAR, times
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.resources import grammars
from tracekit.trace import Trace, read_trace

HEADER = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d) (?P<time>\d\d:\d\d:\d\d),(?P<ms>\d{3}) (?P<level>\w+ *) \[(?P<logger>[^]]+)\] "
    r"\((?P<thread>[^:]+):(?P<context>.*?)\) \(logid:(?P<logid>[^)]*)\) (?P<text>.*)"
)
REST = "{level} [{logger}] ({thread}:{context}) (logid:{logid}) {text}"


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def dialects() -> list[Dialect]:
    return load_dialects(grammars())


@pytest.fixture(scope="module")
def old(samples: Path) -> Path:
    """A log of 4.18."""
    return samples / "4.18" / "a-healthy" / "management-server.log"


@pytest.mark.parametrize("low", [0, 1, 5000])
def test_headers_found_line_by_line_are_all_there_are(samples: Path, dialects: list[Dialect], low: int) -> None:
    for path in sorted(samples.rglob("management-server.log")):
        data = path.read_bytes()
        high = max(len(data) - 100 * low, len(data) // 2)
        dialect, _ = detect(data, dialects)
        assert dialect is not None
        found = [match.span() for match in dialect.heads(data, low, high)]
        assert found == [match.span() for match in dialect.header.finditer(data, low, high)]
        assert len(found) > 20


def test_no_header_goes_on_behind_a_newline(dialects: list[Dialect]) -> None:
    for dialect in dialects:
        for sample in dialect.samples:
            line = sample["line"].encode()
            head = dialect.header.match(line)
            assert head is not None
            for at in range(head.end()):
                found = dialect.header.match(line[:at] + b"\n" + line[at:])
                assert found is None or found.end() <= at


def text_of(path: Path) -> str:
    path = path if path.exists() else path.with_name(path.name + ".gz")
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def printed(text: str, layout: str) -> str:
    """A log of log4j 1 in another layout; continuation lines stay as they are."""
    lines = []
    for line in text.splitlines():
        found = HEADER.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        moment = datetime.fromisoformat(found["date"])
        lines.append(layout.format(**found.groupdict(), syslog=moment.strftime("%b %d")))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def reference(old: Path) -> Trace:
    return read_trace([str(old if old.exists() else old.with_name(old.name + ".gz"))])


# --- detection


def test_no_sample_is_taken_for_another_layouts(dialects: list[Dialect]) -> None:
    assert collisions(dialects) == []


def test_a_collision_is_reported(dialects: list[Dialect]) -> None:
    first = named(dialects, "log4j2")
    twin = replace(first, id="a-twin")
    found = collisions([first, twin])
    assert len(found) == len(first.samples)
    assert all(line.startswith("dialects/log4j2.toml: its sample is taken by a-twin: 20") for line in found)


def test_every_row_of_the_layouts_is_there(dialects: list[Dialect]) -> None:
    components = {dialect.component for dialect in dialects}
    assert components == {"management server", "agent", "api log", "usage server", "web access log"}
    assert all(dialect.samples for dialect in dialects if dialect.component == "management server")
    assert {dialect.component for dialect in dialects if dialect.samples} == components


def test_a_layout_is_told_from_who_writes_in_it(dialects: list[Dialect]) -> None:
    ids = [dialect.id for dialect in dialects]
    assert len(ids) == len(set(ids))
    assert {"syslog", "agent-syslog", "usage-syslog", "apilog-syslog"} <= set(ids)
    assert named(dialects, "agent-syslog").title == "Agent, console, as journald or syslog kept it"


def test_the_sample_logs_are_taken_for_what_they_are(dialects: list[Dialect], samples: Path) -> None:
    for path in samples.rglob("management-server.log*"):
        dialect, share = detect(text_of(path).encode(), dialects)
        assert dialect is not None
        assert dialect.id == ("log4j1" if "4.18" in path.parts else "log4j2")
        assert share > 0.6


def test_a_component_is_known_by_its_marks(dialects: list[Dialect]) -> None:
    line = b"2026-11-22 17:07:23,508 DEBUG [cloud.agent.Agent] (AgentRequest-Handler-5:[]) (logid:06e06c3a) x\n"
    best, second = scores(line, dialects)[:2]
    assert (best.dialect.id, best.share, best.marked) == ("agent-log4j2", 1.0, 1.0)
    assert second.dialect.id == "log4j2"


@pytest.mark.parametrize(
    "text",
    ["hello world\n", '{"jobid": 1}\n', "May 1 10:00:00 host sshd[1]: Accepted password\n", "\tat com.cloud.X\n"],
)
def test_what_is_no_log_of_ours_is_refused_with_the_reason(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(text)
    with pytest.raises(NotOurLogError, match="no line looks like a CloudStack log") as caught:
        read_trace([str(path)])
    assert text.strip()[:20] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_web_servers_log_alone_is_refused_for_what_it_is(tmp_path: Path, healthy: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text('127.0.0.1 - - [22/Nov/2026:16:50:13 +0000] "POST /client/api HTTP/1.1" 200 5515 "-" "x" 107\n')
    with pytest.raises(NotOurLogError, match=r"web server's access log, which says nothing of what a request did"):
        read_trace([str(path)])
    both = read_trace([str(path), str(healthy)])
    assert [file.component for file in both.meta.files] == ["web access log", "management server"]
    assert both.records["ts"].iloc[0] == pd.Timestamp("2026-11-22 16:50:13")
    assert len(both.operations) == len(read_trace([str(healthy)]).operations)


def test_a_dialect_can_be_forced(healthy: Path) -> None:
    with pytest.raises(UsageError, match=r"--dialect log5: no such dialect; known: .*log4j2"):
        parse(open_sources([str(healthy)]), Collector(), dialect="log5")
    with pytest.raises(NotOurLogError, match="no line looks like Management server, log4j 1 with logid"):
        parse(open_sources([str(healthy)]), Collector(), dialect="log4j1")
    forced = parse(open_sources([str(healthy)]), Collector(), dialect="agent-log4j2")
    assert forced.files[0].component == "agent"


# --- whole logs in another layout

DATED = {
    "log4j1-plain": "{date} {time},{ms} {level} [{logger}] ({thread}:{context}) {text}",
    "reshipped": "{date}T{time},{ms} " + REST,
    "reshipped point": "{date} {time}.{ms} " + REST,
    "reshipped zone": "{date}T{time}.{ms}Z " + REST,
    "forwarded": "{syslog} {time} mgmt01 cloudstack: {date} {time},{ms} " + REST,
    "forwarded compose": "mgmt-1  | {date} {time},{ms} " + REST,
    "forwarded grep": "management-server.log.1:{date} {time},{ms} " + REST,
    "forwarded quoted": "> {date} {time},{ms} " + REST,
    "container": "{date}T{time}.{ms}000111Z " + REST,
}


@pytest.mark.parametrize("name", DATED)
def test_a_whole_log_in_another_layout_gives_the_same(name: str, old: Path, reference: Trace, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(printed(text_of(old), DATED[name]))
    trace = read_trace([str(path)])
    (file,) = trace.meta.files
    assert file.dialect == name.split()[0]
    assert file.share > 0.9
    assert len(trace.records) == len(reference.records)
    columns = ["operation", "command", "job", "account", "submitted", "completed", "wall", "status", "entity"]
    pd.testing.assert_frame_equal(trace.operations[columns], reference.operations[columns])


def test_the_time_of_day_alone_keeps_the_durations(old: Path, reference: Trace, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(printed(text_of(old), "{time},{ms} " + REST))
    trace = read_trace([str(path)])
    assert trace.meta.files[0].dialect == "undated"
    assert trace.operations["wall"].tolist() == reference.operations["wall"].tolist()
    assert trace.records["ts"].iloc[0] == pd.Timestamp(f"{YEAR}-01-01 {reference.records['ts'].iloc[0].time()}")
    assert "dates not known" in set(trace.quality["counter"])


def test_the_prefix_of_journald_gives_date_and_host(old: Path, reference: Trace, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(printed(text_of(old), "{syslog} {time} mgmt01 java[1019]: " + REST))
    trace = read_trace([str(path)])
    assert (trace.meta.files[0].dialect, trace.meta.files[0].server) == ("syslog", "mgmt01")
    assert set(trace.operations["operation"]) == set(reference.operations["operation"])
    assert (trace.records["ts"].dt.microsecond == 0).all()
    assert "dates not known" in set(trace.quality["counter"])


@pytest.mark.parametrize(
    "layout", [REST, "mgmt-1  | " + REST, "[{logger}] ({thread}:{context}) (logid:{logid}) {text}"]
)
def test_a_log_without_times_has_operations_without_durations(
    layout: str, old: Path, reference: Trace, tmp_path: Path
) -> None:
    path = tmp_path / "x.log"
    path.write_text(printed(text_of(old), layout))
    trace = read_trace([str(path)])
    assert trace.records["ts"].isna().all()
    assert set(trace.operations["operation"]) == set(reference.operations["operation"])
    assert trace.operations["wall"].isna().all()
    assert trace.jobs["status"].tolist().count("succeeded") > 0 or trace.jobs["status"].notna().all()
    assert trace.quality.set_index("counter").at["records without a time", "count"] == len(trace.records)


# --- changes in the middle


def test_an_upgrade_in_the_middle_of_a_file(old: Path, healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    before, after = text_of(old), text_of(healthy)
    plain = printed(before, DATED["log4j1-plain"])
    path.write_text(plain + before + after)
    quality = Collector()
    parsed = parse(open_sources([str(path)]), quality)
    counts = {row.example: row.count for row in quality.rows() if row.counter == "records of a second layout"}
    one, two = len(HEADER.findall(before)), after.count("\n2026-") + 1
    assert len(parsed.records) == 2 * one + two
    assert list(counts.values()) == [one + two] or sum(counts.values()) == one + two
    assert parsed.records["ts"].notna().all()
    assert parsed.records["line"].iloc[-1] == len((plain + before + after).splitlines())


def test_a_log_quoted_inside_a_record_is_no_change(healthy: Path, dialects: list[Dialect]) -> None:
    lines = ["2026-11-22 17:05:00,859 DEBUG [c.c.a.ApiServlet] (main:[]) (logid:) script said"]
    lines += ["  more of it"] * 20
    lines += ["2022-03-01 10:00:00,100 DEBUG [c.c.a.ApiServlet] (main:null) (logid:0a) quoted", *["  and more"] * 20]
    data = "\n".join(lines).encode()
    others = [dialect for dialect in dialects if dialect.mixes]
    heads = read_heads(data, named(dialects, "log4j2"), others, 0, len(data), HeaderReader())
    assert heads.dialects == {"log4j2": 1}


def test_half_a_line_is_missing_at_both_ends(healthy: Path, tmp_path: Path) -> None:
    lines = text_of(healthy).splitlines(keepends=True)[200:260]
    path = tmp_path / "paste.log"
    path.write_text("".join([lines[0][40:], *lines[1:-1], lines[-1][:30]]))
    trace = read_trace([str(path)])
    counters = dict(zip(trace.quality["counter"], trace.quality["count"], strict=True))
    assert counters["bytes before the first record"] >= len(lines[0][40:].encode())
    assert counters["last line without its end"] == 1


# --- time stamps


@pytest.mark.parametrize(
    ("stamps", "forms", "wanted"),
    [
        (["2026-11-22 17:07:23,508"] * 2, ["%Y-%m-%d %H:%M:%S,%f"], ["2026-11-22T17:07:23.508"] * 2),
        (["Mär  1 06:02:02", "3月 11 16:52:02", "mars 11 16:52:02"], ["%b %d %H:%M:%S"],
         [f"{YEAR}-03-01T06:02:02", f"{YEAR}-03-11T16:52:02", f"{YEAR}-03-11T16:52:02"]),
        (["Dec 31 23:59:59", "Jan  1 00:00:01"], ["%b %d %H:%M:%S"],
         [f"{YEAR}-12-31T23:59:59", f"{YEAR + 1}-01-01T00:00:01"]),
        (["23:59:59,999", "00:00:00,001"], ["%H:%M:%S,%f"],
         [f"{YEAR}-01-01T23:59:59.999", f"{YEAR}-01-02T00:00:00.001"]),
        (["22/Nov/2026:16:50:13 +0000"], ["%d/%b/%Y:%H:%M:%S"], ["2026-11-22T16:50:13"]),
        (["2024-03-11T16:52:02.123456789+01:00", None, "2024-03-11 16:52:02"],
         ["%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"], ["2024-03-11T16:52:02.123456", "NaT", "2024-03-11T16:52:02"]),
        (["Feb 29 01:00:00"], ["%b %d %H:%M:%S"], [f"{YEAR}-02-29T01:00:00"]),
        (["Foo 29 01:00:00"], ["%b %d %H:%M:%S"], ["NaT"]),
    ],
)  # fmt: skip
def test_time_stamps(stamps: list[str | None], forms: list[str], wanted: list[str]) -> None:
    got = times([stamp.encode() if stamp else None for stamp in stamps], forms)
    np.testing.assert_array_equal(got, np.array(wanted, dtype="datetime64[us]"))


def test_a_directive_that_is_none() -> None:
    with pytest.raises(GrammarError, match=r"%Q in '%Q-%m' is none of"):
        times([b"x"], ["%Q-%m"])


# --- cuts: nothing that is pasted may crash


@pytest.mark.parametrize("cut", range(7))
def test_any_excerpt_is_read_or_refused(cut: int, old: Path, healthy: Path, tmp_path: Path) -> None:
    change: Callable[[str], str] = (
        lambda text: printed(text, DATED["forwarded"]), lambda text: printed(text, REST), lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "".join(text[at : at + 120] + "\n" for at in range(0, len(text), 120)),
        lambda text: text.replace("DEBUG", "").replace("INFO", ""), lambda text: "\ufeff" + text,
    )[cut]  # fmt: skip
    for number, source in enumerate((text_of(old), text_of(healthy))):
        for at in (100, 20_003, 90_000):
            path = tmp_path / f"{number}-{at}.log"
            path.write_text(change(source[at : at + 6000]), newline="")
            try:
                trace = read_trace([str(path)])
            except NotOurLogError:
                assert cut in (4, 5)  # broken in two or without its level no line is known
                continue
            assert len(trace.records) > 0
