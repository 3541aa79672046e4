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
from tracekit.build.tree import Lines, Tree
from tracekit.frames import look_up, micros, rows, rows_by

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
    about = happened[happened["INSTANCE_TYPE"] == "VirtualMachine"].drop_duplicates("JOB").set_index("JOB")["INSTANCE"]
    work = jobs[(jobs["kind"] == "work") & jobs["vm"].notna() & jobs["completed"].notna()]
    of_vm = rows_by(work, "vm")
    api = runs[runs["run_kind"] == "job"]
    api = api.assign(vm=look_up(api["job"], about))
    made: list[Wait] = []
    for run in rows(api[api["vm"].isin(list(of_vm))]):
        others = [job for job in of_vm[int(run.vm)] if job.origin != run.job]
        if others:
            made += waits_of(run, others, lines, doubts)
    return made


def waits_of(run: Any, others: list[Any], lines: Lines, doubts: Doubts) -> list[Wait]:
    """Gaps of one run that begin while a foreign work job of its VM is pending and end when it does."""
    made = []
    own = lines.of_run[run.Index]
    for at in np.flatnonzero(np.diff(lines.micros[own]) >= SHORTEST).tolist():
        first, second = int(own[at]), int(own[at + 1])
        start, end = int(lines.micros[first]), int(lines.micros[second])
        fitting = [
            job
            for job in others
            if pd.notna(job.queued) and micros(job.queued) <= start and 0 <= end - micros(job.completed) <= WOKEN
        ]
        if len(fitting) == 1:
            made.append(Wait(int(run.job), int(fitting[0].job), first, second))
        elif fitting:
            held = " or ".join(f"job-{job.job}" for job in fitting)
            length = (end - start) / 1_000_000
            doubts.add("waits with two possible holders", [run.operation], f"{length:.3f} s may have waited for {held}")
    return made


def add_waits(tree: Tree, waits: list[Wait], jobs: pd.DataFrame, lines: Lines) -> None:
    """A `wait` span for each, which names the holder."""
    origin: Mapping[int, Any] = dict(zip(jobs["job"], jobs["origin"], strict=True))
    for wait in waits:
        parent = int(tree.of_record[wait.first])
        name = f"job-{wait.holder} of job-{origin[wait.holder]}"
        tree.rows.add(
            "wait",
            name,
            tree.rows.get(parent, "operation"),
            parent,
            lines.ts[wait.first],
            lines.ts[wait.last],
            thread=tree.rows.get(parent, "thread"),
            first=wait.first,
            last=wait.last,
            holder=wait.holder,
        )
