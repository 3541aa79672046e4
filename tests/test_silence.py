"""What usually lies between two statements: the table, its use, and the tracer's timeline that it is measured on."""

from __future__ import annotations

import json
from itertools import starmap
from pathlib import Path

import pytest

from tests.truth.timeline import Piece, Timeline, cut
from tracekit.build.silence import HEAD, Silences, Usual, load_silences
from tracekit.errors import GrammarError
from tracekit.parse.grammar import load_messages
from tracekit.resources import grammars

SQL = Usual("rule", 9_000, 20_000, 0.6, 0.0, 14, ("volumes", "storage_pool"), ("VolumeOrchestrator.prepare",))
CPU = Usual("rule", 12_000, 30_000, 0.1, 0.0, 0, (), ("FirstFitPlanner.orderClusters",))
SECOND = 1_000_000


def test_the_table_of_the_grammars() -> None:
    silences = load_silences(grammars())
    rules = load_messages(grammars()).meanings
    named = [key for key in silences.rows if key[0] == "rule"]
    known = [key for key in named if key[1] in rules and key[2] in rules]
    assert len(named) > 500
    assert len(known) >= 0.9 * len(named)
    for usual in starmap(Usual, silences.rows.values()):
        assert 0 <= usual.sql <= 1
        assert 0 <= usual.lock <= 1
        assert 0 <= usual.median <= usual.longest


ROW = "rule a b 3 1 2 0.1 0.0 1 - C.m 4.18"


@pytest.mark.parametrize(
    ("head", "row", "says"),
    [
        (HEAD, ROW.replace("0.1", "many"), r"silence\.tsv: row \['rule', 'a', 'b'.*many"),
        (HEAD, ROW + " more", r"silence\.tsv: row"),
        (HEAD.replace("median_ms p95_ms", "p95_ms median_ms"), ROW, r"silence\.tsv: the head"),
        ("", "", r"silence\.tsv: the head"),
    ],
)
def test_a_broken_row_names_itself(tmp_path: Path, head: str, row: str, says: str) -> None:
    path = tmp_path / "silence.tsv"
    path.write_text("\n".join(["# counted", *(line.replace(" ", "\t") for line in (HEAD, ROW))]), encoding="utf-8")
    assert load_silences(tmp_path).find("a", "b", None, None) is not None
    path.write_text("\n".join(["# counted", *(line.replace(" ", "\t") for line in (head, row))]), encoding="utf-8")
    with pytest.raises(GrammarError, match=says):
        load_silences(tmp_path)


def test_an_interval_is_called_after_what_was_mostly_measured() -> None:
    assert SQL.category(15_000) == "database"
    assert CPU.category(15_000) == "execution"
    assert SQL.text("database", None, 15_000) == "SQL on volumes, storage_pool (usually 14 statements, 9 ms)"
    assert CPU.text("execution", None, 15_000) == "FirstFitPlanner.orderClusters (usually 12 ms)"


def test_far_above_the_usual_time() -> None:
    assert SQL.category(4 * SECOND) == "database", "SQL that waits"
    assert SQL.text("database", None, 4 * SECOND) == "SQL on volumes, storage_pool, far above its usual 9 ms"
    assert CPU.category(4 * SECOND) == "unlogged", "nobody knows what it was"
    assert CPU.category(200_000) == "execution"
    some = Usual("rule", 9_000, 20_000, 0.4, 0.0, 14, (), ())
    assert [some.category(length) for length in (50_000, 200_000, 400_000)] == ["execution", "unlogged", "database"]


def test_only_the_pair_itself_tells_of_long_intervals() -> None:
    after = Usual("after", 9_000, 20_000, 0.6, 0.0, 14, (), ())
    assert after.category(15_000) == "database"
    assert after.category(200_000) == "unlogged"
    assert Usual("method", 9_000, 20_000, 0.6, 0.0, 14, (), ()).category(4 * SECOND) == "unlogged"


def test_rules_before_methods_before_what_follows() -> None:
    silences = Silences({("rule", "a", "b"): SQL, ("method", "A.a", "B.b"): CPU, ("after", "A.a", "-"): SQL})
    assert silences.find("a", "b", "A.a", "B.b") == SQL
    assert silences.find("a", "c", "A.a", "B.b") == CPU
    assert silences.find("a", "c", "A.a", None) == SQL
    assert silences.find("x", "b", "X.x", "B.b") is None


def test_a_thread_is_in_its_innermost_span() -> None:
    outer, inner, late = (0.0, -100.0, "outer"), (20.0, -40.0, "inner"), (90.0, -120.0, "late")
    assert list(cut([outer, inner, late])) == [
        Piece(0.0, 20.0, "outer"),
        Piece(20.0, 40.0, "inner"),
        Piece(40.0, 90.0, "outer"),
        Piece(90.0, 100.0, "late"),
    ]


def test_sql_of_a_part_of_a_method(tmp_path: Path) -> None:
    write(tmp_path, [("a", None, "A.run", 0, 100, 60), ("b", "a", "GlobalLock.lock", 40, 60, 15)])
    timeline = Timeline(tmp_path)
    whole, part, lock = (timeline.look("t", *edges) for edges in ((0, 100_000), (0, 30_000), (40_000, 60_000)))
    assert (whole.sql, whole.lock, whole.seen) == (60_000, 20_000, 100_000)
    assert part.sql == 22_500, "its share by time"
    assert (lock.sql, lock.lock, lock.methods) == (0, 20_000, {"GlobalLock.lock": 20_000})


def test_sql_that_does_not_fit_outside_was_inside(tmp_path: Path) -> None:
    write(tmp_path, [("a", None, "A.run", 0, 100, 95)])
    assert Timeline(tmp_path).look("t", 0, 90_000).sql == pytest.approx(85_500)
    write(tmp_path, [("a", None, "A.run", 0, 100, 50)])
    assert Timeline(tmp_path).look("t", 90_000, 200_000).sql == pytest.approx(5_000)


Row = tuple[str, str | None, str, int, int, int]


def write(folder: Path, spans: list[Row]) -> None:
    """A tracer's file; milliseconds."""
    rows = [
        {
            "ev": "E",
            "span": span,
            "parent": parent,
            "name": name,
            "start_ns": start * 10**6,
            "end_ns": end * 10**6,
            "db_n": 1,
            "db_ns": sql * 10**6,
            "attrs": {"thread.name": "t", "code.function": name},
        }
        for span, parent, name, start, end, sql in spans
    ]
    (folder / "spans.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
