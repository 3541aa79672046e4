"""What no rule reads: its templates, and drafts that read their sample when pasted."""

from __future__ import annotations

import random
import re
import string
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracekit.cli import cli
from tracekit.parse.grammar import COMMON, WRAP, meanings, message_grammar, samples
from tracekit.parse.mine import HOLE, MOST, Draft, Miner, drafts, mine
from tracekit.resources import grammars
from tracekit.schema import UNKNOWN, frame
from tracekit.trace import Trace, read_trace

HEAD = "2024-05-01 10:00:{:02d},000 {} [c.c.v.{}] (API-Job-Executor-1:ctx-0a1b2c3d job-43) (logid:0a1b2c3d) {}"
MADE = (
    ("DEBUG", "QuotaKeeper", "Wobbling disk vda of VM i-2-3-VM by 17 grains"),
    ("DEBUG", "QuotaKeeper", "Wobbling disk vdb of VM i-2-4-VM by 18 grains"),
    ("DEBUG", "QuotaKeeper", "Wobbling disk vdc of VM i-2-5-VM by 19 grains"),
    ("WARN", "QuotaKeeper", 'Grain store {"id":7,"name":"g\\\\a"} said "no", password=hunter2'),
    ("WARN", "Polisher", "It's over / the 'first' one [1, 2]: done."),
    ("INFO", "Polisher", "12345"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with statements that no release has."""
    path = tmp_path_factory.mktemp("mine") / "management-server.log"
    path.write_text("\n".join(HEAD.format(at, *said) for at, said in enumerate(MADE)) + "\n")
    return path


@pytest.fixture(scope="module")
def trace(made: Path) -> Trace:
    return read_trace([str(made)])


def read_back(pasted: list[Draft]) -> list[dict[str, str] | None]:
    """What Lark reads of each draft's sample with all of them in one area; None where one is refused, also by the
    derived pattern.
    """
    common = "\n".join((grammars() / "messages" / name).read_text(encoding="utf-8") for name in COMMON)
    grammar = message_grammar("pasted", common, "\n".join(draft.lark for draft in pasted))
    patterns = {rule.name: rule.pattern for rule in grammar.derive()}
    text = "\n".join(draft.toml for draft in pasted)
    said = meanings(text, "pasted.toml")
    assert set(said) == set(patterns)
    lines = {name: made[0]["line"] for name, made in samples(text, "pasted.toml").items()}
    return [
        grammar.parse(WRAP + name, line) if re.fullmatch(patterns[name].encode(), line.encode()) else None
        for name, line in lines.items()
    ]


def test_messages_of_one_statement_are_one_template(trace: Trace) -> None:
    first = trace.unknown.iloc[0]
    assert first["template"] == f"Wobbling disk {HOLE} of VM {HOLE} by {HOLE} grains"
    assert (first["count"], first["level"], first["logger"]) == (3, "DEBUG", "QuotaKeeper")
    assert first["where"].endswith("management-server.log:1")
    assert trace.unknown["count"].sum() == len(MADE)


def test_templates_and_examples_have_no_secrets(trace: Trace) -> None:
    assert not trace.unknown[["template", "example"]].map(lambda text: "hunter2" in text).any(axis=None)


def test_a_draft_loads_and_reads_its_sample(trace: Trace) -> None:
    every = list(drafts(trace.unknown, set()))
    assert len(every) == 3  # a message without a word gives none
    assert read_back(every) == [{}] * 3
    for draft in every:
        ((_, row),) = tomllib.loads(draft.toml).items()
        assert row["where"] in ("QuotaKeeper.?", "Polisher.?")


def test_drafts_of_what_a_real_log_has_load_and_read_their_samples(healthy: Path) -> None:
    real = read_trace([str(healthy)])
    assert len(real.unknown) <= 20
    blind = real.records.assign(event=None)  # as if no rule knew any of it
    unknown = mine(blind, real.sources)
    assert unknown["count"].sum() == len(real.records)
    every = list(drafts(unknown, set()))
    assert len(every) > 200
    assert [draft.lark for draft, said in zip(every, read_back(every), strict=True) if said != {}] == []


def test_names_of_drafts_are_new() -> None:
    miner = Miner()
    miner.add("INFO", "A", "one two three", "x:1", 1)
    miner.add("INFO", "B", "one two three", "x:2", 1)
    columns = {name: [getattr(t, name, t.text) for t in miner.templates()] for name in UNKNOWN}
    names = [draft.lark.split(":")[0] for draft in drafts(frame(UNKNOWN, columns), {"one_two_three"})]
    assert names == ["one_two_three_2", "one_two_three_3"]


def test_prose_becomes_no_more_than_some_templates() -> None:
    chosen = random.Random(7)
    miner = Miner()
    for number in range(20 * MOST):
        words = ["".join(chosen.choices(string.ascii_lowercase, k=8)) for _ in range(9)]
        miner.add("INFO", "Script", " ".join(["Output", *words]), f"x:{number}", 1)
        miner.add("INFO", "Script", "Output of the command is not what it was", f"x:{number}", 1)
    made = miner.templates()
    assert len(made) == MOST + 1  # of another number of words is a statement of its own
    assert (made[0].text, made[0].count) == ("Output of the command is not what it was", 20 * MOST)
    assert sum(template.count for template in made) == 40 * MOST


def test_check_prints_drafts(made: Path) -> None:
    said = CliRunner().invoke(cli, ["check", "--unknown", str(made)])
    assert said.exit_code == 0
    assert "wobbling_disk_of_vm: " in said.output
    assert "6 of 6 records are read by no rule: 3 drafts." in said.output
