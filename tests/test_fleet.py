"""All operations compared: who stands out and who does not, what stood still together, what changed."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from tracekit import schema
from tracekit.cli import BY, cli, grouped as grouped_text
from tracekit.fleet import Fleet, fleet
from tracekit.fleet.chance import Ranked, excess_test, unlikely
from tracekit.fleet.changes import changes
from tracekit.fleet.groups import groups
from tracekit.fleet.members import GROUPED, check_members, load_members, membership
from tracekit.fleet.stalls import SILENT, stalls
from tracekit.fleet.times import command_times, length_of, timed_commands, timed_operations
from tracekit.parse.grammar import load_messages
from tracekit.report import context, page
from tracekit.report.fleet import NOTHING, TOO_FEW, view
from tracekit.report.log import Log
from tracekit.resources import grammars
from tracekit.trace import Trace, read_trace

DAY = pd.Timestamp("2026-08-01 12:00:00")
NO_SILENCE = pd.DataFrame({"start": [], "end": [], "first": [], "last": []})


@given(st.lists(st.none() | st.integers(0, 10**13), max_size=9))
def test_lengths_are_exact_to_the_microsecond(lengths: list[int | None]) -> None:
    made = length_of([None if length is None else length / 1e6 for length in lengths])
    assert made.astype("m8[us]").astype(object).tolist() == [
        None if length is None else timedelta(microseconds=length) for length in lengths
    ]


@pytest.fixture(scope="module", params=["4.18/a-healthy", "4.23-kvm/a-healthy"])
def healthy_trace(request: pytest.FixtureRequest, samples: Path) -> Trace:
    return read_trace([str(samples / request.param / "management-server.log")])


def operations_of(walls: list[float], command: str = "deployVirtualMachine", **columns: Any) -> pd.DataFrame:
    """One operation a minute, each with its wall time in seconds."""
    start = [DAY + pd.Timedelta(minutes=i) for i in range(len(walls))]
    made = {
        "operation": [f"job-{i}" for i in range(len(walls))],
        "command": [command] * len(walls),
        "submitted": start,
        "completed": [begin + pd.Timedelta(seconds=wall) for begin, wall in zip(start, walls, strict=True)],
        "wall": [pd.Timedelta(seconds=wall) for wall in walls],
        "status": ["succeeded"] * len(walls),
        **columns,
    }
    return schema.frame(schema.OPERATIONS, made)


def commands_of(seconds: list[float], hosts: list[str], results: list[str] | None = None) -> pd.DataFrame:
    start = [DAY + pd.Timedelta(minutes=i) for i in range(len(seconds))]
    made = {
        "host": [1] * len(seconds),
        "host_name": hosts,
        "seq": range(len(seconds)),
        "command": ["StartCommand"] * len(seconds),
        "sent": start,
        "answered": [begin + pd.Timedelta(seconds=took) for begin, took in zip(start, seconds, strict=True)],
        "result": results or ["true"] * len(seconds),
    }
    return schema.frame(schema.COMMANDS, made)


def grouped(operations: pd.DataFrame, by: str, names: list[str]) -> pd.DataFrame:
    members = pd.DataFrame({name: [None] * len(operations) for name in GROUPED}, index=operations["operation"])
    made = groups(timed_operations(operations), members.assign(**{by: names}))
    return made[made["by"] == by].set_index("name")


def test_ranks_share_the_mean_where_values_are_equal() -> None:
    assert Ranked.of(np.array([3.0, 1.0, 3.0, 2.0])).ranks.tolist() == [3.5, 1.0, 3.5, 2.0]


def test_the_rank_test_is_near_the_share_of_all_divisions() -> None:
    values = np.array([1.0, 2.0, 3.5, 4.0, 5.5, 6.0, 7.5, 8.0, 9.0, 30.0, 31.0, 40.0])
    chosen, ranked = (7, 8, 9, 10, 11), Ranked.of(values)

    def above(at: tuple[int, ...]) -> float:
        return abs(sum(ranked.ranks[list(at)]) - len(at) * 6.5)

    every = [above(at) for at in combinations(range(12), 5)]
    exact = sum(one >= above(chosen) - 1e-9 for one in every) / len(every)
    rest = [i for i in range(12) if i not in chosen]
    assert ranked.test(list(chosen)) == pytest.approx(exact, abs=0.004)
    assert ranked.test(rest) == pytest.approx(exact, abs=0.004)


def test_too_few_and_equal_values_tell_nothing() -> None:
    assert math.isnan(Ranked.of(np.arange(54.0)).test(slice(4)))
    assert Ranked.of(np.ones(20)).test(slice(10)) == 1.0
    assert excess_test([(10, 10, 5, 5), (7, 3, 7, 3)]) == 1.0  # every thing is a hit
    assert math.isnan(excess_test([(7, 3, 7, 3)]))  # every thing is chosen
    assert unlikely(np.array([0.004, np.nan, np.nan])).tolist() == [True, False, False]
    assert unlikely(np.array([0.004, 0.5, 0.9])).tolist() == [False, False, False]


def test_chance_rarely_names_a_group() -> None:
    named = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        walls = random.lognormal(1.5, 0.8, 120).tolist()
        named += int(grouped(operations_of(walls), "host", [f"kvm{i % 6}" for i in range(120)])["odd"].sum())
    assert named <= 2  # of 360 groups


def test_a_slow_host_stands_out_with_its_figures() -> None:
    walls = [5.0 + i % 3 for i in range(40)] + [20.0 + i % 3 for i in range(10)]
    made = grouped(operations_of(walls), "host", ["kvm1"] * 40 + ["kvm2"] * 10)
    assert made["odd"].to_dict() == {"kvm1": False, "kvm2": True}
    slow = made.loc["kvm2"]
    assert (slow["count"], slow["slow"], slow["compared"], slow["rest"], slow["expected"]) == (10, 10, 10, 40, 2.0)
    assert (slow["median"], slow["worst"]) == (pd.Timedelta(seconds=21), pd.Timedelta(seconds=22))
    assert slow["slowest"] == "job-42"


def test_fewer_than_five_of_a_kind_name_nobody() -> None:
    made = grouped(operations_of([5.0] * 40 + [50.0] * 4), "pool", ["a"] * 40 + ["b"] * 4)
    assert not made["odd"].any()
    assert math.isnan(made.loc["b", "p"])


def test_an_account_is_not_blamed_for_the_kind_of_its_operations() -> None:
    """Half of all deploys are slow, whoever asks; bob only deploys, alice lists as well."""
    deploys = operations_of([4.0, 20.0, 4.5, 21.0, 5.0] * 8)
    lists = operations_of([0.1] * 200, "listVirtualMachines")
    both = pd.concat([deploys, lists.assign(operation="req-" + lists["operation"])], ignore_index=True)
    names = ["bob" if i % 2 else "alice" for i in range(40)] + ["alice"] * 200
    assert not grouped(both, "account", names)["odd"].any()


def test_refusals_do_not_make_what_succeeds_look_slow() -> None:
    status = ["failed"] * 30 + ["succeeded"] * 30
    operations = operations_of([0.02] * 30 + [6.0 + i % 2 for i in range(30)], status=status)
    made = grouped(operations, "account", ["dave"] * 30 + ["erin"] * 30)
    assert made["slow"].tolist() == [0, 0]
    assert (made.loc["dave", "compared"], made.loc["dave", "failed"]) == (0, 30)
    assert pd.isna(made.loc["dave", "median"])


def test_a_command_is_compared_between_hosts() -> None:
    seconds = [0.9, 1.0, 1.1] * 8 + [9.0, 10.0, 11.0] * 3 + [0.01] * 12
    hosts = ["kvm1"] * 24 + ["kvm2"] * 9 + ["kvm3"] * 12
    results = ["true"] * 33 + ["false"] * 12
    made = command_times(timed_commands(commands_of(seconds, hosts, results))).set_index("host", drop=False)
    assert made["host"].isna().tolist() == [True, False, False, False]
    assert made[made["odd"]].index.tolist() == ["kvm2"]
    assert (made.loc["kvm2", "median"], made.loc["kvm2", "rest_median"]) == (
        pd.Timedelta(seconds=10),
        pd.Timedelta(seconds=1),
    )
    assert (made.loc["kvm3", "count"], made.loc["kvm3", "failed"]) == (12, 12)
    assert pd.isna(made.loc["kvm3", "median"])  # refusals say nothing about its speed


def test_a_change_between_the_halves_is_told_in_both_directions() -> None:
    none = timed_commands(commands_of([], []))
    for walls in ([3.0, 4.0] * 10 + [9.0, 10.0] * 10, [9.0, 10.0] * 10 + [3.0, 4.0] * 10):
        (row,) = changes(timed_operations(operations_of(walls)), none).to_dict("records")
        assert (row["command"], row["before"], row["after"], row["odd"]) == ("deployVirtualMachine", 20, 20, True)
    assert not changes(timed_operations(operations_of([3.0, 9.0, 4.0] * 14)), none)["odd"].any()
    assert changes(timed_operations(operations_of([3.0] * 8)), none).empty  # four in each half


def ledger_of(rows: list[tuple[str, float, float, str]]) -> pd.DataFrame:
    moment = [(DAY + pd.Timedelta(seconds=low), DAY + pd.Timedelta(seconds=high)) for _, low, high, _ in rows]
    made = {
        "operation": [row[0] for row in rows],
        "start": [low for low, _ in moment],
        "end": [high for _, high in moment],
        "category": [row[3] for row in rows],
        "owner": [f"{row[3]} of something" for row in rows],
    }
    return schema.frame(schema.LEDGER, made)


def busy(count: int) -> pd.DataFrame:
    start, end = [DAY] * count, [DAY + pd.Timedelta(minutes=1)] * count
    return operations_of([60.0] * count).assign(submitted=start, completed=end)


def test_what_waits_together_inside_the_server_is_a_stall() -> None:
    rows = [(f"job-{i}", 10 + i * 0.1, 16 + i * 0.1, "database") for i in range(4)]
    rows += [(f"job-{i}", 30, 45, "agent") for i in range(6)]  # waits for hosts
    rows += [("job-4", 11, 15, "lock"), ("job-5", 20, 25, "database"), ("job-0", 20, 25, "database")]
    (row,) = stalls(ledger_of(rows), busy(6), NO_SILENCE).to_dict("records")
    assert (row["operations"], row["under_way"]) == (5, 6)
    assert (row["start"], row["duration"]) == (DAY + pd.Timedelta(seconds=10.2), pd.Timedelta(seconds=5.9))
    assert row["waited"] == "database: database of something"


def test_a_silent_server_is_a_stall_of_all_that_is_under_way() -> None:
    silence = pd.DataFrame(
        {"start": [DAY + pd.Timedelta(seconds=20)], "end": [DAY + pd.Timedelta(seconds=27)], "first": [4], "last": [5]}
    )
    (row,) = stalls(ledger_of([]), busy(2), silence).to_dict("records")
    assert (row["operations"], row["waited"], row["names"]) == (2, SILENT, ["job-0", "job-1"])


def test_tables_keep_their_schema_and_name_nobody_in_a_healthy_log(healthy_trace: Trace) -> None:
    made = fleet(healthy_trace)
    for table, columns in (
        (made.groups, schema.GROUPS), (made.commands, schema.COMMAND_TIMES),
        (made.stalls, schema.STALLS), (made.changes, schema.CHANGES),
    ):  # fmt: skip
        schema.check(table, columns, "fleet")
    assert not made.groups["odd"].any()
    assert not made.commands["odd"].any()
    assert not made.changes["odd"].any()
    assert made.stalls.empty
    sent = healthy_trace.commands[healthy_trace.commands["sent"].notna()]
    answered = sent["answered"].notna() | sent["received"].notna()
    assert made.commands[made.commands["host"].isna()]["count"].sum() == answered.sum()


def test_the_page_says_whether_there_was_enough_to_compare(samples: Path) -> None:
    few = context.from_trace(read_trace([str(samples / "4.23" / "f-insufficient-capacity" / "management-server.log")]))
    assert few.fleet is not None
    assert few.fleet.said == (TOO_FEW,)
    assert 'id="fleet"' in page.render(few)


@pytest.mark.parametrize(("slow", "said"), [(6.0, NOTHING), (30.0, "host kvm2: 10 of 10 operations slow, 2.0 exp")])
def test_the_page_names_who_stands_out(healthy_trace: Trace, slow: float, said: str) -> None:
    operations = operations_of([5.0 + i % 3 for i in range(40)] + [slow] * 10)
    timed, none = timed_operations(operations), timed_commands(commands_of([], []))
    members = pd.DataFrame({name: [None] * 50 for name in GROUPED}, index=operations["operation"])
    made = groups(timed, members.assign(host=["kvm1"] * 40 + ["kvm2"] * 10))
    empty = stalls(ledger_of([]), operations, NO_SILENCE)
    shown = view(Fleet(made, command_times(none), empty, changes(timed, none).iloc[:0]), {}, Log(healthy_trace))
    assert len(shown.said) == 1
    assert shown.said[0].startswith(said)
    assert [[row.css for row in table.rows] for table in shown.groups] == [["odd", ""] if slow > 6 else ["", ""]]


def test_an_operation_has_one_host_pool_router_template_and_account(samples: Path) -> None:
    trace = read_trace([str(samples / "4.18" / "a-healthy" / "management-server.log")])
    made = membership(trace, timed_commands(trace.commands), load_members(grammars())).loc["job-16"].to_dict()
    assert made["account"] == "alice"
    assert made["pool"] == "pool 1"  # 4.18 never prints its name
    assert made["router"] == "r-4-VM"
    assert made["hour"] == "11-22 16:50"
    assert made["template"] == "CentOS 5.6 (64-bit) no GUI (Simulator)" or "-" in made["template"]
    assert made["host"] in set(trace.commands["host_name"])


def test_no_operation_at_all_is_compared_without_a_word(healthy_trace: Trace) -> None:
    empty = dataclasses.replace(healthy_trace, operations=healthy_trace.operations.iloc[:0])
    made: Fleet = fleet(empty)
    assert (len(made.groups), len(made.stalls)) == (0, 0)


def test_members_are_linted() -> None:
    statements = load_messages(grammars()).meanings
    members = load_members(grammars())
    assert list(check_members(members, statements)) == []
    wrong = members[0]._replace(statements=("no_such",), by="planet", samples=({"text": "x", "id": 1},))
    assert len(list(check_members([wrong], statements))) == 3


@pytest.mark.parametrize("by", BY)
def test_operations_by(by: str, healthy_trace: Trace) -> None:
    rows = json.loads(grouped_text(healthy_trace, by, None, True))
    assert len(grouped_text(healthy_trace, by, None, False).splitlines()) == 1 + len(rows)
    assert json.loads(grouped_text(healthy_trace, by, 1, True)) == rows[:1]
    if by == "command":
        counts = healthy_trace.operations["command"].fillna("unknown command").value_counts().to_dict()
        assert {row["name"]: row["count"] for row in rows} == counts


def test_by_at_the_command_line(healthy: Path) -> None:
    shown = CliRunner().invoke(cli, ["operations", str(healthy), "--by", "account"])
    assert shown.exit_code == 0
    assert "admin" in shown.output
    assert CliRunner().invoke(cli, ["operations", str(healthy), "--by", "planet"]).exit_code == 2


def test_what_is_under_way_without_an_end_counts_as_under_way() -> None:
    operations = busy(3).assign(completed=[DAY + pd.Timedelta(seconds=5), pd.NaT, DAY + pd.Timedelta(minutes=1)])
    silence = SimpleNamespace(start=DAY + pd.Timedelta(seconds=6), end=DAY + pd.Timedelta(seconds=12), first=1, last=2)
    (row,) = stalls(ledger_of([]), operations, pd.DataFrame([vars(silence)])).to_dict("records")
    assert row["names"] == ["job-1", "job-2"]
