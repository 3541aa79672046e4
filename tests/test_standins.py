"""Logs that are given away: stand-ins in place of names, and still the same operations."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from tracekit.cli import cli
from tracekit.errors import UsageError
from tracekit.read.blocks import parts_of, text_of
from tracekit.read.files import Source
from tracekit.redact import mask
from tracekit.standins import MAC, MAIL, UUID, V4, V6, StandIns, names_of
from tracekit.trace import Trace, read_trace, trace_of


@pytest.fixture(scope="module")
def trace(healthy_path: Path) -> Trace:
    return read_trace([str(healthy_path)])


@pytest.fixture(scope="module")
def healthy_path() -> Path:
    return Path(__file__).resolve().parent.parent / "sample_logs/4.23-kvm/a-healthy/management-server.log"


def test_a_log_with_stand_ins_tells_the_same(trace: Trace) -> None:
    made = StandIns.of(trace)
    clean = trace_of(made.sources(trace.sources))
    for column in ("operation", "command", "submitted", "completed", "wall", "status"):
        assert clean.operations[column].equals(trace.operations[column]), column
    assert len(clean.spans) == len(trace.spans)
    assert clean.records["event"].notna().sum() == trace.records["event"].notna().sum()


def test_nothing_of_the_original_is_left(trace: Trace) -> None:
    made = StandIns.of(trace)
    text = b"".join(block for source in trace.sources for block in made.written(source)).decode()
    assert {kind for kind, _ in made.made.values()} >= {"host", "VM", "address", "uuid", "mac"}
    for original in set(made.made) - {stand_in for _, stand_in in made.made.values()}:
        assert re.search(rf"(?<![A-Za-z0-9.]){re.escape(original)}(?![A-Za-z0-9])", text) is None, original


def test_stand_ins_are_stable_and_of_the_same_kind() -> None:
    made = StandIns({"kvm1": "host", "kvm1.cloud.local": "host", "alice": "user"})
    text = "kvm1.cloud.local kvm1 alice 192.168.1.7 8.8.4.4 127.0.0.1 169.254.3.4 02:01:00:cc:00:05 fe80::1 a@b.org"
    said = made.replaced(text)
    assert said == (
        "h001.example.org h001 u0001 10.0.0.1 198.18.0.1 127.0.0.1 169.254.0.1 02:00:00:00:00:01 fd00::1 "
        "mail1@example.org"
    )
    assert made.replaced(text) == said
    assert "16:55:26,899" in made.replaced("2026-11-22 16:55:26,899 DEBUG 4.23.0.0 255.255.255.0")


def test_the_first_digits_of_a_uuid_follow_it() -> None:
    made = StandIns({})
    made.learn([("uuid", "dc77c50a-89e5-4632-aac0-a5a9f727e9e6")])
    assert made.replaced("(logid:dc77c50a) (logid:ffffffff)") == "(logid:00000001) (logid:ffffffff)"


def test_names_that_cloudstack_makes_stay(trace: Trace) -> None:
    assert not {"admin", "i-2-3-VM"} & set(names_of(trace))


PIECES = (
    *("dc77c50a-89e5-4632-aac0-a5a9f727e9e6", "dc77c50a", "02:01:00:cc:00:05", "fe80::1", "a@b.org", "192.168.1.7"),
    *("kvm1", "kvm1.cloud", "alice", "John Doe", "Doe, John", "_svc", "用户", "16:55:26,8", "password=x", "token: y"),
    *(" ", ",", ".", "-", ":", "@", "1", "a", "é", "\n", "\udcff", '"', "="),
)
ONE_WORD = {"kvm1": "host", "kvm1.cloud": "host", "alice": "user", "_svc": "account", "用户": "account"}
TWO_WORDS = {"John Doe": "user", "Doe, John": "user"}


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.sampled_from([{}, TWO_WORDS]))
def test_a_text_taken_apart_reads_as_one_that_is_not(text: str, more: dict[str, str]) -> None:
    made = StandIns(ONE_WORD | more)
    said = made.replaced(text)
    heads = {original[:8]: stand_in[:8] for original, (kind, stand_in) in made.made.items() if kind == "uuid"}

    def instead(found: re.Match[str]) -> str:
        return made.made.get(found[0], ("", heads.get(found[0], found[0])))[1]

    whole = "\n".join(mask(line, userdata=True) for line in text.split("\n"))
    longest = ("|".join(sorted(map(re.escape, names), key=len, reverse=True)) for names in (more, ONE_WORD))
    two_words, one_word = (rf"(?<![A-Za-z0-9])(?:{either or '(?!)'})(?![A-Za-z0-9])" for either in longest)
    for pattern in (two_words, "|".join((UUID, MAC, MAIL, V6, V4)), r"(?<![\w-])[0-9a-f]{8}(?![\w-])", one_word):
        whole = re.sub(pattern, instead, whole)
    assert said == whole


def test_files_are_cut_before_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracekit.read.blocks.BLOCK", 12)
    source = Source("x", b"1 abc\n def\n2 ghi\n", packed=False)
    texts = [text_of(source, part) for part in parts_of(source)]
    assert "".join(texts) == "1 abc\n def\n2 ghi\n"
    assert texts[1].startswith("2")


@pytest.mark.parametrize("forked", ["all", "none", "dies"])
def test_a_fork_makes_the_same(trace: Trace, monkeypatch: pytest.MonkeyPatch, forked: str) -> None:
    (source,) = trace.sources
    alone = StandIns.of(trace)
    whole = b"".join(alone.written(source))
    monkeypatch.setattr("tracekit.read.blocks.BLOCK", 20_000)
    monkeypatch.setattr("tracekit.read.blocks.idle_core", lambda: forked != "none")
    if forked == "dies":
        monkeypatch.setattr("tracekit.processes.send", lambda *_: os._exit(1))
    made = StandIns.of(trace)
    assert made.made == alone.made
    assert b"".join(made.written(source)) == whole


def test_a_log_that_takes_its_own_place_is_read_to_its_end(healthy_path: Path, tmp_path: Path) -> None:
    log, clean, link = tmp_path / "a.log", tmp_path / "clean.log", tmp_path / "link.log"
    log.write_bytes(healthy_path.read_bytes())
    log.chmod(0o640)
    link.symlink_to(log)
    for target in (clean, link):
        ran = CliRunner().invoke(cli, ["redact", str(log), "-o", str(target), "--force"])
        assert ran.exit_code == 0, ran.output
    assert link.is_symlink()
    assert log.read_bytes() == clean.read_bytes()
    assert log.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"a.log", "clean.log", "link.log"}


def test_a_clean_log_may_go_to_standard_output(healthy_path: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.log"
    told = CliRunner().invoke(cli, ["redact", str(healthy_path), "-o", str(clean)])
    ran = CliRunner().invoke(cli, ["redact", str(healthy_path), "-o", "-"])
    assert ran.exit_code == 0, ran.output
    assert ran.stdout_bytes == clean.read_bytes()
    assert ran.stderr == told.stdout.removeprefix(f"{clean}\n")
    several = CliRunner().invoke(cli, ["redact", str(healthy_path.parent.parent), "-o", "-"])
    assert isinstance(several.exception, UsageError)


@pytest.mark.parametrize("there", ["clean.log", "map.tsv"])
def test_what_must_not_be_written_is_said_before_a_log_is_read(tmp_path: Path, there: str) -> None:
    (tmp_path / there).touch()
    asked = ["redact", str(tmp_path / "no.log"), "-o", str(tmp_path / "clean.log"), "--map", str(tmp_path / "map.tsv")]
    ran = CliRunner().invoke(cli, asked)
    assert isinstance(ran.exception, UsageError)
    assert f"{tmp_path / there}: exists" in str(ran.exception)
    assert not isinstance(CliRunner().invoke(cli, [*asked, "--force"]).exception, UsageError)


def test_the_commands_redact_and_diff(healthy_path: Path, tmp_path: Path) -> None:
    clean, private, page = tmp_path / "clean.log", tmp_path / "map.tsv", tmp_path / "diff.html"
    ran = CliRunner().invoke(cli, ["redact", str(healthy_path), "-o", str(clean), "--map", str(private)])
    assert ran.exit_code == 0, ran.output
    assert "kvm1.cloud.local" not in clean.read_text()
    assert "\tkvm1.cloud.local\t" in private.read_text()
    two = ["--operation", "job-21", "job-18"]
    ran = CliRunner().invoke(cli, ["diff", str(healthy_path), str(clean), "-o", str(page), *two])
    assert ran.exit_code == 0, ran.output
    assert " instead of " in ran.output
    html = page.read_text()
    assert 'id="before-job-21"' in html
    assert 'id="after-job-18"' in html
