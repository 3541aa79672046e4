"""What is rebuilt from a log equals what was printed: jobs, parents, status, times, commands, requests, polls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from generator import compare
from generator.invariants import broken
from generator.layouts import LAYOUTS, OTHERS
from generator.log import Damage, printed
from generator.operations import Deploy, deploy
from generator.plan import KINDS, Plan, Step, plans
from generator.reading import grammars_once, read
from generator.world import World

few = settings(
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


def check(plan: Plan) -> None:
    """Everything that a log tells, against what was played."""
    log = plan.log()
    trace = read(log.data)
    assert compare.rebuilt_jobs(trace) == compare.printed_jobs(log.truth)
    assert compare.rebuilt_operations(trace, log.truth) == compare.printed_operations(log.truth)
    assert compare.rebuilt_commands(trace) == compare.printed_commands(log.truth)
    assert broken(trace, len(log.data)) == []


def test_every_dialect_of_a_management_server_is_printed(root: Path) -> None:
    dialects = {path.stem for path in (root / "grammars" / "dialects").glob("*.toml")}
    others = {dialect for group in OTHERS.values() for dialect in group}
    assert dialects - others <= set(LAYOUTS), "add the new layout to tests/generator/layouts.py"


@pytest.mark.parametrize(("layout", "direct"), [(layout, number % 2 == 0) for number, layout in enumerate(LAYOUTS)])
def test_every_kind_of_operation(layout: str, direct: bool) -> None:
    how = Deploy(router=True, refusals=1, second=True, waits=700)
    check(Plan(layout, tuple(Step(kind, 300, how) for kind in (*KINDS, "same vm")), direct))


@given(plans(least=2, most=8))
@settings(few, max_examples=6)
def test_any_mixture(plan: Plan) -> None:
    check(plan)


@given(plans(least=2, most=6, cut=True))
@settings(few, max_examples=8)
def test_a_log_whose_beginning_or_end_is_missing(plan: Plan) -> None:
    check(plan)


@given(plans(least=2, most=5, killed=True))
@settings(few, max_examples=6)
def test_a_server_that_is_killed_and_started_again(plan: Plan) -> None:
    check(plan)


@given(plans(least=2, most=5), st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)))
@settings(few, max_examples=3)
def test_one_file_or_the_same_in_three(plan: Plan, cuts: tuple[float, float]) -> None:
    log = plan.log()
    assert compare.tables(read(*log.parts(cuts))) == compare.tables(read(log.data))


@pytest.mark.parametrize("layout", ["log4j1", "log4j2"])
def test_ten_deploys_at_once_are_ten_trees(layout: str) -> None:
    world = World(LAYOUTS[layout], random.Random(layout), direct=layout == "log4j1")
    played = [
        deploy(
            world,
            1000 + 40 * number,
            Deploy(
                router=number % 4 == 0,
                refusals=number % 3,
                second=number == 7,
                fails=number == 9,
                waits=600 * (number % 2),
                took=400 + 300 * number,
            ),
            late=3 * number - 4,
        )
        for number in range(10)
    ]
    log = printed(world, Damage(jitter=20))
    trace = read(log.data)
    assert list(trace.operations["operation"]) == [operation.operation for operation in played]
    for operation in played:
        name = operation.operation
        assert compare.tables(trace, name) == compare.tables(read(log.only(name)), name), name
