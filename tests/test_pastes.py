"""Excerpts as people paste them (`pastes/`): each is taken for what it is, or refused with the reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from generator.reading import grammars_once
from tracekit.cli import main
from tracekit.errors import GrammarError, NotOurLogError
from tracekit.frames import rows
from tracekit.parse.pasted import PASTE, Pastes, load_pastes, lost_newlines, rejoined, unpasted
from tracekit.quality import Collector
from tracekit.read.files import Source, open_sources
from tracekit.resources import grammars
from tracekit.trace import Trace, read_trace

FOLDER = Path(__file__).parent / "pastes"
FACTS: Mapping[str, Any] = tomllib.loads((FOLDER / "facts.toml").read_text(encoding="utf-8"))
REFUSED = sorted((FOLDER / "refused").glob("*.log"))
HEAD = "2022-05-06 14:49:16,027 DEBUG [c.c.a.ApiServlet] (qtp1-6:ctx-5e692a5b) (logid:20ad87ab) "


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def pastes() -> Pastes:
    return load_pastes(grammars())


def test_every_excerpt_has_its_facts() -> None:
    assert {path.stem for path in FOLDER.glob("*.log")} == set(FACTS)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_an_excerpt_is_taken_for_what_it_is(name: str) -> None:
    facts = FACTS[name]
    trace = read_trace([str(FOLDER / f"{name}.log")])
    (file,) = trace.meta.files
    assert (file.dialect, file.component) == (facts["dialect"], facts.get("component", "management server"))
    assert file.records == facts["records"]
    assert trace.records["ts"].min() == pd.Timestamp(facts["first"])
    assert sorted(trace.jobs["job"].tolist()) == facts["jobs"]
    assert operations_of(trace) == [tuple(row) for row in facts["operations"]]
    assert trace.records["line"].tolist() == facts.get("lines", trace.records["line"].tolist())


def operations_of(trace: Trace) -> list[tuple[str, str, str]]:
    """Name, command and end of each operation."""
    rows = trace.operations[["operation", "command", "status"]].fillna("").astype("str")
    return list(rows.itertuples(index=False, name=None))


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_another_programs_log_is_refused_in_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["operations", str(path)])
    assert caught.value.code == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(path) in said


def test_a_real_log_is_left_as_it_is(samples: Path, pastes: Pastes) -> None:
    paths = [str(path) for path in sorted(samples.rglob("*.log*"))]
    assert paths
    quality = Collector()
    for source in open_sources(paths):
        assert unpasted(source, pastes, quality) is source
    assert not list(quality.rows())


def test_what_was_undone_is_said() -> None:
    trace = read_trace([str(FOLDER / "colours.log")])
    (row,) = trace.quality[trace.quality["counter"] == "copied text mended"].itertuples()
    assert row.example.endswith("colours.log: terminal colours")


def test_a_large_log_is_not_looked_at_line_by_line(pastes: Pastes) -> None:
    line = (HEAD + "x" * 40 + HEAD + "y\n").encode()
    data = line * (PASTE // len(line) + 1)
    source = Source("x.log", data, False)
    assert unpasted(source, pastes, Collector()) is source


def test_rejoined_lines_leave_the_others_where_they_were(pastes: Pastes) -> None:
    text = (HEAD + "a" * 130 + "\n" + HEAD + "b" * 200 + "\nend\n").encode()
    broken = b"\n".join(line[at : at + 100] for line in text.split(b"\n") for at in range(0, max(1, len(line)), 100))
    whole = rejoined(broken, pastes.broken)
    assert [line for line in whole.split(b"\n") if line] == [line for line in text.split(b"\n") if line]
    assert whole.count(b"\n") == broken.count(b"\n")


def test_a_prefix_is_no_line_that_lost_its_newline(pastes: Pastes) -> None:
    for prefix in ("> ", "file.log:12:", "mgmt-1  | ", "Mar 11 16:52:02 mgmt01 cloudstack: ", "mgmt-0 management "):
        text = (prefix + HEAD + "x\n").encode()
        assert lost_newlines(text, pastes) == []


def test_the_numbers_of_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "management-server.log"
    path.write_text(HEAD + "a\n" + HEAD + "cut off in the middle of a line" + HEAD + "b\n" + HEAD + "c\n")
    trace = read_trace([str(path)])
    assert trace.records["line"].tolist() == [1, 2, 2, 3]
    assert [trace.sources.text(row).endswith(end) for row, end in zip(rows(trace.records), "aebc", strict=True)]


def test_queries_with_entities_are_no_html(tmp_path: Path, pastes: Pastes) -> None:
    text = (HEAD + "===START===  10.0.0.9 -- GET  a=%26lt;&amp;command=listZones&response=json <x>\n").encode()
    source = Source("x.log", text, False)
    assert unpasted(source, pastes, Collector()) is source


def test_json_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text('{"a": 1}\n{"log": 2}\n')
    with pytest.raises(NotOurLogError, match="no line looks like a CloudStack log"):
        read_trace([str(path)])


def test_a_file_of_patterns_that_lacks_one_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pastes.toml").write_text("replaced = []\n")
    with pytest.raises(GrammarError, match=r"pastes\.toml: KeyError\('glued'\) is missing or wrong"):
        load_pastes(tmp_path)
