"""README.md keeps its word: its commands, options, files and links exist, and CI runs its test command."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from conftest import ROOT
from tracekit.cli import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)]
LINES = [line for block in BLOCKS for line in block]


def simple_commands() -> list[list[str]]:
    """Every command of the fenced blocks, also those joined by `&&`, as words."""
    return [shlex.split(part) for line in LINES for part in line.split(" && ")]


TRACEKIT = [words[1:] for words in simple_commands() if Path(words[0]).name == "tracekit"]


@pytest.mark.parametrize("words", TRACEKIT, ids=[" ".join(words)[:40] for words in TRACEKIT])
def test_every_command_of_the_readme_can_be_parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = cli.commands.get(words[0])
    assert command is not None, f"tracekit has no command {words[0]}"
    # Parses names and values of options and arguments, runs nothing. A reader's log is any file.
    given = ["README.md" if word == "management-server.log" else word for word in words[1:]]
    with click.Context(cli) as parent:
        command.make_context(words[0], given, parent=parent).close()


def test_every_command_of_the_program_is_in_the_readme() -> None:
    shown = {name for name, command in cli.commands.items() if not command.hidden}
    assert {words[0] for words in TRACEKIT} == shown


def test_setting_up_takes_two_commands() -> None:
    setups = [line for line in LINES if "-m venv" in line]
    assert len(setups) == 2
    assert all([line] in BLOCKS for line in setups), "each stands in a block of its own"
    report, tests = setups
    assert " tracekit report " in report.replace(".venv/bin/", "")
    assert tests.endswith(".venv/bin/python -m pytest")
    log = shlex.split(report)[-1]
    assert log.startswith("sample_logs/")
    assert (ROOT / log).is_file()


def test_ci_runs_the_test_command_of_the_readme(tmp_path: Path) -> None:
    (command,) = (line for line in LINES if "-m pytest" in line)
    shown = subprocess.run([ROOT / ".ci" / "run", "--print"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == command


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted(ROOT.glob("[a-z]*/README.md"))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (page.parent / link.split("#")[0]).exists()]
    assert dead == []
