"""apilog.log joined to the requests: the uuid of the job that a request submitted, who asked, whose lines these are.

The line is written by the request's thread under its context, into another file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.jobs import SHORT, submitted_jobs
from tracekit.build.mentions import with_records
from tracekit.frames import look_up
from tracekit.parse.events import Events

KEY = ["thread", "ctx"]
WHOLE = 36  # characters of a uuid


def logged_requests(records: pd.DataFrame, events: Events, requests: pd.DataFrame) -> pd.DataFrame:
    """Lines of apilog with record, run of their request, UUID, USER, ACCOUNT; without those of no request."""
    rows = with_records(events.meant("request.logged"), ("UUID", "USER", "ACCOUNT"), records, *KEY)
    if rows.empty:  # as it is where apilog was not given
        return rows.assign(run=np.empty(0, dtype=np.int64))
    runs = requests.reset_index()[[*KEY, "run"]].dropna().drop_duplicates(KEY, keep=False)
    made = rows.astype({"thread": "str"}).merge(runs.astype({"thread": "str"}), on=KEY, how="inner")
    return made.drop_duplicates("run")


def with_uuids(jobs: pd.DataFrame, logged: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """`jobs` with the whole uuid where the server's log has only its beginning, the logid, or nothing of it."""
    if logged.empty:
        return jobs
    submits = submitted_jobs(happened)
    told = logged.dropna(subset=["UUID"]).assign(job=lambda rows: look_up(rows["run"], submits))
    by_job = told.dropna(subset=["job"]).drop_duplicates("job").set_index("job")["UUID"]
    whole = look_up(jobs["job"].astype("Int64"), by_job)
    short = jobs["uuid"].isna() | (jobs["uuid"].str.len() < WHOLE)
    agrees = jobs["uuid"].isna() | (whole.str[:SHORT] == jobs["uuid"].str[:SHORT])
    uuid = jobs["uuid"].where(~(short & whole.notna() & agrees), whole)
    return jobs.assign(uuid=uuid.astype(jobs["uuid"].dtype))


def logged_operations(logged: pd.DataFrame, of_run: pd.Series[Any]) -> pd.Series[Any]:
    """Operation of each record that is a line of apilog."""
    return look_up(logged["run"], of_run).set_axis(pd.Index(logged["record"])).dropna().astype("object")


def with_callers(table: pd.DataFrame, logged: pd.DataFrame) -> pd.DataFrame:
    """Operations that have a job with user and account where the server's log does not tell them."""
    if logged.empty:
        return table
    by_run = logged.set_index("run")
    user = look_up(table["run"], by_run["USER"]).astype("object").map(str, na_action="ignore")
    account = "account " + look_up(table["run"], by_run["ACCOUNT"]).astype("object").map(str, na_action="ignore")
    job = table["job"].notna()
    return table.assign(
        user=table["user"].where(table["user"].notna() | ~job, user),
        account=table["account"].where(table["account"].notna() | ~job, account),
    )
