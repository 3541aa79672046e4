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
from tracekit.build.spans import Told
from tracekit.build.tree import Lines, Tree
from tracekit.frames import Numbers, instants, look_up, spread

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
    work = jobs[(jobs["kind"] == "work") & jobs[["vm", "queued", "completed"]].notna().all(axis=1)]
    api = runs[runs["run_kind"] == "job"]
    paused = pauses(api.assign(vm=look_up(api["job"], about)), lines)
    pause, ended = just_ended(paused, work)
    found = paused.iloc[pause].reset_index(drop=True)
    holder = work.iloc[ended].reset_index(drop=True)
    foreign = (holder["origin"] != found["job"]).fillna(True)
    fits = foreign & (instants(holder["queued"]) <= found["start"])
    made: list[Wait] = []
    for _, fitting in found.assign(holder=holder["job"])[fits].groupby(["run", "first"], sort=False):
        held, row = fitting["holder"].tolist(), fitting.iloc[0]
        if len(held) == 1:
            made.append(Wait(int(row["job"]), held[0], int(row["first"]), int(row["second"])))
            continue
        names = " or ".join(f"job-{job}" for job in held)
        length = (row["end"] - row["start"]) / 1_000_000
        doubts.add("waits with two possible holders", [row["operation"]], f"{length:.3f} s may have waited for {names}")
    return made


def pauses(runs: pd.DataFrame, lines: Lines) -> pd.DataFrame:
    """Pairs of lines of these runs that lie SHORTEST or more apart, with what the table of runs says of each."""
    run, first, second = lines.pairs(SHORTEST)
    times = {"start": lines.micros[first], "end": lines.micros[second]}
    told = pd.DataFrame({"run": run, "first": first, "second": second, **times})
    return told.merge(runs[["job", "vm", "operation"]], left_on="run", right_index=True)


def just_ended(paused: pd.DataFrame, work: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """Rows of both tables where a work job of the same VM ended at most WOKEN before the end of a pause."""
    vms, completed = pd.Index(work["vm"].unique()), instants(work["completed"])
    times = np.unique(completed)
    # A VM and a place in time as one number, whatever the times are.
    key = vms.get_indexer(pd.Index(work["vm"])) * (len(times) + 1) + np.searchsorted(times, completed)
    order = np.argsort(key, kind="stable")
    vm = vms.get_indexer(pd.Index(paused["vm"]))
    end = paused["end"].to_numpy()
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
