"""Every rule fires on its own sample and is silent on those of the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import tracekit.parse
from generator.reading import grammars_once
from rule_samples import log_of
from tracekit.diagnose import diagnose  # before readings that look for no findings
from tracekit.diagnose.rules import load_rules
from tracekit.parse.grammar import load_messages
from tracekit.resources import grammars
from tracekit.trace import read_trace

RULES = {rule.id: rule for rule in load_rules(grammars() / "rules")}
SEVERE = ("error", "warning")


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[tuple[str, str]]]]:
    """For each rule's sample the rules that were found, with their severity."""
    messages = load_messages(grammars())
    words = {
        name: partial(lambda samples: str(samples[0]["line"]), samples) for name, samples in messages.samples.items()
    }
    folder = tmp_path_factory.mktemp("samples")
    with grammars_once(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracekit.parse.begun, "load_messages", lambda _: messages)
        yield {name: found_in(folder / f"{name}.log", log_of(rule.sample, words)) for name, rule in RULES.items()}


def found_in(path: Path, text: str) -> set[tuple[str, str]]:
    """Rules that a log fires."""
    path.write_text(text, encoding="utf-8")
    trace = read_trace([str(path)])
    meanings = trace.events.messages.meanings
    findings = diagnose(
        trace.records,
        trace.spans,
        trace.operations,
        trace.jobs,
        trace.commands,
        trace.ledger,
        trace.events,
        meanings,
        tuple(RULES.values()),
        trace.sources,
    )
    rows = findings[findings["verdict"] == "found"]
    return set(zip(rows["rule"], rows["severity"], strict=True))


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_fires_on_its_sample(name: str, fired: dict[str, set[tuple[str, str]]]) -> None:
    assert name in {rule for rule, _ in fired[name]}


@pytest.mark.parametrize("name", sorted(RULES))
def test_no_other_rule_fires_on_a_sample(name: str, fired: dict[str, set[tuple[str, str]]]) -> None:
    others = {rule for rule, severity in fired[name] if severity in SEVERE} - {name}
    assert others <= set(RULES[name].together)
