"""Where two joins are possible none is taken, the operation says so, and it is counted."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from generator.layouts import LAYOUTS
from generator.log import printed
from generator.operations import Deploy, deploy
from generator.reading import grammars_once, read
from generator.world import HOSTS, World


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


def world() -> World:
    return World(LAYOUTS["log4j2"], random.Random(5))


def test_an_ordinary_log_has_no_doubts() -> None:
    here = world()
    for turn in range(3):
        deploy(here, 1000 + 300 * turn, Deploy(waits=200, router=True))
    assert read(printed(here).data).operations["doubts"].isna().all()


def test_a_poll_that_two_jobs_fit_belongs_to_neither() -> None:
    here = World(LAYOUTS["logid"] if "logid" in LAYOUTS else LAYOUTS["log4j2"], random.Random(5))
    one, two = deploy(here, 1000, Deploy()), deploy(here, 30_000, Deploy())
    # Their details are not printed, so that of each uuid only the logid is known: the same for both.
    data = printed(here).data.replace(two.job.uuid[:8].encode(), one.job.uuid[:8].encode())
    kept = b"".join(
        line
        for line in data.splitlines(keepends=True)
        if b"submit async job" not in line and b"Executing AsyncJob" not in line
    )
    trace = read(kept)
    names = ["job-100", "job-102"]
    by_name = trace.operations.set_index("operation")
    assert by_name.loc[names, "client_seen"].isna().all()
    assert by_name.loc[names, "doubts"].str.contains("fits job-100 and job-102").all()
    assert "polls that two jobs fit" in set(trace.quality["counter"])


def test_a_sequence_number_of_two_hosts_is_not_guessed() -> None:
    here = world()
    here.seq = dict.fromkeys(HOSTS, 100)
    deploy(here, 1000, Deploy(waits=400, refusals=1))
    trace = read(printed(here).data)
    shared = trace.commands[trace.commands["seq"].duplicated(keep=False)]
    assert len(shared) == 2
    assert shared["sent"].isna().sum() == 1  # which of the two waited is not known; the other's line names its host
    (doubt,) = trace.operations["doubts"].dropna()
    assert "has the number of another host's command" in doubt
    assert trace.quality.set_index("counter")["count"]["sequence numbers of two hosts"] == 2


def test_requests_of_one_ctx_are_told_apart() -> None:
    here = world()
    first = here.sync(1000, "listZones")
    second = here.sync(90_000, "listPods")
    data = printed(here).data.replace(second.ctx.encode(), first.ctx.encode())
    assert read(data).operations["operation"].tolist() == [f"req-{first.ctx}", f"req-{first.ctx}#2"]
