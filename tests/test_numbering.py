"""Job numbers that begin anew in one log: each operation is what it is when its part is read alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pandas as pd
import pytest

from generator.layouts import LAYOUTS
from generator.log import Damage, printed
from generator.operations import Deploy, deploy, snapshot
from generator.reading import grammars_once, read
from generator.world import World
from tracekit.schema import COMMANDS, JOBS, LEDGER, RECORDS, check, check_spans
from tracekit.trace import Trace

DAY = 86_400_000
STARTED = b"2026-11-22 20:00:00,000 INFO  [o.a.c.ServerDaemon] (main:[]) (logid:) Server configuration file found: /x\n"


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


def log(seed: int, at: int, how: Deploy, jitter: int = 0) -> bytes:
    here = World(LAYOUTS["log4j2"], random.Random(seed))
    deploy(here, at, how)
    snapshot(here, at + 20_000, queued=True)
    return printed(here, Damage(jitter)).data


def without_detail(data: bytes) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if b" INFO " in line)


def said(trace: Trace, operations: list[str]) -> list[list[dict[str, object]]]:
    """What the tables say of these operations, but for names and numbers of rows."""
    made = []
    for name in ("operations", "jobs", "commands", "ledger", "spans"):
        table: pd.DataFrame = getattr(trace, name)
        rows = table[table["operation"].isin(operations)]
        kept = [
            column
            for column in rows
            if column not in ("operation", "span", "parent", "request", "first_record", "last_record")
        ]
        made.append(rows[kept].astype("object").where(rows[kept].notna(), None).to_dict("records"))
    return made


@pytest.mark.parametrize("between", [STARTED, b""], ids=["after a start of the server", "with nothing between"])
def test_a_job_number_that_comes_again_is_another_operation(between: bytes) -> None:
    one, two = log(5, 1000, Deploy(router=True)), log(6, DAY, Deploy(refusals=1))
    both, first, second = read(one + between + two), read(one), read(two)
    names = first.operations["operation"].tolist()
    again = [f"{name}#2" for name in names]
    assert names == second.operations["operation"].tolist() == ["job-100", "job-102"]
    assert both.operations["operation"].tolist() == [*names, *again]
    assert said(both, names) == said(first, names)
    assert said(both, again) == said(second, names)
    check(both.records, RECORDS, "records")
    check(both.jobs, JOBS, "jobs")
    check(both.commands, COMMANDS, "commands")
    check(both.ledger, LEDGER, "ledger")
    check_spans(both.spans)
    counted = both.quality.set_index("counter")["count"]
    assert counted["job numbers that begin anew"] == 1
    assert "installations that do not belong together" not in counted


def test_a_number_that_comes_a_third_time_is_counted_on() -> None:
    trace = read(log(5, 1000, Deploy()), log(6, DAY, Deploy()), log(7, 2 * DAY, Deploy()))
    first = [name for name in trace.operations["operation"] if name.startswith("job-100")]
    assert first == ["job-100", "job-100#2", "job-100#3"]
    assert trace.operations["wall"].notna().all()


def test_numbers_that_come_again_are_told_apart_at_level_info() -> None:
    one, two = (without_detail(log(seed, at, Deploy())) for seed, at in ((5, 1000), (6, DAY)))
    trace = read(one + STARTED + two)
    assert trace.operations["operation"].tolist() == ["job-100", "job-102", "job-100#2", "job-102#2"]


def test_a_log_of_one_database_is_not_divided() -> None:
    trace = read(log(5, 1000, Deploy(second=True), jitter=40))
    assert not trace.operations["operation"].str.contains("#").any()
    assert "job numbers that begin anew" not in set(trace.quality["counter"])
