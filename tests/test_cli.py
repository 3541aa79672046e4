"""The command line as a user meets it: what it prints, what it writes, what it refuses and with which exit code."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from command_line import run
from tracekit.cli import cli

PRINTING = (["operations", "{log}"], ["--help"], ["report", "--help"], ["--version"])


@pytest.fixture
def log(samples: Path) -> str:
    return str(samples / "4.18" / "a-healthy" / "management-server.log")


def test_report_writes_a_page_and_ten_lines(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "report", log)
    assert code == 0
    assert "Deploy of web01 (i-4-3-VM) took 9.51 s" in out
    assert len(out.splitlines()) <= 14
    page = (tmp_path / "management-server.log.tracekit.html").read_text()
    assert 'id="job-16"' in page
    assert run(capsys, "report", log)[0] == 2  # the page is there already
    assert run(capsys, "report", log, "--force")[0] == 0


def test_export_writes_a_file_a_table(log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "export", log, "--to", "csv", "-o", str(tmp_path / "x"))[0] == 0
    with open(tmp_path / "x" / "operations.csv", newline="") as file:
        rows = {row["operation"]: row for row in csv.DictReader(file)}
    assert rows["job-16"]["submitted"] == "2026-11-22T16:50:14.030000"
    assert rows["job-16"]["wall_ms"] == "9512.0"
    assert rows["job-16"]["job"] == "16"
    code, _, err = run(capsys, "export", log, "--to", "csv", "-o", str(tmp_path / "x"))
    assert (code, err.count("\n")) == (2, 1)


def test_operations_can_be_filtered(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "operations", log, "--slower-than", "5s", "--json")
    assert [row["operation"] for row in json.loads(out)] == ["job-16", "job-21"]
    _, out, _ = run(capsys, "operations", log, "--vm", "web02")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["job-19"]
    _, out, _ = run(capsys, "operations", log, "--since", "2026-11-22 16:50:30", "--json")
    assert [row["operation"] for row in json.loads(out)] == ["req-d624969f", "job-21"]
    assert run(capsys, "operations", log, "--slower-than", "soon")[0] == 2


def test_tree_shows_calls_folded(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "tree", log, "job-16")
    assert code == 0
    assert "work VmWorkStart (job-17)" in out
    assert "ResourceLimitManagerImpl.updateResourceCountForAccount [3x]" in out


def test_a_work_job_names_its_operation(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "tree", log, "17")[1] == run(capsys, "tree", log, "job-16")[1]


def test_lines_are_those_of_every_thread(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "lines", log, "job-16")
    numbers = [int(line.partition(":")[0]) for line in out.splitlines()]
    assert numbers == sorted(numbers)
    assert {48, 90, 182, 183, 476, 477, 623, 624} <= set(numbers)  # request, job, heartbeat, agent, poll
    assert 1011 not in numbers  # of job-19


def test_an_operation_that_is_not_there(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "tree", log, "job-99")
    assert code == 2
    assert "no operation job-99" in err


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.log", b"", 3),
        ("binary.log", bytes(range(256)) * 40, 3),
        ("access.log", b'10.0.0.7 - - [22/Nov/2026:16:50:14 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8"\n' * 50, 3),
    ],
)
def test_what_is_no_cloudstack_log_gets_one_line_and_no_page(
    name: str,
    content: bytes,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    got, _, err = run(capsys, "report", name)
    assert got == code
    assert err.count("\n") == 1
    assert name in err
    assert list(tmp_path.glob("*.html")) == []


def test_missing_file_and_folder_without_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "report", str(tmp_path / "no.log"))[0] == 4
    assert run(capsys, "report", str(tmp_path))[0] == 4


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "Schedule queued job-17")
    assert code == 0
    assert "AsyncJobManagerImpl.executeQueueItem" in out


def test_check_says_by_its_exit_code_that_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracekit.parse.explain.check", lambda: iter(["job_add: no sample"]))
    assert run(capsys, "check")[:2] == (1, "job_add: no sample\n1 problems\n")
    monkeypatch.setattr("tracekit.parse.explain.check", lambda: iter([]))
    assert run(capsys, "check")[0] == 0


def test_help_is_fast_because_it_imports_nothing_heavy() -> None:
    heavy = "{'pandas', 'numpy', 'lark', 'plotly'}"
    script = f"import sys; from tracekit.cli import cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_an_example(command: str) -> None:
    if command != "check":
        assert "Example" in CliRunner().invoke(cli, [command, "--help"]).output


def test_strict_says_by_its_exit_code_that_something_was_found(
    log: str, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "operations", log, "--strict")[0] == 0  # healthy, every line understood
    failed = str(samples / "4.23" / "f-insufficient-capacity" / "management-server.log")
    assert run(capsys, "operations", failed, "--strict")[0] == 1
    assert run(capsys, "operations", failed)[0] == 0


def piped(arguments: Sequence[str], out: IO[bytes], buffered: str) -> tuple[int, bytes]:
    """Exit code and errors of a process of its own whose output goes there."""
    made = subprocess.run(
        [sys.executable, "-m", "tracekit", *arguments],
        stdout=out, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": buffered}, check=False,
    )  # fmt: skip
    return made.returncode, made.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("arguments", PRINTING)
def test_output_that_cannot_be_written_is_said_in_one_line(log: str, arguments: list[str], buffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        said = piped([one.format(log=log) for one in arguments], full, buffered)
    assert said == (2, b"tracekit: standard output: No space left on device; write elsewhere\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of other systems the pipe tells otherwise")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("arguments", PRINTING)
def test_who_reads_no_more_of_the_output_ends_the_command_without_an_error(
    log: str, arguments: list[str], buffered: str
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        assert piped([one.format(log=log) for one in arguments], pipe, buffered) == (0, b"")
