"""The lint of rules says everything that is wrong, and a user's own rules are asked beside the shipped ones."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from command_line import run
from tracekit.diagnose.engine import union
from tracekit.diagnose.lint import Known, check_rule, check_rules, own_rules
from tracekit.diagnose.rules import load_rules
from tracekit.diagnose.shape import RULE, shape
from tracekit.errors import GrammarError, UsageError
from tracekit.frames import instants, lengths
from tracekit.kept import key_of
from tracekit.parse import explain
from tracekit.parse.grammar import load_messages
from tracekit.read.files import open_sources
from tracekit.resources import grammars
from tracekit.trace import trace_of

SOUND = """
name = "A copy to a primary pool"
title = "{command} of {operation} took {seconds} s at {host_name} (healthy: {usual}), behind {holder}"
severity = "note"
certainty = "certain"
needs = ["debug", "command.send", "hostlog_*=the agent's log"]
sample = '''
cmd 0 CopyCommand 9
work 0 <access_entity>
'''
together = ["full-preallocation"]

[[match]]
table = "commands"
between = ["sent", "received"]
where = { command = { has = "CopyCommand" }, seconds = { above = 0.01 } }
usual = 0.02
alike = ["command"]
also = [{ table = "operations", where = { status = ["succeeded", "failed"] } }]

[[match]]
table = "pairs"
begin = ["template.lock"]
end = ["template.unlock"]
same = ["run", "LOCK"]
open = true
title = "{LOCK} was locked {count} times, {longest} s, {cost} s together"

[holder]
column = "host_name"

[settings]
"job.expire.minutes" = "1440"

[advice]
any = "Nothing."
ubuntu = "Nothing either."
"""


@pytest.fixture(scope="module")
def known() -> Known:
    return Known.of(load_messages(grammars()), [rule.id for rule in load_rules(grammars() / "rules")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "my-copy.toml").write_text(SOUND, encoding="utf-8")
    return made


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in SOUND
    file = folder / "my-copy.toml"
    file.write_text(SOUND.replace(old, new, 1), encoding="utf-8")
    return file


def test_shipped_rules_and_a_sound_own_one_pass(folder: Path) -> None:
    assert list(check_rules([folder])) == []
    assert [rule.id for rule in own_rules([folder])] == ["my-copy"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title = ", "titel = ", "unknown key titel (did you mean title?)"),
        ('name = "A copy to a primary pool"\n', "", "name is missing; write"),
        ('any = "Nothing."\n', "", "advice.any is missing"),
        ("ubuntu =", "windows =", "unknown key advice.windows"),
        ('severity = "note"', 'severity = "loud"', "severity 'loud' is none of error, warning, note"),
        ('"1440"', "1440", "settings: a default is no text"),
        ('certainty = "certain"', 'certainty = "certain"\nrole = "waits"', "role 'waits' is none of"),
        ('certainty = "certain"', 'certainty = "certain"\ncost = "all"', "cost 'all' is none of rows, none"),
        ('table = "commands"', 'table = "comands"', "match[1].table 'comands' is none of"),
        ("above = 0.01", "over = 0.01", "comparison 'over' is none of"),
        ("above = 0.01", 'above = "much"', "where.seconds.above is 'much'; write a number"),
        ("above = 0.01", "within = [1.0, 2.0]", "the tolerance smaller than the unit"),
        ("usual = 0.02", "usual = -2.0", "usual is -2.0; write a number above 0"),
        ("usual = 0.02", "usual = 0.02\ncount = 0", "count is 0; write a whole number from 1 on"),
        ("usual = 0.02", "usual = 0.02\nat_least = true", "at_least is True; write a number"),
        ("usual = 0.02", 'usual = 0.02\nby = ["host"]', "by without together changes nothing"),
        ("open = true", 'open = "yes"', "open is 'yes'; write true or false"),
        ('["sent", "received"]', '["sent"]', "between takes two columns"),
        ('["sent", "received"]', '["sent", "recieved"]', "no column recieved (did you mean received?)"),
        ('alike = ["command"]', 'alike = ["comand"]', "no column comand (did you mean command?)"),
        ("usual = 0.02\n", "", "alike without usual changes nothing"),
        ("usual = 0.02\n", "", "title: nothing fills {usual}"),
        ("{command}", "{comand}", "title: nothing fills {comand} (did you mean command?)"),
        ("{seconds}", "{seconds:.1f}", "{seconds} has a form behind its name"),
        ("{seconds} s", "{} s", "title: nothing fills {}"),
        ("{seconds} s", "seconds} s", "Single '}' encountered"),
        ("{LOCK} was", "LOCK} was", "write {{ and }} for braces"),
        ("{LOCK} was", "{VM_NAME} was", "match[2].title: nothing fills {VM_NAME}"),
        ('[holder]\ncolumn = "host_name"\n', "", "title: nothing fills {holder}"),
        ('column = "host_name"', 'column = "hostname"', "holder.column: there is no column hostname"),
        ('"template.lock"', '"template.loc"', "begin 'template.loc' is no statement (did you mean template.lock?)"),
        ('end = ["template.unlock"]\n', "", "a pair needs begin and end"),
        ('["run", "LOCK"]', '["run", "POOL"]', "match[2].same: there is no column POOL"),
        ('"succeeded", ', '"succeded", ', "where.status is never 'succeded' (did you mean succeeded?)"),
        ("{ status", "{ state", "match[1].also.where: there is no column state"),
        ('"command.send",', '"command.sent",', "needs 'command.sent' is no statement (did you mean command."),
        ("<access_entity>", "<acess_entity>", "sample names <acess_entity>, which no message rule"),
        ("full-preallocation", "full-prealocation", "together names full-prealocation, which is no rule"),
        ("needs = [", "needs = ", "correct the file"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(folder: Path, known: Known, old: str, new: str, said: str) -> None:
    assert any(said in line for line in check_rule(changed(folder, old, new), known))


def test_every_key_of_the_readme_is_known_to_the_lint(root: Path) -> None:
    text = (root / "grammars" / "rules" / "README.md").read_text(encoding="utf-8")
    for key in RULE:
        assert f"`{key}`" in text or f"[{key}]" in text, key


def test_all_errors_of_all_files_are_told(folder: Path) -> None:
    (folder / "torn.toml").write_text("name = ", encoding="utf-8")
    (folder / "bytes.toml").write_bytes(b'name = "\xff"')
    (folder / "empty.toml").write_text("", encoding="utf-8")
    (folder / "jvm-stall.toml").write_text(SOUND, encoding="utf-8")
    lines = list(check_rules([folder]))
    told = {Path(line.partition(": ")[0]).name for line in lines}
    assert told == {"torn.toml", "bytes.toml", "empty.toml", "jvm-stall.toml"}
    needed = sum(bool(key.needed) for key in RULE.values())
    assert sum("empty.toml" in line and "is missing" in line for line in lines) == needed
    assert any("jvm-stall: grammars/rules has a rule of this id" in line for line in lines)


@pytest.mark.parametrize("value", [1, "x", [], [1], {}, {"x": 1}, None, True, [[]], {"table": {}}])
@pytest.mark.parametrize("key", list(RULE))
def test_no_value_breaks_the_lint(key: str, value: Any) -> None:
    assert isinstance(list(shape({key: value})), list)


def test_two_own_folders_with_one_id_are_an_error(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "my-copy.toml").write_text(SOUND, encoding="utf-8")
    with pytest.raises(GrammarError, match="mine has a rule of this id"):
        own_rules([folder, other])


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_a_place_without_rules_is_a_usage_error(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(UsageError, match=r"--rules takes one|holds no rule"):
        own_rules([tmp_path / "x"])


def test_own_rules_find_beside_the_shipped_ones(
    folder: Path, healthy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def findings(name: str, *options: str) -> set[str]:
        assert run(capsys, "export", str(healthy), "--to", "csv", "-o", str(tmp_path / name), *options)[0] == 0
        with open(tmp_path / name / "findings.csv", newline="") as file:
            return {row["rule"] for row in csv.DictReader(file)}

    both = findings("a", "--rules", str(folder))
    assert both == {*(rule.id for rule in load_rules(grammars() / "rules")), "my-copy"}
    monkeypatch.setenv("TRACEKIT_RULES", str(folder))
    assert findings("b") == both


def test_an_own_rule_that_is_wrong_stops_before_a_log_is_diagnosed(
    folder: Path, healthy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(folder, "{command}", "{comand}")
    code, _, err = run(capsys, "operations", str(healthy), "--rules", str(folder))
    assert (code, err.count("\n")) == (2, 1)
    assert "my-copy.toml: my-copy: title: nothing fills {comand}" in err


def test_check_counts_and_ends_with_one(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "check", lambda: iter(()))  # the grammars take a minute, and test_grammar.py has them
    assert run(capsys, "check", "--rules", str(folder))[0] == 0
    changed(folder, "{command}", "{comand}")
    code, out, _ = run(capsys, "check", "--rules", str(folder))
    assert code == 1
    assert out.startswith(f"{folder}/my-copy.toml: my-copy: title: nothing fills {{comand}}")
    assert out.splitlines()[-1] == "1 problems"


def test_other_rules_have_a_trace_of_their_own(folder: Path, healthy: Path) -> None:
    sources = open_sources([str(healthy)])
    first = key_of(sources, {"rules": load_rules(folder)})
    assert first == key_of(sources, {"rules": load_rules(folder)}) != key_of(sources, {"rules": None})
    (folder / "my-copy.toml").write_text(SOUND.replace("0.01", "0.02"), encoding="utf-8")
    assert first != key_of(sources, {"rules": load_rules(folder)})


def test_the_shipped_rules_are_linted_as_they_are_loaded() -> None:
    files = {entry.name for entry in (grammars() / "rules").iterdir() if entry.name.endswith(".toml")}
    assert {f"{rule.id}.toml" for rule in load_rules(grammars() / "rules")} == files - {"_platforms.toml"}


def test_a_rule_about_the_whole_log_costs_what_its_select_covers(tmp_path: Path, healthy: Path) -> None:
    """That of all operations; of a rule about one operation it is what covers that one."""
    select = 'cost = { table = "commands", between = ["sent", "received"] }\n'
    for name, scope in (("whole", 'scope = "log"\n'), ("each", "")):
        (tmp_path / f"{name}.toml").write_text(scope + select + SOUND, encoding="utf-8")
    trace = trace_of(open_sources([str(healthy)]), rules=own_rules([tmp_path]))
    found = trace.findings[trace.findings["verdict"] == "found"]
    answered = trace.commands[trace.commands["received"].notna()]

    def covered(commands: pd.DataFrame) -> float:
        bounds = (instants(commands[name]) / 1e6 for name in ("sent", "received"))
        return union(list(zip(*bounds, strict=True)))

    (whole,) = lengths(found.loc[found["rule"] == "whole", "cost"])
    assert whole == pytest.approx(covered(answered))
    each = found[found["rule"] == "each"]
    of = answered.groupby("operation")
    assert len(each) > 1
    assert lengths(each["cost"]).tolist() == pytest.approx([covered(of.get_group(name)) for name in each["operation"]])


def test_a_comparison_asks_own_rules(
    folder: Path, healthy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    pair = ("--operation", "job-18", "job-21")
    arguments = ("diff", str(healthy), str(healthy), *pair, "-o", str(page), "--force")
    assert run(capsys, *arguments)[0] == 0
    assert "behind kvm2" not in page.read_text(encoding="utf-8")
    assert run(capsys, *arguments, "--rules", str(folder))[0] == 0
    assert "CopyCommand of job-18 took 4.8 s at kvm2 (healthy: 0.0 s), behind kvm2" in page.read_text(encoding="utf-8")
