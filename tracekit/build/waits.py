"""API jobs that wait for another operation's work job: CloudStack joins a request to a pending work job of its VM.

Nothing says so in the log; what says so is that the job stops in front of its queue without queueing anything, and
goes on when a work job of the same VM that was already pending ends (AsyncJobManagerImpl wakes all that joined it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.lines import Lines
from tracekit.build.spans import Told
from tracekit.build.tree import Tree
from tracekit.frames import NEVER, Numbers, instants, look_up, numbers_of, spread, stretches

WOKEN = 150_000  # microseconds after the work job's end within which a waiter goes on
SHORTEST = 20_000  # of a wait


class Wait(NamedTuple):
    """One job that waited for a work job that another operation had asked for."""

    job: int
    holder: int  # the work job
    first: int  # the waiter's records on both sides
    last: int


def find_waits(
    runs: pd.DataFrame, jobs: pd.DataFrame, happened: pd.DataFrame, lines: Lines, doubts: Doubts
) -> list[Wait]:
    """Waits of API jobs, each with the one work job that fits; where two fit, none is taken and it is counted."""
    number, origin, vm, queued, completed = (
        *(numbers_of(jobs[name]) for name in ("job", "origin", "vm")),
        *(instants(jobs[name]) for name in ("queued", "completed")),
    )
    is_work = (jobs["kind"] == "work").to_numpy()
    work = np.flatnonzero(is_work & (vm >= 0) & (queued != NEVER) & (completed != NEVER))
    of_run, job = numbers_of(look_up(runs["job"], vms_of(happened))), numbers_of(runs["job"])
    run, first, second = lines.pairs(SHORTEST)
    paused = np.flatnonzero((of_run[run] >= 0) & (runs["run_kind"] == "job").to_numpy()[run])
    run, first, second = run[paused], first[paused], second[paused]
    pause, ended = just_ended((of_run[run], lines.micros[second]), (vm[work], completed[work]))
    holder, waiter = work[ended], job[run[pause]]
    fits = np.flatnonzero((origin[holder] != waiter) & (queued[holder] <= lines.micros[first[pause]]))
    pause, holder = pause[fits], holder[fits]
    made: list[Wait] = []
    for low, high in zip(*stretches(pause[1:] == pause[:-1], len(pause)), strict=True):
        held, at = number[holder[low : high + 1]].tolist(), pause[low]
        if len(held) == 1:
            made.append(Wait(int(job[run[at]]), held[0], int(first[at]), int(second[at])))
            continue
        names = " or ".join(f"job-{other}" for other in held)
        length = (lines.micros[second[at]] - lines.micros[first[at]]) / 1_000_000
        said = f"{length:.3f} s may have waited for {names}"
        doubts.add("waits with two possible holders", [runs["operation"].array[run[at]]], said)
    return made


def vms_of(happened: pd.DataFrame) -> pd.Series[Any]:
    """The VM that each job is about, by job."""
    told = np.flatnonzero(happened["INSTANCE_TYPE"].to_numpy(dtype=object) == "VirtualMachine")
    job = numbers_of(happened["JOB"])[told]
    first = ~pd.Index(job).duplicated()
    return pd.Series(happened["INSTANCE"].array[told[first]], index=job[first])


def just_ended(paused: tuple[Numbers, Numbers], work: tuple[Numbers, Numbers]) -> tuple[Numbers, Numbers]:
    """Places of pauses and work jobs where one of the same VM ended at most WOKEN before the end of a pause; both are
    given by their VMs and ends.
    """
    vms, (_, completed), (_, end) = np.unique(work[0]), work, paused
    times = np.unique(completed)
    # A VM and a place in time as one number, whatever the times are.
    key = np.searchsorted(vms, work[0]) * (len(times) + 1) + np.searchsorted(times, completed)
    order = np.argsort(key, kind="stable")
    vm = pd.Index(vms).get_indexer(pd.Index(paused[0]))
    sorted_keys, first = key[order], vm * (len(times) + 1)
    low = np.searchsorted(sorted_keys, first + np.searchsorted(times, end - WOKEN))
    high = np.searchsorted(sorted_keys, first + np.searchsorted(times, end, side="right"))
    pause, within = spread(np.where(vm >= 0, high - low, 0))
    ended = order[low[pause] + within]
    both = np.lexsort((ended, pause))
    return pause[both], ended[both]


def add_waits(tree: Tree, waits: list[Wait], jobs: pd.DataFrame, lines: Lines) -> None:
    """A `wait` span for each, which names the holder."""
    origin: Mapping[int, Any] = dict(zip(jobs["job"].tolist(), jobs["origin"].tolist(), strict=True))
    first = np.array([wait.first for wait in waits], dtype=np.int64)
    last = np.array([wait.last for wait in waits], dtype=np.int64)
    parents, told = tree.of_record[first], tree.rows.told
    roots = tree.rows.roots(parents)
    tree.rows.add(
        Told.of(
            tree.rows.reserve(len(waits)) + np.arange(len(waits)),
            "wait",
            [f"job-{wait.holder} of job-{origin[wait.holder]}" for wait in waits],
            told.operation[roots],
            parents,
            lines.micros[first],
            lines.micros[last],
            [{"holder": wait.holder} for wait in waits],
            thread=told.thread[roots],
            first=first,
            last=last,
        )
    )
