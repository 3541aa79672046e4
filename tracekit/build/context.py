"""Which records belong together: server lives, and runs, the stretches of one thread's work.

A *run* is one API request, one job or work job on its executor thread, or whatever else a thread did under one
context. Its key is (server life, thread, first `ctx-`, job path); a request's START and a job's `Add job-N` begin a
new one. Thread names, job ids and sequence numbers begin anew when a server does, so a life is part of every key.
"""

from __future__ import annotations

import pandas as pd

from tracekit.parse.events import Events

ONE_START = 50  # records within which statements of a server's start belong to the same one


def add_lives(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `life`: a number for each stretch of a program's running, from one of its starts to the next.

    Several servers, and the other programs whose logs were given, have lives of their own.
    """
    who = records.groupby(["server", "component"], sort=False, observed=True, dropna=False).ngroup()
    starts = events.meaning("server.start")["record"]
    # A start prints several such statements, of which a torn line may hide the first.
    again = starts.groupby(who.loc[starts].to_numpy()).diff() < ONE_START
    begins = pd.Series(0, index=records.index)
    begins.loc[starts[~again]] = 1
    turn = begins.groupby(who).cumsum()
    life = pd.DataFrame({"who": who, "turn": turn}).groupby(["who", "turn"], sort=False).ngroup()
    return records.assign(life=life)


def add_runs(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`records` with `run` (int64, numbered by first record) and `run_kind` {request, job, work, other}."""
    begins = pd.Series(0, index=records.index)
    begins.loc[events.meaning("request.start", "job.add")["record"]] = 1
    key = pd.DataFrame(
        {
            "life": records["life"],
            "thread": records["thread"].cat.codes,
            "ctx": records["ctx"].fillna(""),
            "origin": records["origin"].fillna(-1),
            "job": records["job"].fillna(-1),
        }
    )
    key["turn"] = begins.groupby([key[name] for name in key], sort=False).cumsum()
    run = key.groupby(list(key), sort=False).ngroup()
    made = records.assign(run=run.astype("int64"))
    kind = pd.Series("other", index=records.index)
    kind[records["job"].notna()] = "job"
    kind[records["origin"].notna()] = "work"
    requests = run[events.meaning("request.start", "request.end")["record"]].unique()
    kind[run.isin(requests) & records["job"].isna()] = "request"
    return made.assign(run_kind=kind.astype("category"))
