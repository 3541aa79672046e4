"""The engine's pieces: conditions, limits, costs, silences, order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from tracekit.diagnose.clock import Clock, silences
from tracekit.diagnose.engine import limits, together, union
from tracekit.diagnose.evidence import around
from tracekit.diagnose.haystack import Haystack
from tracekit.diagnose.rows import Rows
from tracekit.diagnose.rules import load_rules, match_of, rule_of
from tracekit.diagnose.select import COMPARE
from tracekit.errors import GrammarError
from tracekit.frames import NEVER, by_source
from tracekit.parse.events import Events, Rows as Lines
from tracekit.parse.grammar import Meaning
from tracekit.resources import grammars
from tracekit.trace import read_trace

MINIMAL: dict[str, Any] = {
    "name": "x",
    "title": "{cost} s",
    "severity": "warning",
    "certainty": "certain",
    "needs": [],
    "sample": "",
    "match": [{"table": "jobs"}],
    "advice": {"any": "do"},
}


def times(*seconds: float) -> pd.Series[pd.Timestamp]:
    """Times on one day."""
    return pd.Series([pd.Timestamp("2026-03-01") + pd.Timedelta(seconds=s) for s in seconds]).astype("datetime64[us]")


def test_every_rule_of_the_folder_is_read() -> None:
    rules = load_rules(grammars() / "rules")
    assert len(rules) > 100
    assert len({rule.id for rule in rules}) == len(rules)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"severity": "loud"}, "'loud' is none of"),
        ({"titel": "x"}, "unknown titel"),
        ({"match": [{"table": "jobs", "where": {"vm": {"bigger": 1}}}]}, "'bigger' is none of"),
        ({"match": [{"table": "jobs", "between": ["sent"]}]}, "two columns"),
    ],
)
def test_a_rule_that_says_nonsense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule_of("x", {**MINIMAL, "match": [{"table": "jobs"}], **change})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(GrammarError, match=r"rules/bad\.toml"):
        load_rules(tmp_path)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ("has", "B", [False, True, True, False]),
        ("has", ("A", "B"), [True, True, True, False]),
        ("lacks", "B", [True, False, False, True]),
        ("is", ("A",), [True, False, False, False]),
        ("not", "A", [False, True, True, True]),
        ("known", False, [False, False, False, True]),
        ("like", "*, B", [False, False, True, False]),
    ],
)
def test_conditions_on_texts(comparison: str, value: Any, expected: list[bool]) -> None:
    column = np.array(["A", "B", "A, B", None], dtype=object)
    assert COMPARE[comparison](column, value).tolist() == expected


def test_a_multiple_of_five_seconds_is_within_its_tolerance() -> None:
    column = np.array([0.1, 4.7, 5.2, 7.0, 10.3, float("nan")])
    assert COMPARE["within"](column, (5.0, 0.4)).tolist() == [False, True, True, False, True, False]


def test_a_cost_counts_every_instant_once() -> None:
    assert union([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0), (7.0, float("nan"))]) == pytest.approx(4.0)


def test_own_percentiles_only_from_twenty_rows_and_only_below_the_rule() -> None:
    match = match_of({"table": "commands", "usual": 5.0, "alike": ["command"]})
    rows = pd.DataFrame({"command": ["A"] * 20 + ["B"] * 19 + ["C"] * 20, "seconds": [1.0] * 39 + [8.0] * 20})
    made, own = limits(Rows.of(rows), match)
    assert set(made[:20]) == {4.0}
    assert own[:20].all()
    assert set(made[20:]) == {5.0}
    assert not own[20:].any()


def test_rows_at_the_same_time_are_counted_by_their_key() -> None:
    rows = Rows.of(pd.DataFrame({"host": [1, 1, 2, 1], "low": [0.0, 1.0, 1.0, 9.0], "high": [5.0, 2.0, 2.0, 10.0]}))
    assert together(rows, ["host"]).tolist() == [2, 2, 1, 1]
    assert together(rows, []).tolist() == [3, 3, 3, 1]


def test_the_waking_clock_leaves_silences_out() -> None:
    still = pd.DataFrame({"start": times(10), "end": times(17)})
    awake = Clock.of(still).awake(times(5, 12, 20))
    assert awake[2] - awake[0] == pytest.approx(8.0)
    assert awake[1] - awake[0] == pytest.approx(5.0)


def events(ticks: Sequence[int] = ()) -> Events:
    """Events of a log without restarts in which these records are ticks of one thread."""
    meanings = {"tick": Meaning("Some.method", "server.tick", None, None, "")}
    made = Events(SimpleNamespace(meanings=meanings))  # type: ignore[arg-type]
    if ticks:
        made.add("tick", (), Lines(np.array(ticks, dtype=np.int32), np.empty((len(ticks), 0), dtype=np.int32)))
    return made


@pytest.mark.parametrize(("gap", "expected"), [(7.0, 1), (4.0, 0)])
def test_only_a_silence_that_is_longer_than_usual_counts(gap: float, expected: int) -> None:
    seconds = [*np.arange(0.0, 20.0, 0.5), 19.5 + gap, *np.arange(20.0 + gap, 40.0 + gap, 0.5)]
    records = pd.DataFrame({"ts": times(*seconds), "source": "log", "job": 1}).astype({"source": "category"})
    assert len(silences(records, events())) == expected


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([1.5, 3.0, 4.5, 6.0, 7.5, 9.0, 13.0, 14.5], 1),  # due at 10.5, came when the silence was over
        ([1.5, 3.0, 4.5, 6.0, 7.5, 9.0, 13.8, 15.3], 0),  # late, but not because of the silence
        ([1.0, 4.0, 7.0, 10.0, 13.0, 16.0], 0),  # due at its end, and came
        ([1.5, 2.0, 4.5, 6.6, 7.5, 9.0, 13.0, 14.5], 0),  # never steady
        ([7.5, 9.0, 13.0, 14.5], 0),  # begun just before: too few to know its pace
        ([], 0),
    ],
)
def test_a_short_silence_counts_when_a_tick_came_late(ticks: list[float], expected: int) -> None:
    """Lines every 0.5 s, none between 10 s and 13 s."""
    others = [second for second in np.arange(0.25, 20.0, 0.5) if not 10.0 < second < 13.0]
    moments = sorted([*others, 10.0, *(tick for tick in ticks)])
    records = pd.DataFrame({"ts": times(*moments), "source": "log", "job": 1}).astype({"source": "category"})
    at = [moments.index(tick) for tick in ticks]
    assert len(silences(records, events(at))) == expected


def test_a_server_that_stands_still_for_three_seconds_is_found(healthy: Path, tmp_path: Path) -> None:
    """A real log in which all lines of three seconds come at their end, as after a stop of the process."""
    lines = healthy.read_text(encoding="utf-8").splitlines(keepends=True)
    stopped = [f"2026-11-22 17:05:{second:02}" for second in (12, 13)]
    held = [f"2026-11-22 17:05:14,000{line[23:]}" if line[:19] in stopped else line for line in lines]
    log = tmp_path / "management-server.log"
    log.write_text("".join(held), encoding="utf-8")
    for path, found in ((healthy, 0), (log, 1)):
        trace = read_trace([str(path)])
        assert len(silences(trace.records, trace.events)) == found
        assert (trace.findings["verdict"][trace.findings["rule"] == "jvm-stall"] == "found").sum() == found


def test_an_idle_log_has_no_silence() -> None:
    records = pd.DataFrame({"ts": times(*np.arange(0.0, 300.0, 10.0)), "source": "log", "job": 1}).astype(
        {"source": "category"}
    )
    assert silences(records, events()).empty


def test_literals_are_found_in_their_records() -> None:
    hay = Haystack.of(np.array([3, 5, 8]), [b"one two", b"", b"two three two"])
    assert hay.holding([b"two"]).tolist() == [3, 8]
    assert hay.holding([b"four"]).tolist() == []
    assert hay.holding([b"one", b"three"]).tolist() == [3, 8]


WORDS = st.lists(st.sampled_from([b"Unable", b" to ", b"lock", b"row ", b"7", b"Stale file"]), max_size=6).map(b"".join)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3).map(b"\n".join)), st.lists(WORDS.filter(bool), max_size=3))
def test_what_is_not_looked_for_is_not_there(texts: list[bytes], literals: list[bytes]) -> None:
    hay = Haystack.of(np.arange(len(texts)), texts)
    expected = [at for at, text in enumerate(texts) if any(literal in text for literal in literals)]
    assert hay.holding(literals).tolist() == expected


def test_most_literals_that_are_nowhere_are_not_looked_for() -> None:
    hay = Haystack.of(np.array([3]), [b"Unable to start the virtual machine: no host has the capacity"])
    assert hay.lacks(b"Unable to find template")
    assert not hay.lacks(b"to start the virtual")
    assert not hay.lacks(b"find")  # too short to tell


def test_a_line_that_many_records_have_is_kept_once() -> None:
    hay = Haystack.of(np.array([3, 5, 8]), [b"first\n at X", b"second\n at X\n at Y", b"third"])
    assert hay.text.count(b"at X") == 1
    assert hay.holding([b"at X"]).tolist() == [3, 5]
    assert hay.holding([b"at Y", b"third"]).tolist() == [5, 8]


LINE = st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 9))
STRETCH = st.tuples(
    st.sampled_from(["a", "b", "c", None]), st.none() | st.integers(-3, 12), st.none() | st.integers(-3, 12)
)


@given(st.lists(LINE), st.lists(STRETCH))
def test_the_lines_around_a_stretch_are_the_last_before_and_the_first_behind_it(
    lines: list[tuple[str | None, int]], stretches: list[tuple[str | None, int | None, int | None]]
) -> None:
    names = pd.Categorical([name for name, _ in lines], categories=["a", "b", "c"])
    records = pd.DataFrame(
        {"operation": names, "ts": pd.Series([second for _, second in lines], dtype="datetime64[us]")}
    )
    bounds = [np.array([NEVER if row[at] is None else row[at] for row in stretches], dtype=np.int64) for at in (1, 2)]
    made = around(records, [name for name, *_ in stretches], *bounds)
    for (name, start, end), *found in zip(stretches, *(part.tolist() for part in made), strict=True):
        own = sorted((time, at) for at, (line, time) in enumerate(lines) if line == name and name is not None)
        if not own or start is None or end is None:
            assert found == [-1, -1]
            continue
        before = [at for time, at in own if time <= start]
        behind = [at for time, at in own if time >= end]
        assert found == [before[-1] if before else own[0][1], behind[0] if behind else own[-1][1]]


@pytest.mark.parametrize("paths", [["x", "x", "x"], ["y", "x", "y"], []])
def test_records_by_source_are_all_of_them(paths: list[str]) -> None:
    records = pd.DataFrame({"line": range(len(paths)), "source": pd.Categorical(paths, categories=["w", "x", "y"])})
    parts = {path: part["line"].tolist() for path, part in by_source(records, "line")}
    assert parts == {path: [at for at, own in enumerate(paths) if own == path] for path in sorted(set(paths))}
