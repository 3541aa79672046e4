"""The ledger: whose every instant of an operation was, and why it is called so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from tracekit import frames
from tracekit.build import Built, Knowledge, build
from tracekit.build.claims import WEAK, Claim, Claims, Owners
from tracekit.build.explain import Explainer
from tracekit.build.ledger import Walls, count_unlogged, held_most, sweep
from tracekit.build.locks import Held, Locks
from tracekit.build.model import Gap
from tracekit.build.silence import Silences, Usual
from tracekit.build.still import Server, silent
from tracekit.parse import parse
from tracekit.parse.grammar import load_messages
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.resources import grammars
from tracekit.schema import CATEGORIES
from tracekit.trace import read_trace

SECOND = 1_000_000
TABLE = {f"G{number}" for number in range(1, 39)}


@cache
def traced(log: Path) -> Built:
    """What is built of a log."""
    quality = Collector()
    parsed = parse(open_sources([str(log)]), quality)
    return build(parsed, parsed.sources, quality, Knowledge.of(parsed.messages))


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    """The one that build uses."""
    return Knowledge.of(load_messages(grammars())).explainer


def rows() -> list[dict[str, Any]]:
    """Rows of gaps.toml."""
    made: list[dict[str, Any]] = tomllib.loads((grammars() / "gaps.toml").read_text(encoding="utf-8"))["gap"]
    return made


def test_all_gaps_are_there() -> None:
    assert {row["id"] for row in rows()} >= TABLE
    for row in rows():
        assert row["category"] in CATEGORIES, row["id"]
        assert row["owner"], row["id"]
        assert row["says"], row["id"]
        assert "by" in row or "after" in row or "before" in row, row["id"]


def test_gaps_name_statements_that_exist() -> None:
    meanings = load_messages(grammars()).meanings
    known = set(meanings) | {m.means for m in meanings.values()} | {m.where for m in meanings.values()}
    for row in rows():
        assert set(row.get("after", ())) | set(row.get("before", ())) <= known, row["id"]


@pytest.mark.parametrize(
    ("first", "second", "length", "category", "owner"),
    [
        ("capacity_ram_fits", "network_lock", 15 * SECOND, "lock", "network lock"),
        ("template_lock_wait", "template_lock", 20 * SECOND, "lock", "template lock"),
        ("authenticator_user", "account_cidrs", 2 * SECOND, "execution", "password check (PBKDF2)"),
        ("job_sync", "vm_start_queued", 20 * SECOND, "queue", "waits for its work job"),
    ],
)
def test_gaps_with_a_name(
    explainer: Explainer, first: str, second: str, length: int, category: str, owner: str
) -> None:
    assert explainer.explain(first, second, length)[:2] == (category, owner)


def test_a_short_interval_in_front_of_a_lock_is_no_wait_for_it(explainer: Explainer) -> None:
    assert explainer.explain("capacity_ram_fits", "network_lock", 15_000)[0] != "lock"


def test_what_nobody_measured_stays_unlogged() -> None:
    gap = Gap("G", "database", "reads", frozenset({"a"}), frozenset(), False, False, 0, None)
    names = {name: frozenset({name}) for name in "abc"}
    where = {"a": "A.a", "b": "B.b", "c": None}
    usual = Usual("rule", 9_000, 20_000, 0.1, 0.0, 0, (), ("B.b",))
    explainer = Explainer([gap], Silences({("rule", "b", "b"): usual}), names, where)
    assert explainer.explain("a", "c", 50_000)[:2] == ("database", "reads")
    assert explainer.explain("a", "c", 2 * SECOND)[0] == "unlogged", "a gap alone explains short intervals"
    assert explainer.explain("b", "a", 50_000)[:2] == ("unlogged", "B.b \u2192 A.a")
    assert explainer.explain("b", "b", 2 * SECOND)[:2] == ("unlogged", "B.b \u2192 B.b (usually 9 ms)")
    assert explainer.explain("c", "b", 5_000)[:2] == ("execution", "unknown statement")


def test_a_busy_server_that_writes_nothing_stood_still() -> None:
    before, after = np.arange(0, 5 * SECOND, 3_000), np.arange(6 * SECOND, 11 * SECOND, 3_000)
    hole = silent(np.concatenate([before, after]))
    assert hole == [(int(before[-1]), 6 * SECOND)]
    server = Server([start for start, _ in hole], [end for _, end in hole])
    # Nearly all of it, half of it only, too short to tell.
    start, end = np.array([5, 4, 5.95]) * SECOND, np.full(3, 6 * SECOND)
    assert server.stood_still(start.astype(np.int64), end).tolist() == [True, False, False]


def test_of_overlapping_stretches_each_is_looked_at() -> None:
    server = Server([0, SECOND, 20 * SECOND], [9 * SECOND, 2 * SECOND, 21 * SECOND])
    start, end = np.array([1, 3, 9, 20]) * SECOND, np.array([2, 8, 12, 21]) * SECOND
    assert server.stood_still(start, end).tolist() == [True, True, False, True]


def test_what_an_explanation_hangs_on(explainer: Explainer) -> None:
    """Between two lengths at which `steps` and `most` tell no difference there is none."""
    first, second = next((a, b) for level, a, b in explainer.silences.rows if level == "rule")
    for both in ((first, second), ("capacity_ram_fits", "network_lock"), (None, "job_sync")):
        edges = sorted({*explainer.steps.tolist(), explainer.most(*both) + 1, 100 * SECOND})
        for low, high in pairwise(edges):
            assert explainer.explain(*both, low) == explainer.explain(*both, (low + high) // 2)
            assert explainer.explain(*both, low) == explainer.explain(*both, high - 1)


def test_an_idle_server_writes_little() -> None:
    assert silent(np.arange(0, 60 * SECOND, 2 * SECOND)) == []
    assert silent(np.array([0, SECOND, 9 * SECOND, 10 * SECOND])) == [(SECOND, 9 * SECOND)]
    assert silent(np.array([5])) == []


def test_the_holder_of_a_lock_is_who_held_it_longest_of_the_wait() -> None:
    held = {("NETWORK", "204"): [Held(1, 0, 10), Held(2, 10, 90), Held(3, 95, 120)]}
    locks = Locks(held, {("NETWORK", 7): "204"}, {1: "job-1", 2: "job-2", 3: "job-3"})
    assert locks.holder("NETWORK", 7, 3, 5, 95) == "job-2"
    assert locks.holder("NETWORK", 7, 2, 20, 80) is None, "its own"
    assert locks.holder("NETWORK", 8, 3, 5, 95) is None


Drawn = tuple[int, int, int, int, int]  # of a claim: operation, start, length, rank, owner


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=3),
    st.lists(
        st.tuples(
            *(st.integers(0, most) for most in (2, 40)), st.integers(1, 30), st.integers(0, WEAK), st.integers(0, 3)
        ),
        max_size=14,
    ),
)
def test_every_instant_has_one_owner(walls: list[tuple[int, int]], drawn: list[Drawn]) -> None:
    """The sweep over all operations gives what asking at each instant of each operation would give."""
    claims = [
        Claim(of % len(walls), start, start + long, rank, CATEGORIES[rank % 8], f"owner {who}", at, 2 * at, 2 * at + 1)
        for at, (of, start, long, rank, who) in enumerate(drawn)
    ]
    owners = Owners()
    nobody = owners.number("unlogged", "no line")
    starts, ends = (np.array(times, dtype=np.int64) for times in ([a for a, _ in walls], [a + b for a, b in walls]))
    made = sweep(Claims.of(claims, owners), Walls.of(starts, ends), nobody)
    columns = (made.operation, made.start, made.end, made.what, made.span, made.first, made.last)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (number, *interval)
        for number, (start, wall) in enumerate(walls)
        for interval in asked([claim for claim in claims if claim.operation == number], start, start + wall, owners)
    ]


def asked(claims: list[Claim], start: int, end: int, owners: Owners) -> Iterator[tuple[int, ...]]:
    """Start, end, owner, span, first and last record of the intervals in one operation, instant by instant."""
    nobody = Claim(0, 0, 0, 0, "unlogged", "no line", -1, -1, -1)
    best = [
        min((c for c in claims if c.start <= at < c.end), key=lambda c: (c.rank, c.start, c.span), default=nobody)
        for at in range(start, end)
    ]
    number = [owners.number(claim.category, claim.owner) for claim in best]
    for what, group in groupby(range(end - start), key=number.__getitem__):
        places = list(group)
        first, last = best[places[0]], best[places[-1]]
        known = [part for part in (first.span, first.first, last.last) if part is not None]
        yield start + places[0], start + places[-1] + 1, what, *known


@pytest.mark.parametrize("log", ["4.18/a-healthy/management-server.log", "4.23/k-ms-restart/management-server.log.gz"])
def test_ledgers_add_up(samples: Path, log: str) -> None:
    trace = traced(samples / log)
    inside = trace.ledger[trace.ledger["category"] != "client"]
    walls = trace.operations.set_index("operation")["wall"].dropna()
    lengths = (inside["end"] - inside["start"]).groupby(inside["operation"]).sum()
    assert (lengths == walls.loc[lengths.index]).all()
    assert ((inside["end"] - inside["start"]) > pd.Timedelta(0)).all()
    for _, part in inside.groupby("operation"):
        assert (part["start"].iloc[1:].to_numpy() == part["end"].iloc[:-1].to_numpy()).all()


@pytest.mark.parametrize("log", ["4.18/a-healthy/management-server.log", "4.23/k-ms-restart/management-server.log.gz"])
def test_an_operation_names_the_owner_of_most_of_its_time(samples: Path, log: str) -> None:
    trace = traced(samples / log)
    inside = trace.ledger[trace.ledger["category"] != "client"]
    for row in frames.rows(trace.operations):
        mine = inside[inside["operation"] == row.operation]
        held = (mine["end"] - mine["start"]).groupby([mine["category"], mine["owner"]], observed=True).sum()
        if mine.empty:
            assert pd.isna([row.owner, row.share]).all()
        else:
            assert row.owner in held[held == held.max()].index.get_level_values("owner")
            assert row.share == pytest.approx(held.max() / row.wall)


def test_of_owners_of_as_much_time_the_last_by_category_and_name_is_named() -> None:
    owned = [
        (0, 0, 3, "agent", "host 1"),
        (0, 3, 5, "execution", "management server"),
        (0, 5, 8, "agent", "host 1"),
        (2, 0, 1, "lock", "a lock"),
        (2, 1, 2, "agent", "host 2"),
        (2, 2, 3, "agent", "host 1"),
    ]
    owners = Owners()
    claims = [Claim(of, start, end, 0, category, owner, None, None, None) for of, start, end, category, owner in owned]
    made = held_most(Claims.of(claims, owners), pd.Index(["job-1", "job-2", "job-3"]), owners)
    assert made["owner"].fillna("").to_dict() == {"job-1": "host 1", "job-2": "", "job-3": "a lock"}
    assert made["share"].fillna(0).tolist() == [0.75, 0, 1 / 3]
    nobody = held_most(Claims.of([], owners), pd.Index(["job-1"]), owners)
    assert nobody.isna().all(axis=None)


def test_a_restart_is_named(restarted: Path) -> None:
    ledger = traced(restarted).ledger
    cut = ledger[ledger["owner"] == "server down"]
    assert set(cut["operation"]) >= {"job-208", "job-209", "job-213"}
    own = ledger[(ledger["operation"] == "job-208") & (ledger["category"] != "client")]
    assert own["owner"].iloc[-1] == "server starting, until it cancelled the job"
    assert own["owner"].iloc[-3].endswith("StartCommand, until the server died")
    assert own["category"].iloc[-3] == "agent"


def test_hardly_anything_is_unlogged_in_a_healthy_deploy(healthy: Path) -> None:
    trace = traced(healthy)
    deploys = trace.operations.loc[trace.operations["command"] == "deployVirtualMachine", "operation"]
    mine = trace.ledger[trace.ledger["operation"].isin(deploys)]
    length = (mine["end"] - mine["start"]).groupby(mine["category"], observed=True).sum()
    assert length.get("unlogged", pd.Timedelta(0)) < 0.01 * length.sum()


def test_quality_says_what_is_unlogged() -> None:
    at = pd.to_datetime(["2026-01-01T00:00:00", "2026-01-01T00:00:01", "2026-01-01T00:00:03"])
    ledger = pd.DataFrame(
        {
            "operation": "job-1",
            "start": at[:2],
            "end": at[1:],
            "category": ["unlogged", "agent"],
            "owner": ["A.a \u2192 B.b", "h"],
        }
    )
    quality = Collector()
    count_unlogged(ledger, quality)
    (row,) = quality.rows()
    assert (row.counter, row.count) == ("unlogged intervals", 1)
    assert row.example == "33.3% of the time; longest 1.000 s in job-1: A.a \u2192 B.b"


def test_at_level_info_a_silence_is_unlogged_and_nothing_else(samples: Path, tmp_path: Path) -> None:
    """What was measured between two statements holds where everything between them would have been printed."""
    whole = (samples / "4.18" / "a-healthy" / "management-server.log").read_bytes().splitlines(keepends=True)
    log = tmp_path / "management-server.log"
    log.write_bytes(b"".join(line for line in whole if line[24:28] in (b"INFO", b"WARN")))
    trace = read_trace([str(log)])
    done = trace.operations[trace.operations["wall"].notna()]
    assert set(done["operation"]) == {"job-16", "job-19", "job-21"}
    ledger = trace.ledger[trace.ledger["category"] != "client"]
    long = ledger[ledger["end"] - ledger["start"] > pd.Timedelta(milliseconds=10)]
    assert set(long["category"]) == {"unlogged"}
    assert (ledger["end"] - ledger["start"]).sum() == done["wall"].sum()
