"""What the page and the summary say, on traces made by hand."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest
from hypothesis import given, strategies as st

import report_factory as factory
from tracekit import frames, report
from tracekit.processes import Forked
from tracekit.report import canvas, context, figures, glossary, page, summary, svg, terminal, text, words
from tracekit.report.every import Every
from tracekit.report.lanes import LANES
from tracekit.report.model import Detail, PageContext
from tracekit.report.verdict import ranked


@pytest.fixture(scope="module")
def typical() -> tuple[str, PageContext]:
    return _made(factory.typical())


@pytest.fixture(scope="module")
def bad() -> tuple[str, PageContext]:
    return _made(factory.bad())


def _made(trace: Any, top: int = 20) -> tuple[str, PageContext]:
    made = context.from_trace(trace, top)
    return page.render(made), made


def shown(made: PageContext, operation: str) -> Detail:
    return next(detail for detail in made.details if detail.operation == operation)


class Elements(HTMLParser):
    """Every tag with its attributes, and whether the void and optional ends leave the rest balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("details", "ul", "section", "article", "figure", "table", "main"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("details", "ul", "section", "article", "figure", "table", "main"):
            assert self.open.pop() == tag


# --- the sentence -----------------------------------------------------------------------------------------------


def test_the_verdict_names_what_the_time_went_into(typical: tuple[str, PageContext]) -> None:
    assert shown(typical[1], "job-53").sentence == (
        "Deploy of i-2-6-VM took 15.7 s; 9.70 s of it host kvm1 took to answer StartCommand; "
        "1.68 s waiting for its turn (VmWorkJobQueue.8, queue heartbeat); "
        "1.06 s without a log line (Work-Job-Executor-1)."
    )


def test_a_named_cause_stands_in_place_of_the_interval_that_it_explains(typical: tuple[str, PageContext]) -> None:
    assert typical[1].verdict.sentence == (
        "Start of i-2-9-VM failed after 12.4 s: Unable to start a VM due to insufficient capacity; "
        "kvm1 answered StartCommand with false (10.0 s)."
    )


def test_advice_keeps_its_paragraphs() -> None:
    maker = factory.Maker()
    factory.failed(maker)
    maker.rows["findings"][0]["advice"] = "Look here.\nThen there."
    html, made = _made(maker.trace())
    assert shown(made, "job-51").findings[0].advice == ("Look here.", "Then there.")
    assert "<p>Look here.</p><p>Then there.</p>" in html


def test_what_is_not_known_is_said_to_be_unknown(typical: tuple[str, PageContext]) -> None:
    detail = shown(typical[1], "job-60")
    assert detail.sentence.startswith("Migration of i-2-3-VM has no end in this log, ")
    assert detail.ledger is None
    assert "end is not in this log" in detail.no_ledger
    assert {fact.term: fact.value for fact in detail.facts}["completed"] == "unknown"
    row = next(row for row in typical[1].table.rows if row.operation == "job-60")
    assert (row.wall, row.status) == ("unknown", "unfinished")


def test_failed_and_slow_operations_come_in_turn(typical: tuple[str, PageContext]) -> None:
    assert [detail.operation for detail in typical[1].details][:4] == ["job-51", "job-53", "req-00000007", "job-49"]


def test_a_page_without_operations_says_so() -> None:
    maker = factory.Maker()
    maker.record(0, "nothing of interest")
    html, made = _made(maker.trace())
    assert "No operation was found" in html
    assert made.details == ()
    assert text.summary(made).splitlines()[0] == context.EMPTY


# --- the figures ------------------------------------------------------------------------------------------------


def test_the_figures_of_the_page_are_those_of_the_tables(typical: tuple[str, PageContext]) -> None:
    trace = factory.typical()
    for detail in typical[1].details:
        rows = trace.ledger[(trace.ledger["operation"] == detail.operation) & (trace.ledger["category"] != "client")]
        total = (rows["end"] - rows["start"]).sum().total_seconds()
        if detail.ledger is None:
            assert total == 0
            continue
        assert detail.ledger.total == words.exact(total)
        assert sum(round(float(share.time.split()[0]) * 1000) for share in detail.ledger.shares) == round(total * 1000)
        assert sum(round(float(share.percent.split()[0]) * 10) for share in detail.ledger.shares) == 1000
        wall = trace.operations.set_index("operation").loc[detail.operation, "wall"]
        assert total == pd.Timedelta(wall).total_seconds()


def test_what_the_client_waits_after_the_end_is_told_beside_the_sum(typical: tuple[str, PageContext]) -> None:
    ledger = shown(typical[1], "job-53").ledger
    assert ledger is not None
    assert "client" not in [share.label for share in ledger.shares]
    assert ledger.after == "Then 420 ms until the client asked and saw the end; not part of the sum."


def test_the_table_has_every_operation(typical: tuple[str, PageContext]) -> None:
    operations = factory.typical().operations
    assert [row.operation for row in typical[1].table.rows] == list(operations.sort_values("submitted")["operation"])
    assert typical[1].table.left_out == ""


def test_what_is_not_shown_in_full_is_said_with_the_option_that_shows_it() -> None:
    html, made = _made(factory.typical(), top=2)
    assert len(made.details) == 2
    assert "2 of 18 operations are shown in full" in made.table.left_out
    assert "--top 18" in html
    hrefs = [row.href for row in made.table.rows if row.href]
    assert sorted(hrefs) == ["#job-51", "#job-53"]


def test_stages_carry_window_time_and_detail(typical: tuple[str, PageContext]) -> None:
    stages = shown(typical[1], "job-53").stages
    assert [stage.name for stage in stages] == [
        "PLANNING", "RESERVATION", "NETWORK PREP", "VM START (r-6-VM)", "VOLUME PREP", "VM START", "COMPLETION",
    ]  # fmt: skip
    network = stages[2]
    assert (network.start, network.end, network.time) == ("12:01:03.126", "12:01:05.578", "2.45 s")
    assert network.detail == "addresses 10.1.1.186 · commands DhcpEntryCommand, SavePasswordCommand, VmDataCommand"
    assert [stage.name for stage in stages if stage.slowest] == ["VM START"]
    assert stages[-1].end == "≤ 12:01:16.600"


def test_the_timeline_stands_on_one_axis(typical: tuple[str, PageContext]) -> None:
    view = shown(typical[1], "job-53").timeline
    assert view is not None
    lanes = {lane.label: lane for lane in view.lanes}
    assert list(lanes) == ["phases", "time", "critical", "request", "waits", "API job", "work job", "stages", "agent"]
    for lane in view.lanes:
        for bar in lane.bars:
            assert float(bar.x) >= 0
            assert float(bar.x) + float(bar.width) <= 100.001
            assert bar.y >= lane.y
            assert bar.y + bar.height <= lane.y + lane.height
    assert [bar.css for bar in lanes["waits"].bars] == ["c-queue"]
    assert any(bar.css == "c-unlogged" for bar in lanes["time"].bars)
    assert len(view.bands) == 1
    assert [bar.open_end for bar in lanes["stages"].bars if bar.label == "COMPLETION"] == [True]
    assert "≤ 12:01:16.600" in next(bar.title for bar in lanes["stages"].bars if bar.label == "COMPLETION")


def test_bars_of_one_row_and_their_labels_do_not_overlap(typical: tuple[str, PageContext]) -> None:
    for detail in typical[1].details:
        for lane in detail.timeline.lanes if detail.timeline else ():
            rows: dict[int, list[tuple[float, float]]] = {}
            for bar in lane.bars:
                label = (len(bar.label) * svg.CHARACTER) / svg.NOMINAL * 100
                left, right = float(bar.x), float(bar.x) + float(bar.width)
                left -= label if bar.place == "before" else 0
                right += label if bar.place == "after" else 0
                rows.setdefault(bar.y, []).append((left, right))
            for places in rows.values():
                places.sort()
                assert all(a[1] <= b[0] + 0.01 for a, b in pairwise(places))


def test_the_critical_path_adds_up_to_the_wall_time(typical: tuple[str, PageContext]) -> None:
    path = shown(typical[1], "job-53").path
    assert path is not None
    assert path.total == "15.680 s"
    waited = next(step for step in path.steps if step.css == "c-queue")
    assert (waited.name, waited.time, waited.saves) == ("VmWorkJobQueue.8 (queue)", "1.676 s", "1.676 s")


def test_the_flow_tells_who_asked_whom(typical: tuple[str, PageContext]) -> None:
    flow = shown(typical[1], "job-53").flow
    assert flow is not None
    assert [party.label for party in flow.parties][:5] == ["client", "API", "job queue", "API job", "work job"]
    assert {"kvm1", "kvm2", "router", "storage"} <= {party.label for party in flow.parties}
    assert flow.messages[0].label == "deployVirtualMachine"
    assert "answer after 9.70 s" in [m.label for m in flow.messages if m.css == "slow"]
    assert "P4->>P5: StartCommand (" in flow.mermaid
    refused = shown(typical[1], "job-51").flow
    assert refused is not None
    assert any(m.css == "bad" and m.label.startswith("Unable to start: no space left") for m in refused.messages)


def test_states_are_told_with_their_line(typical: tuple[str, PageContext]) -> None:
    (change,) = shown(typical[1], "job-53").states
    assert (change.before, change.after) == ("Starting", "Running")
    assert change.lines.startswith("management-server.log:")


def test_the_topology_has_hosts_and_pools(typical: tuple[str, PageContext]) -> None:
    topology = typical[1].topology
    assert topology is not None
    assert {"management server", "clients", "kvm1", "kvm2", "primary-1"} <= {place.name for place in topology.places}


def test_findings_are_told_by_rule(typical: tuple[str, PageContext]) -> None:
    causes = typical[1].causes
    assert causes is not None
    (found,) = causes.found
    assert (found.severity, found.cost, found.href) == ("error", "10.0 s", "#job-51")


def test_commands_and_hosts_have_their_times(typical: tuple[str, PageContext]) -> None:
    times = {row.name: row for row in typical[1].command_times}
    assert (times["StartCommand"].sent, times["StartCommand"].longest) == ("9", "10.0 s")
    heat = typical[1].heat
    assert heat is not None
    assert [short for short, _ in heat.hosts] == ["kvm1", "kvm2"]
    assert typical[1].concurrency is not None
    assert typical[1].concurrency.most == "2"


@pytest.mark.parametrize(("status", "css"), [("succeeded", "good"), ("unfinished", ""), ("failed", "bad")])
def test_the_number_of_failed_operations_is_red_when_there_is_one(status: str, css: str) -> None:
    operations = factory.typical().operations
    ended = pd.Series([status, *["succeeded"] * (len(operations) - 1)], dtype="object")
    _, failed, *_ = summary.tiles(Every.of(operations.assign(status=ended), None))
    assert (failed.value, failed.css) == (str(int(status == "failed")), css)


def test_an_operation_is_text_for_a_ticket(typical: tuple[str, PageContext], bad: tuple[str, PageContext]) -> None:
    ticket = shown(typical[1], "job-53").ticket
    assert ticket is not None
    assert ticket.markdown.startswith("### job-53 deployVirtualMachine i-2-6-VM\n\nDeploy of i-2-6-VM took 15.7 s")
    assert "| VM START | 12:01:05.731 | 9.72 s |" in ticket.markdown
    hostile = shown(bad[1], "job-66").ticket
    assert hostile is not None
    # What is not indented is no code, where Markdown would take a tag for one.
    said = [line for line in hostile.markdown.splitlines() if not line.startswith("    ")]
    assert all("<" not in line.replace("\\<", "") for line in said)


def test_open_spans_are_drawn_open_to_the_end(typical: tuple[str, PageContext]) -> None:
    view = shown(typical[1], "job-60").timeline
    assert view is not None
    job = next(lane for lane in view.lanes if lane.label == "API job").bars[0]
    assert job.open_end
    assert float(job.x) + float(job.width) == pytest.approx(100, abs=0.01)


def test_consecutive_calls_of_one_name_are_folded(typical: tuple[str, PageContext]) -> None:
    nodes = [token.node for token in shown(typical[1], "job-53").tree.tokens if token.node]
    folded = {node.name: node for node in nodes if node.folded}
    assert folded["ResourceLimitManagerImpl.incrementResourceCount"].folded == "[5x]"
    assert folded["ResourceLimitManagerImpl.incrementResourceCount"].time == "≤ 50 ms"
    assert folded["AccountManagerImpl.checkAccess"].folded == "[4x]"


@pytest.mark.parametrize("shape", ["deep", "wide"])
def test_a_large_tree_is_cut_and_the_page_says_so(shape: str) -> None:
    maker = factory.Maker()
    parent = None
    for i in range(5000):
        made = maker.span("job-1", "call", f"A.b{i % 7}", 0.001 * i, 10.0, parent)
        parent = made if shape == "deep" or parent is None else parent
    maker.operation("job-1", "deployVirtualMachine", 0, 10, job=1)
    for row in maker.rows["spans"]:
        row["self_time"] = pd.Timedelta(0)
    made_page = context.from_trace(_without_self_times(maker))
    tree = made_page.details[0].tree
    assert len(tree.tokens) < 1000
    said = tree.left_out + " ".join(token.node.note for token in tree.tokens if token.node)
    assert "deeper" in said if shape == "deep" else "left out" in said
    lines = made_page.details[0].lines
    assert len(lines.head) + len(lines.tail) == 100
    assert "left out" in lines.gap


def _without_self_times(maker: factory.Maker) -> Any:
    rows, maker.rows["spans"] = maker.rows["spans"], []
    trace = maker.trace()
    trace.spans = factory._frame(dict(factory.schema.SPANS), rows)
    return trace


# --- the page as a file -----------------------------------------------------------------------------------------


def test_the_page_is_the_same_when_made_twice(typical: tuple[str, PageContext]) -> None:
    assert report.render(factory.typical()) == typical[0]


def test_the_page_asks_nobody_for_anything(typical: tuple[str, PageContext]) -> None:
    for tag, attributes in Elements(typical[0]).tags:
        for name in ("src", "href", "action", "srcset", "data", "poster", "background"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "form")


def test_the_policy_allows_nothing_inline_but_by_hash(typical: tuple[str, PageContext]) -> None:
    tags = Elements(typical[0]).tags
    policy = next(a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "blob:" not in policy
    for _, attributes in tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_ids_are_unique_and_links_lead_somewhere(typical: tuple[str, PageContext]) -> None:
    tags = Elements(typical[0]).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        if tag == "a":
            assert (attributes["href"] or "")[1:] in ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert all(part in ids for part in (attributes.get(name) or "").split())


def test_every_table_has_a_caption_and_headers(typical: tuple[str, PageContext]) -> None:
    html = typical[0]
    for table in re.findall(r"<table.*?</table>", html, flags=re.DOTALL):
        assert "<caption>" in table or 'class="lines"' in table
        assert 'scope="col"' in table or 'class="lines"' in table


def test_a_typical_page_is_small(typical: tuple[str, PageContext]) -> None:
    assert len(typical[0].encode()) < 2_000_000


def test_the_plotly_figure_shows_every_operation(typical: tuple[str, PageContext]) -> None:
    overview = typical[1].overview
    assert overview is not None
    figure = json.loads(json.dumps(overview.figure))
    drawn = sum(len(trace["x"]) for trace in figure["data"] if trace["mode"] == "markers")
    assert drawn == len(overview.dots) == len(typical[1].table.rows)


def test_plotly_knows_every_property_of_the_figure(typical: tuple[str, PageContext]) -> None:
    overview = typical[1].overview
    assert overview is not None
    plotly.graph_objects.Figure(overview.figure)  # raises where one has a name or a value that it does not know
    with pytest.raises(ValueError, match="modus"):
        plotly.graph_objects.Figure({"data": [{"type": "scatter", "modus": "lines"}]})


@pytest.mark.parametrize("damage", [lambda code: code[: len(code) // 2], lambda code: b"", lambda code: code[::-1]])
def test_a_damaged_compiled_template_is_made_again(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    templates = jinja2.DictLoader({"one": "{{ word }}!"})

    def said() -> tuple[str, bytes]:
        made = (
            jinja2.Environment(loader=templates, bytecode_cache=page.Compiled()).get_template("one").render(word="so")
        )
        (kept,) = (tmp_path / "tracekit").glob("template-*.bin")
        return made, kept.read_bytes()

    first = said()
    assert said() == first == ("so!", first[1])
    (kept,) = (tmp_path / "tracekit").glob("template-*.bin")
    kept.write_bytes(damage(first[1]))
    assert said() == first


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks are made on Linux alone")
@pytest.mark.parametrize("fork", ["made", "killed", "none"])
def test_the_page_is_the_same_whoever_makes_its_operations(
    typical: tuple[str, PageContext], monkeypatch: pytest.MonkeyPatch, fork: str
) -> None:
    monkeypatch.setattr(page, "idle_core", lambda _: fork != "none")
    if fork == "killed":
        monkeypatch.setattr(page, "Forked", lambda _: Forked(lambda: os.kill(os.getpid(), signal.SIGKILL)))
    made, html = page.page_of(factory.typical(), 20)
    assert html == typical[0]
    assert made == typical[1]._replace(details=())
    assert text.summary(made) == text.summary(typical[1])


# --- what a log may not do --------------------------------------------------------------------------------------


def test_a_hostile_log_adds_no_element(bad: tuple[str, PageContext]) -> None:
    html = bad[0]
    tags = [tag for tag, _ in Elements(html).tags]
    assert tags.count("img") == 0
    assert tags.count("script") == 3  # figure, packed plotly.js, our own
    assert "<img" not in html
    assert "<script>alert" not in html
    assert "{{7*7013}}" in html
    assert "49091" not in html


def test_a_hostile_log_says_its_controls_aloud(bad: tuple[str, PageContext]) -> None:
    for made in (bad[0], text.summary(bad[1])):
        assert not set(made) & set("\u202e\x00\x1b\u200b")
    assert "⟨U+202E⟩␀␛[31mred" in bad[0]


def test_secrets_never_reach_the_page(bad: tuple[str, PageContext], typical: tuple[str, PageContext]) -> None:
    for html, made in (bad, typical):
        for secret in ("TOPSECRET", "hunter2"):
            assert secret not in html
            assert secret not in repr(made)


def test_a_line_of_a_megabyte_is_cut(bad: tuple[str, PageContext]) -> None:
    line = next(line for line in shown(bad[1], "job-66").lines.head if line.text.startswith("xxxx"))
    assert line.note == "+999,760 characters"
    assert len(bad[0]) < 1_000_000


# --- the terminal -----------------------------------------------------------------------------------------------


def test_the_summary_has_ten_lines(typical: tuple[str, PageContext]) -> None:
    lines = text.summary(typical[1]).splitlines()
    assert len(lines) == 10
    assert lines[0] == typical[1].verdict.sentence
    assert all(len(line) <= 2 * text.WIDTH for line in lines)


# --- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "unknown"), (0, "0 ms"), (0.0004, "400 µs"), (0.252, "252 ms"), (0.9999, "1.00 s"), (5.98, "5.98 s"),
     (9.999, "10.0 s"), (47.2, "47.2 s"), (59.97, "1 min 00 s"), (723, "12 min 03 s"), (3720, "1 h 02 min")],
)  # fmt: skip
def test_durations(value: float | None, said: str) -> None:
    assert words.duration(value) == said


@pytest.mark.parametrize("parts", [[1, 1, 1], [0.1] * 7, [1e-6, 5, 3.3333], [5], [1 / 3, 2 / 3]])
def test_shares_add_up(parts: list[float]) -> None:
    assert round(sum(words.shares(parts)), 6) == 100


def test_every_category_and_kind_has_a_word_and_a_style() -> None:
    css = (page.reports() / "assets" / "page.css").read_text(encoding="utf-8")
    for entry in words.words().categories:
        assert f".c-{entry.key}" in css
        assert entry.key in words.words().clauses
    for _, kinds in LANES:
        for kind in kinds:
            assert kind in svg.KIND_CSS or f".k-{kind}" in css


def test_contexts_are_frozen_and_hold_no_frames(typical: tuple[str, PageContext]) -> None:
    def walk(value: object) -> None:
        assert not isinstance(value, (pd.DataFrame, pd.Series, pd.Timestamp, SimpleNamespace))
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                walk(getattr(value, field.name))
        elif isinstance(value, tuple):
            for item in value:
                walk(item)

    walk(typical[1])
    with pytest.raises(AttributeError):
        typical[1].title = "x"  # type: ignore[misc]


def test_what_is_under_way_when_the_log_ends_is_slow_only_by_its_time() -> None:
    table = factory.typical().operations
    rows = frames.rows(table)
    end = max(row.submitted for row in rows) + pd.Timedelta(3, "s")
    unfinished = [row for row in rows if row.status == "unfinished"]
    assert [pd.isna(row.wall) for row in unfinished] == [True]
    order = [rows[place] for place in ranked(Every.of(table, end))]
    longest = max((row for row in rows if pd.notna(row.wall)), key=lambda row: row.wall)
    assert order[0].status == "failed"
    assert order[1].operation == longest.operation


def test_a_join_that_had_several_candidates_is_marked() -> None:
    maker = factory.Maker()
    factory.deploy(maker)
    factory.requests(maker, 1)
    maker.rows["operations"][0]["doubts"] = "a wait fits two holders: job-12, job-14; <b>a line fits two runs"
    trace = maker.trace()
    html, made = _made(trace)
    assert shown(made, "job-43").doubts == ("a wait fits two holders: job-12, job-14", "<b>a line fits two runs")
    assert [bool(row.doubts) for row in made.table.rows] == [True, False]
    assert html.count("? ambiguous</span>") == 1
    assert "More than one join was possible:</b> a wait fits two holders: job-12, job-14; &lt;b&gt;a line fits" in html
    assert terminal.tree_text(trace, "job-43").splitlines()[:2] == [
        "? a wait fits two holders: job-12, job-14",
        "? <b>a line fits two runs",
    ]
    table = terminal.operations_table(trace.operations).splitlines()
    assert [line.endswith("? succeeded") for line in table] == [False, True, False]


def test_the_table_of_the_terminal_says_who_had_most_of_the_time() -> None:
    maker = factory.Maker()
    factory.deploy(maker)
    maker.rows["operations"][0] |= {"owner": "host 1: Start\x1b[31mCommand", "share": 0.7549}
    maker.operation("job-44", "stopVirtualMachine", 3.0004999, None, status="unfinished")
    head, first, second = terminal.operations_table(maker.trace().operations).splitlines()
    place = head.index("most time in")
    assert first[place:].startswith("host 1: Start\u241b[31mCommand 75%  succeeded")
    assert second.split() == ["job-44", "stopVirtualMachine", "alice", "08-01", "12:00:40.000", "unfinished"]


# --- very many spans --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> tuple[str, PageContext]:
    return _made(factory.many())


def test_many_spans_are_carried_as_columns_and_none_is_lost(many: tuple[str, PageContext]) -> None:
    drawn = shown(many[1], "job-71").canvas
    assert drawn is not None
    raw = gzip.decompress(base64.b64decode(drawn.packed))
    size = int.from_bytes(raw[:4], "little")
    head = json.loads(raw[4 : 4 + size])
    spans = factory.many().spans
    spans = spans[spans["operation"] == "job-71"]
    assert head["count"] == len(spans) + 1  # and the interval of the ledger
    at, columns = 4 + size, {}
    for name, dtype in canvas.COLUMNS:
        columns[name] = np.frombuffer(raw, dtype, head["count"], at)
        at += columns[name].nbytes
    assert at == len(raw)
    assert int(columns["length"].max()) * head["unit"] == 25_000_000
    calls = columns["row"] == head["lanes"][-1]["top"]
    assert sorted(columns["length"][calls].tolist()) == [8000] * 2400
    assert int((columns["flags"] & canvas.FAILED).sum()) == 1
    assert {head["names"][i] for i in columns["name"][calls]} == {f"VolumeDaoImpl.find{i}" for i in range(7)}


def test_without_scripts_the_longest_spans_are_drawn_and_the_page_says_so(many: tuple[str, PageContext]) -> None:
    html, made = many
    timeline = shown(made, "job-71").timeline
    assert timeline is not None
    assert timeline.left_out == (
        "Without scripts 1 of 2,401 spans are drawn: no calls, of the others the longest; "
        "tracekit tree LOG job-71 shows all"
    )
    assert timeline.left_out in html


def test_only_pages_with_very_many_spans_carry_the_script_for_them(
    typical: tuple[str, PageContext], many: tuple[str, PageContext]
) -> None:
    for (html, _), scripts in ((typical, 2), (many, 3)):
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
        allowed = policy.split("script-src ")[1].split("style-src")[0]
        assert allowed.count("sha256") == scripts
    assert all(detail.canvas is None for detail in typical[1].details)


# --- what stands at the end -------------------------------------------------------------------------------------


def test_messages_that_no_rule_reads_are_listed_with_the_command_that_drafts_rules(
    typical: tuple[str, PageContext],
) -> None:
    html, made = typical
    view = made.coverage.unknown
    assert view is not None
    assert view.summary == "7 messages in 1 template"
    assert [(row.template, row.messages, row.level) for row in view.rows] == [("Bridge <*> is gone", "7", "WARN")]
    assert "Bridge &lt;*&gt; is gone" in html
    assert "tracekit check --unknown LOG" in html


def test_of_entities_those_that_lines_name_most_are_listed_and_the_rest_is_counted() -> None:
    maker = factory.Maker()
    maker.rows["entities"] += [
        {"kind": "vm", "id": i, "name": f"i-2-{i}-VM", "count": i} for i in range(1, glossary.MAX_ENTITIES + 6)
    ] + [{"kind": "volume", "id": 1, "count": 3}]
    view = glossary.entities(maker.trace().entities)
    assert view is not None
    assert [row.id for row in view.rows] == [str(i) for i in range(6, glossary.MAX_ENTITIES + 6)]
    assert view.left_out.startswith(
        "5 entities that fewer lines name left out; 1 number without a uuid or a name left out; tracekit export"
    )


@given(st.integers(1, 10**9))
def test_the_overview_ends_when_the_last_operation_does(milliseconds: int) -> None:
    start = datetime(2026, 11, 22, 17, 53, 44, 871_000)
    last, seconds = start + timedelta(milliseconds=milliseconds), milliseconds / 1000
    point = figures.Point.of("job-1", "", "deploy", "succeeded", frames.micros(start), seconds)
    drawn = figures.overview([point], figures.Reach(1, start, last, seconds, seconds))
    assert f"to {last:%H:%M:%S}.{last.microsecond // 1000:03}." in drawn.description
    lines, *_ = drawn.figure["data"]  # type: ignore[misc]
    assert [datetime.fromisoformat(time) for time in lines["x"][:2]] == [start, last]


@given(st.lists(st.tuples(st.integers(0, 600_000), st.integers(1, 600_000)), min_size=1, max_size=30))
def test_names_in_the_overview_do_not_lie_upon_each_other(each: list[tuple[int, int]]) -> None:
    begin = datetime(2026, 11, 22, 17)
    points = [
        figures.Point.of(f"job-{i}", "", "", "succeeded", frames.micros(begin) + start * 1000, took / 1000)
        for i, (start, took) in enumerate(sorted(each, key=lambda pair: -pair[1]))
    ]
    took = [point.seconds for point in points]
    first, last = min(point.start for point in points), max(point.start for point in points)
    reach = figures.Reach(len(points), first, last + timedelta(seconds=max(took)), min(took), max(took))
    named = [dot for dot in figures.overview(points, reach).dots if dot.label]
    # Across in pixels of the narrowest drawing.
    boxes = []
    for dot in named:
        x, width = float(dot.x) * figures.NARROWEST / 100, len(dot.label) * figures.LETTER
        boxes.append((x - 8 - width if dot.anchor == "end" else x + 8, width, dot.y))
    assert points[0].operation in {dot.label for dot in named}
    assert len(named) <= figures.LABELLED
    for (x, width, y), (other, wide, at) in combinations(boxes, 2):
        assert x + width <= other or other + wide <= x or abs(y - at) >= figures.LINE
