"""Which records belong together: server lives, and runs, the stretches of one thread's work.

A *run* is one API request, one job or work job on its executor thread, or whatever else a thread did under one
context. Its key is (server life, thread, first `ctx-`, job path); a request's START and a job's `Add job-N` begin a
new one. Thread names, job ids and sequence numbers begin anew when a server does, so a life is part of every key.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracekit.frames import joint, numbers_of
from tracekit.parse.events import Events

KINDS = ("job", "other", "request", "work")
ONE_START = 50  # records within which statements of a server's start belong to the same one


def add_lives(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `life`: a number for each stretch of a program's running, from one of its starts to the next.

    Several servers, and the other programs whose logs were given, have lives of their own.
    """
    who = records.groupby(["server", "component"], sort=False, observed=True, dropna=False).ngroup()
    starts = events.meaning("server.start", columns=())["record"]
    # A start prints several such statements, of which a torn line may hide the first.
    again = starts.groupby(who.loc[starts].to_numpy()).diff() < ONE_START
    begins = pd.Series(0, index=records.index)
    begins.loc[starts[~again]] = 1
    turn = begins.groupby(who).cumsum()
    life = pd.DataFrame({"who": who, "turn": turn}).groupby(["who", "turn"], sort=False).ngroup()
    return records.assign(life=life)


def add_runs(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `run` (int64, numbered by first record) and `run_kind` {request, job, work, other}."""
    begins = np.zeros(len(records), dtype=np.int64)
    begins[events.meaning("request.start", "job.add", columns=())["record"]] = 1
    key = joint(
        records["life"].to_numpy(),
        records["thread"].cat.codes.to_numpy(),
        records["ctx"].cat.codes.to_numpy(),
        numbers_of(records["origin"]),
        numbers_of(records["job"]),
    )
    run = pd.Series(joint(key, pd.Series(begins).groupby(key).cumsum().to_numpy()), index=records.index)
    made = records.assign(run=run)
    job, other, request, work = range(len(KINDS))
    kind = np.where(records["origin"].notna(), work, np.where(records["job"].notna(), job, other)).astype(np.int8)
    requests = np.zeros(int(run.max() if len(run) else -1) + 1, dtype=np.bool_)
    requests[run[events.meaning("request.start", "request.end", columns=())["record"]]] = True
    kind[requests[run] & records["job"].isna().to_numpy()] = request
    return made.assign(run_kind=pd.Categorical.from_codes(kind, pd.Index(KINDS, dtype="str")))
