"""What another core does beside this one is what would have been done here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from tracekit import beside as module
from tracekit.beside import LEAST, beside

two_cores = pytest.mark.skipif(
    not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2, reason="one core: there is no child"
)


def test_a_small_log_has_no_child() -> None:
    assert beside(os.getpid, LEAST - 1)() == os.getpid()


def test_one_core_has_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert beside(os.getpid, LEAST)() == os.getpid()


@two_cores
def test_a_large_log_has_a_child() -> None:
    result: Callable[[], tuple[int, bytes]] = beside(lambda: (os.getpid(), b"x" * 1_000_000), LEAST)
    process, large = result()
    assert process != os.getpid()
    assert len(large) == 1_000_000


@two_cores
def test_a_child_that_dies_costs_its_time_only() -> None:
    own = os.getpid()

    def work() -> str:
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    assert beside(work, LEAST)() == "done"


@two_cores
def test_an_error_is_that_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # the child's own word of it

    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        module.beside(work, LEAST)()
