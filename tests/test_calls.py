"""The call tree of a run: hand-written facts, and what holds for any lines whatever."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tracekit.build.callcounts import NOTHING, counted, load_counts
from tracekit.build.callgraph import Place
from tracekit.build.calls import CallGraph, Said, Shapes, advance, load_calls, shapes_of, times_of, trail
from tracekit.errors import GrammarError
from tracekit.resources import grammars

# What a work job that starts a VM writes, cut down: line rules, then steps.
TABLE = """
line	9	run	Dispatcher.runJob	begin
line	9	done	Dispatcher.runJob	end
line	9	start	Vms.orchestrateStart	begin
line	9	attempt	Vms.orchestrateStart	point
line	9	started	Vms.orchestrateStart	end
line	9	nic	Networks.allocateNic	begin
line	9	nic_address	Addresses.assign	point
line	9	router	Routers.start	begin
line	9	service	Model.isServiceEnabled	both
step	9	work	-	run	work	0	Dispatcher.runJob
step	9	Dispatcher.runJob	run	start	Dispatcher.runJob	0	Vms.orchestrateStart
step	9	Vms.orchestrateStart	start	attempt	Vms.orchestrateStart	0	-
step	9	Vms.orchestrateStart	attempt	nic	Vms.orchestrateStart	0	Networks.prepare > Networks.allocateNic
step	9	Networks.allocateNic	nic	nic_address	Networks.allocateNic	0	-
step	5	Networks.allocateNic	nic_address	nic	Networks.prepare	0	Networks.allocateNic
step	5	Networks.allocateNic	nic_address	attempt	Vms.orchestrateStart	0	-
step	2	Networks.allocateNic	nic_address	router	Networks.allocateNic	0	Routers.start
step	2	Routers.start	router	start	Routers.start	0	Vms.orchestrateStart
step	2	Vms.orchestrateStart	started	nic_address	Networks.allocateNic	0	-
step	5	Networks.allocateNic	nic_address	started	Vms.orchestrateStart	0	-
step	5	Vms.orchestrateStart	attempt	started	Vms.orchestrateStart	0	-
step	5	Vms.orchestrateStart	started	done	Dispatcher.runJob	0	-
step	3	Vms.orchestrateStart	attempt	service	Vms.orchestrateStart	0	-
end	9	Dispatcher.runJob	done	own	2
start	9	Networks.prepare	*	other	1
"""
LINES = dict(row.split("\t")[2:4] for row in TABLE.splitlines() if row.startswith("line"))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> CallGraph:
    folder = tmp_path_factory.mktemp("grammars")
    (folder / "calls.tsv").write_text(TABLE, encoding="utf-8")
    return load_calls(folder, {})


class Frames(NamedTuple):
    """The frames of one run with their times."""

    name: list[str]
    parent: list[int]
    first: list[int]
    last: list[int]
    start: list[int]
    end: list[int]
    ends: list[str]
    innermost: list[int]


def rebuild(
    graph: CallGraph, methods: list[str | None], events: list[str | None], times: list[int], root: str
) -> Frames:
    said = [Said.of(graph, event, method) for event, method in zip(events, methods, strict=True)]
    # A run before it, which has frames too, changes nothing.
    both = shapes_of(graph, said, [(root, np.arange(len(said)))] * 2)
    assert both.lines.tolist() == [len(said)] * 2
    shape = Shapes(*(part[: len(part) // 2] for part in both))
    assert all((part[: len(part) // 2] == part[len(part) // 2 :]).all() for part in both)
    columns = {name: part.astype(np.int32) for name, part in zip(Shapes._fields, shape, strict=True)}
    edges = (np.zeros(len(shape.name), np.int32), np.full(len(shape.name), len(times) - 1, np.int32))
    start, end = times_of(columns, columns["first"], columns["last"], np.array(times, dtype=np.int64), edges)
    names = list(graph.names)
    return Frames(
        [names[number] for number in shape.name],
        shape.parent.tolist(),
        shape.first.tolist(),
        shape.last.tolist(),
        start.tolist(),
        end.tolist(),
        ["logged" if logged else "before" for logged in shape.logged],
        shape.innermost.tolist(),
    )


def of(graph: CallGraph, text: str, step: int = 10_000) -> Frames:
    """Frames of a run whose lines are named one after the other; a name that the table lacks is a new method."""
    names = text.split()
    methods = [None if name == "?" else LINES.get(name, name) for name in names]
    events = [name if name in LINES else None for name in names]
    return rebuild(graph, methods, events, [step * i for i in range(len(names))], "work")


def stacks(frames: Frames) -> list[str]:
    """For each line the open methods without their classes, outermost first."""
    made = []
    for at in frames.innermost:
        names = []
        while at >= 0:
            names.append(frames.name[at].partition(".")[2])
            at = frames.parent[at]
        made.append(" ".join(reversed(names)))
    return made


def lying(frames: Frames, name: str) -> list[tuple[int, int, int, int]]:
    return [
        row
        for frame, row in zip(
            frames.name, zip(frames.first, frames.last, frames.start, frames.end, strict=True), strict=True
        )
        if frame == name
    ]


def test_frames_between_two_logged_methods_are_opened_too(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt nic nic_address started done")
    assert stacks(frames)[3] == "runJob orchestrateStart prepare allocateNic"
    assert stacks(frames)[5:] == ["runJob orchestrateStart", "runJob"]


def test_a_method_called_twice_in_a_row_is_two_frames(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt nic nic_address nic nic_address started done")
    assert [row[:2] for row in lying(frames, "Networks.allocateNic")] == [(3, 4), (5, 6)]
    assert [row[:2] for row in lying(frames, "Networks.prepare")] == [(3, 6)]


def test_a_router_start_lies_inside_the_start_that_needs_it(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt nic nic_address router start attempt started nic_address started done")
    nested = "runJob orchestrateStart prepare allocateNic start orchestrateStart"
    assert stacks(frames)[6:9] == [nested] * 3
    assert stacks(frames)[10] == "runJob orchestrateStart"
    outer, inner = lying(frames, "Vms.orchestrateStart")
    assert outer[:2] == (1, 10)
    assert inner[:2] == (6, 8)


def test_a_second_attempt_is_the_same_start(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt nic nic_address attempt nic nic_address started done")
    assert len(lying(frames, "Vms.orchestrateStart")) == 1
    assert [row[:2] for row in lying(frames, "Networks.prepare")] == [(3, 4), (6, 7)]


def test_a_method_that_the_table_lacks_is_a_frame_in_the_open_one(graph: CallGraph) -> None:
    frames = of(graph, "run start New.method New.method attempt started done")
    assert stacks(frames)[2:5] == ["runJob orchestrateStart method"] * 2 + ["runJob orchestrateStart"]
    assert [row[:2] for row in lying(frames, "New.method")] == [(2, 3)]


def test_a_line_that_no_rule_knows_belongs_to_the_open_frame(graph: CallGraph) -> None:
    assert stacks(of(graph, "run start ? attempt started done"))[2] == "runJob orchestrateStart"


def test_a_method_without_frame_that_says_begin_and_end_is_a_frame_each_time(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt service service started done")
    assert [row[:2] for row in lying(frames, "Model.isServiceEnabled")] == [(3, 3), (4, 4)]


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_ways_as_probable_a_frame_is_open_on_the_one_that_opened_it_before(graph: CallGraph, first: int) -> None:
    now, outer = graph.statement("attempt", LINES["attempt"]), Place("work", None)
    inner = outer.below(["Vms.orchestrateStart"])
    outer.moves[now.number] = ((inner, outer, -0.1),)
    inner.moves[now.number] = ((inner, inner, -0.7),)
    assert -0.8 + -0.1 != -0.2 + -0.7  # but for the last bits they are the same
    ways = ((outer, -0.8), (inner, -0.2))
    places, odds = zip(ways[first], ways[1 - first], strict=True)
    made = advance(graph, graph.beam(places, odds), now.number, NOTHING, now)
    assert (made.beam.places, made.kept, made.way) == ((inner,), (inner,), (1 - first,))


def test_beams_that_differ_in_the_last_bits_of_their_odds_are_one(graph: CallGraph) -> None:
    now, place = graph.statement("attempt", LINES["attempt"]), Place("work", None)
    other = place.below(["Vms.orchestrateStart"])
    place.moves[now.number] = ((place, place, -0.1),)
    other.moves[now.number] = ((other, other, -0.3),)
    # -0.2 on the way to each, in sums of another order
    made = [graph.beam((place, other), (0.0, odds)) for odds in (-0.3, -0.1 - 0.2)]
    assert made[0] is not made[1]
    assert len({advance(graph, beam, now.number, NOTHING, now).beam for beam in made}) == 1


def test_a_log_that_begins_in_the_middle_of_a_run(graph: CallGraph) -> None:
    assert stacks(of(graph, "nic_address started done")) == [
        "runJob orchestrateStart prepare allocateNic assign",
        "runJob orchestrateStart",
        "runJob",
    ]


def test_an_empty_run_has_no_frames(graph: CallGraph) -> None:
    assert not any(rebuild(graph, [], [], [], "work"))


def test_bounds_between_the_lines(graph: CallGraph) -> None:
    frames = of(graph, "run start attempt nic nic_address started done ?")
    assert lying(frames, "Networks.prepare") == [(3, 4, 21_000, 40_000)]
    assert lying(frames, "Networks.allocateNic") == [(3, 4, 30_000, 40_000)]
    ends = dict(zip(frames.name, frames.ends, strict=True))
    assert ends["Vms.orchestrateStart"] == "logged"
    assert ends["Networks.allocateNic"] == "before"


def test_roles_of_the_message_rules_are_stronger_than_the_measured_ones(tmp_path: Path) -> None:
    (tmp_path / "calls.tsv").write_text(TABLE, encoding="utf-8")
    frames = of(load_calls(tmp_path, {"service": "point"}), "run start attempt service service started done")
    assert [row[:2] for row in lying(frames, "Model.isServiceEnabled")] == [(3, 4)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("step\tmany\twork\t-\trun\twork\t0\t-", "calls.tsv:2: invalid literal"),
        ("frame\t1", "calls.tsv:2: neither"),
        ("step\t1\twork\t-\tother\twork\t0\t-", "names other"),
    ],
)
def test_a_row_that_cannot_be_meant_so(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "calls.tsv").write_text(f"line\t9\trun\tDispatcher.runJob\tbegin\n{row}\n", encoding="utf-8")
    with pytest.raises(GrammarError, match=says):
        load_calls(tmp_path, {})


def test_counts_that_were_kept_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "calls.tsv").write_text(TABLE, encoding="utf-8")
    roles = {"service": "point"}
    assert load_counts(tmp_path, roles) == load_counts(tmp_path, roles) == counted(TABLE, roles)
    assert load_counts(tmp_path, {}) == counted(TABLE, {}) != counted(TABLE, roles)


def test_the_table_in_the_grammars_folder_is_read() -> None:
    graph = load_calls(grammars(), {})
    assert "VirtualMachineManagerImpl.orchestrateStart" in graph.frames


WORDS = st.lists(st.tuples(st.sampled_from([*LINES, "New.method", "?"]), st.integers(-5_000, 2_000_000)), max_size=60)


@settings(max_examples=150)
@given(WORDS, st.sampled_from(["request", "job", "work"]))
def test_any_lines_make_a_tree(graph: CallGraph, words: list[tuple[str, int]], root: str) -> None:
    methods = [None if name == "?" else LINES.get(name, name) for name, _ in words]
    times, now = [], 0
    for _, step in words:
        now += step
        times.append(now)
    frames = rebuild(graph, methods, [name if name in LINES else None for name, _ in words], times, root)
    assert len(frames.innermost) == len(words)
    assert all(-1 <= at < len(frames.name) for at in frames.innermost)
    for frame, parent in enumerate(frames.parent):
        first, last, start, end = (part[frame] for part in (frames.first, frames.last, frames.start, frames.end))
        assert -1 <= parent < frame
        assert 0 <= first <= last < len(words)
        assert min(times) <= start <= end <= max(times)
        if parent >= 0:
            assert frames.first[parent] <= first <= last <= frames.last[parent]
            assert frames.start[parent] <= start <= end <= frames.end[parent]
    for line, at in enumerate(frames.innermost):
        if at >= 0:
            assert frames.first[at] <= line <= frames.last[at]


@settings(max_examples=100)
@given(st.lists(WORDS, min_size=1, max_size=3))
def test_no_trail_is_more_probable_than_the_one_found(graph: CallGraph, runs: list[list[tuple[str, int]]]) -> None:
    """Against a search that keeps every place and nothing of what it found before."""
    for words in runs:
        names = [name for name, _ in words]
        statements = [
            graph.statement(name if name in LINES else None, None if name == "?" else LINES.get(name, name))
            for name in names
        ]
        found, total = trail(graph, statements, "work"), 0.0
        at, before = graph.root("work"), NOTHING
        every: dict[Place, float] = {at: 0.0}
        for now, (place, kept) in zip(statements, found, strict=True):
            total += next(
                chance for there, stays, chance in graph.moves(at, before, now) if (there, stays) == (place, kept)
            )
            moves = [
                (there, odds + chance)
                for own, odds in every.items()
                for there, _, chance in graph.moves(own, before, now)
            ]
            every = {there: max(odds for other, odds in moves if other is there) for there, _ in moves}
            at, before = place, now.words if now.known else before
        assert total == pytest.approx(max(every.values()))
