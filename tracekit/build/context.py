"""Which records belong together: server lives, and runs, the stretches of one thread's work.

A *run* is one API request, one job or work job on its executor thread, or whatever else a thread did under one
context. Its key is (server life, thread, first `ctx-`, job path); a request's START and a job's `Add job-N` begin a
new one. Thread names, job ids and sequence numbers begin anew when a server does, so a life is part of every key.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import Numbers, joint, numbers_of, stretches
from tracekit.parse.events import Events

KINDS = ("job", "other", "request", "work")
ONE_START = 50  # records within which statements of a server's start belong to the same one


def add_lives(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `life`: a number for each stretch of a program's running, from one of its starts to the next.

    Several servers, and the other programs whose logs were given, have lives of their own.
    """
    who = joint(*(records[name].array.codes for name in ("server", "component")))
    starts = events.meant("server.start").records
    # A start prints several such statements, of which a torn line may hide the first.
    order = np.argsort(who[starts], kind="stable")
    ordered = starts[order]
    again = np.zeros(len(starts), dtype=np.bool_)
    again[order[1:]] = (np.diff(who[ordered]) == 0) & (np.diff(ordered) < ONE_START)
    return records.assign(life=joint(who, turns(who, starts[~again])))


def turns(key: Numbers, begins: Numbers) -> Numbers:
    """For each record how many of `begins`, which are records, came until then of those that have its key."""
    made = np.zeros(len(key), dtype=np.int64)
    made[begins] = 1
    if not key.any():
        return np.cumsum(made)
    # By stretches of records with one key: what came until the first of it, in it, and in those of its key before it.
    first, last = stretches(key[1:] == key[:-1], len(key))
    np.cumsum(made, out=made)
    before = np.append(0, made[last[:-1]])
    own = made[last] - before
    earlier = pd.Series(own).groupby(key[first]).cumsum().to_numpy() - own
    made += np.repeat(earlier - before, last - first + 1)
    return made


def flags(numbers: Numbers, key: Numbers) -> npt.NDArray[np.bool_]:
    """Which keys are one of these numbers."""
    known = np.zeros(int(key.max(initial=-1)) + 1, dtype=np.bool_)
    known[numbers] = True
    made: npt.NDArray[np.bool_] = known[key]
    return made


def add_runs(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `run` (int64, numbered by first record) and `run_kind` {request, job, work, other}."""
    begins = events.meant("request.start", "job.add").records
    key = joint(
        records["life"].to_numpy(),
        records["thread"].cat.codes.to_numpy(),
        records["ctx"].cat.codes.to_numpy(),
        numbers_of(records["origin"]),
        numbers_of(records["job"]),
    )
    run = joint(key, turns(key, begins))
    job, other, request, work = range(len(KINDS))
    has_job = records["job"].notna().to_numpy()
    kind = np.full(len(run), other, dtype=np.int8)
    kind[has_job] = job
    kind[records["origin"].notna().to_numpy()] = work
    edges = events.meant("request.start", "request.end").records
    kind[flags(run[edges], run) & ~has_job] = request
    return records.assign(run=run, run_kind=pd.Categorical.from_codes(kind, pd.Index(KINDS, dtype="str")))
