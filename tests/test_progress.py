"""Who waits at a terminal sees what is being done; behind it nothing of it is left."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tracekit.progress import Progress

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="drawn by a fork")


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Both ends of a terminal."""
    here, there = os.openpty()
    with open(there, "w", encoding="utf-8") as stream:
        yield here, stream
    os.close(here)


def screen(said: str) -> str:
    """The line that a terminal shows that was told all this."""
    shown = ""
    for part in said.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip()


def test_a_step_is_shown_and_nothing_is_left_of_it(terminal: tuple[int, TextIO]) -> None:
    here, stream = terminal
    progress = Progress(stream, after=0)
    with progress.step("reading 12 MB"):
        first = os.read(here, 100).decode()
        progress.tell("rebuilding")
        seen = first
        while "rebuilding" not in seen:
            seen += os.read(here, 100).decode()
    stream.write("done")
    stream.flush()
    while not seen.endswith("done"):
        seen += os.read(here, 100).decode()
    assert re.fullmatch(r"reading 12 MB, \d+ s", screen(first))
    assert screen(seen) == "done"


def test_what_is_quick_is_not_shown(terminal: tuple[int, TextIO]) -> None:
    here, stream = terminal
    progress = Progress(stream, after=60)
    with progress.step("reading"):
        time.sleep(0.6)
    stream.write("done")
    stream.flush()
    assert os.read(here, 100) == b"done"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_without_a_terminal_nothing_is_forked(stream: TextIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.fork")
    with Progress(stream, after=0).step("reading"):
        pass
    assert stream is None or stream.getvalue() == ""  # type: ignore[attr-defined]


def test_a_fork_that_was_ended_holds_nobody_up(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracekit.progress.draw", lambda *_: os._exit(0))
    progress = Progress(terminal[1], after=0)
    with progress.step("reading"):
        progress.tell("more")


def test_a_command_leaves_its_output_alone(terminal: tuple[int, TextIO], samples: Path) -> None:
    here, stream = terminal
    log = samples / "4.23-kvm/a-healthy/management-server.log"
    command = [sys.executable, "-m", "tracekit", "operations", str(log)]
    watched, plain = (
        subprocess.run(command, stdout=subprocess.PIPE, stderr=to, check=True) for to in (stream, subprocess.PIPE)
    )
    assert watched.stdout == plain.stdout
    stream.write("done")
    stream.flush()
    said = b""
    while not said.endswith(b"done"):
        said += os.read(here, 1 << 12)
    assert screen(said.decode()) == "done"
