"""Async jobs: what each was, when it was submitted, queued, taken, begun and ended, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tracekit.frames import firsts, joint, numbers_of
from tracekit.parse.events import Events
from tracekit.schema import JOBS, check, frame

MEANINGS = (
    "job.submit",
    "job.queue",
    "job.dequeue",
    "job.schedule",
    "job.add",
    "job.execute",
    "job.work",
    "job.complete",
    "job.update",
    "job.cancel",
    "job.remove",
    "job.attach",
)
COLUMNS = (
    *("JOB", "ORIGIN", "UUID", "CLASS", "VM", "INSTANCE", "INSTANCE_TYPE"),
    *("QUEUE", "QUEUE_ITEM", "STATUS", "RESULT_CODE"),
)
# What says that a job is over, the nearest to the database first; at level INFO there is only the last.
ENDS = ("job.update", "job.complete", "job.cancel", "job.remove")
# Up to 4.2 the number of a status is printed, later its name.
SHORT = 8  # digits of a job's uuid that its logid has
STATUS: Mapping[str, str] = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "1": "succeeded",
    "2": "failed",
}


def job_events(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Events about jobs with what their records say: ts, thread, ctx, run, and the context's own job as `in_job`."""
    made = events.meaning(*MEANINGS, columns=COLUMNS)
    said = records.loc[made["record"], ["ts", "thread", "ctx", "run", "origin", "job", "logid", "life"]]
    said = said.rename(columns={"origin": "in_origin", "job": "in_job"}).set_index(made.index)
    made = made.join(said)
    # What a job's own thread prints need not name the job: its context does.
    return made.assign(JOB=made["JOB"].fillna(made["in_job"]))


def build_jobs(records: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """The jobs table; `operation`, `server` and `error` are filled in later. Pseudo jobs are not in it.

    `scheduled` is when the queue gave the job away. The heartbeat takes several items at once and only then says so,
    one after the other (AsyncJobManagerImpl, all releases): the first statement of a tick holds for all of them.
    """
    by = {word: rows.drop_duplicates("JOB").set_index("JOB") for word, rows in happened.groupby("means")}
    last = happened.drop_duplicates(["means", "JOB"], keep="last")
    empty = happened.iloc[:0].set_index("JOB")
    first = {word: by.get(word, empty) for word in MEANINGS}
    ended = {word: last[last["means"] == word].set_index("JOB") for word in ENDS}

    # A job of which the file has but a few lines of its thread is one, too.
    known = pd.concat([happened["JOB"], records["job"]]).dropna().unique()
    index = pd.Index(sorted(known), dtype="Int64", name="job")
    made = pd.DataFrame(index=index)
    made["origin"] = origins(records, first).reindex(index)
    named = [first[word] for word in ("job.submit", "job.execute", "job.work")]
    for column in ("UUID", "CLASS", "VM"):
        made[column] = coalesce([rows[column] for rows in named], index)
    queue = first["job.queue"]
    of_vm = queue["QUEUE_ITEM"].where(queue["QUEUE"] == "VmWorkJobQueue")
    # What waits for a VM is a work job, also where no line tells for whom it works.
    made["kind"] = (made["origin"].notna() | of_vm.reindex(index).notna()).map({True: "work", False: "api"})
    made["vm"] = coalesce([made["VM"], of_vm], index)
    made["submitted"] = coalesce([first["job.submit"]["ts"], queue["ts"]], index)
    made["queued"] = queue["ts"].reindex(index)
    made["scheduled"] = coalesce([dequeued(happened), first["job.schedule"]["ts"]], index)
    made["started"] = coalesce([first["job.execute"]["ts"], first["job.add"]["ts"]], index)
    made["completed"] = coalesce([ended[word]["ts"] for word in ENDS], index)
    made["status"] = statuses(made, ended)
    made["result_code"] = ended["job.complete"]["RESULT_CODE"].reindex(index)
    made["uuid"] = coalesce([made["UUID"], short_uuids(records, happened)], index)
    made = made.rename(columns={"CLASS": "command"}).reset_index()
    return check(frame(JOBS, {name: made[name] for name in JOBS if name in made}), JOBS, "jobs")


def coalesce(columns: list[pd.Series[Any]], index: pd.Index[Any]) -> pd.Series[Any]:
    """For each job the first of `columns` that knows."""
    made = columns[0].reindex(index)
    for column in columns[1:]:
        made = made.fillna(column.reindex(index))
    return made


def origins(records: pd.DataFrame, first: Mapping[str, pd.DataFrame]) -> pd.Series[Any]:
    """Origin job of each work job: from the contexts it ran in, what it says of itself, or who queued it."""
    ran = records.loc[records["origin"].notna(), ["job", "origin"]].drop_duplicates("job").set_index("job")["origin"]
    said = first["job.work"]["ORIGIN"]
    # A job on an object of the API thread's choice has no parent; a VM's work job is queued by the job that waits.
    queued = first["job.queue"]
    asked = coalesce([queued["in_origin"], queued["in_job"]], queued.index)
    return coalesce([ran, said, asked], ran.index.union(said.index).union(queued.index))


def dequeued(happened: pd.DataFrame) -> pd.Series[Any]:
    """When each job was taken from its queue: the first dequeue statement of the same tick (thread and context)."""
    rows = happened[happened["means"] == "job.dequeue"]
    tick = rows.groupby(["thread", "ctx"], dropna=False, observed=True)["ts"].transform("min")
    return rows.assign(tick=tick).drop_duplicates("JOB").set_index("JOB")["tick"]


def short_uuids(records: pd.DataFrame, happened: pd.DataFrame) -> pd.Series[Any]:
    """First eight digits of each API job's uuid: the logid of its thread, but for the lying one of `Add job-N`."""
    own = (records["job"].notna() & records["origin"].isna() & records["logid"].notna()).to_numpy(copy=True)
    own[happened.loc[happened["means"] == "job.add", "record"]] = False
    said = records.loc[own, ["job", "logid"]]
    number = joint(numbers_of(said["job"]), said["logid"].cat.codes.to_numpy())
    counts = said.iloc[firsts(number)].assign(lines=np.bincount(number))
    first = counts.sort_values("lines", ascending=False, kind="stable").drop_duplicates("job")
    common = first.set_index("job")["logid"].sort_index()
    return common.where(common.str.len() == SHORT)


def statuses(jobs: pd.DataFrame, ended: Mapping[str, pd.DataFrame]) -> pd.Series[Any]:
    """How each job ended, in the words of schema.STATUS."""
    said = ended["job.complete"]["STATUS"].reindex(jobs.index).map(STATUS)
    cancelled = jobs.index.isin(ended["job.cancel"].index)
    made = said.astype("object").where(said.notna(), None)
    made[said.isna() & cancelled] = "cancelled"
    made[said.isna() & ~cancelled & jobs["completed"].notna()] = "unknown"
    made[made.isna() & (jobs["started"].notna() | jobs["submitted"].notna())] = "unfinished"
    return made.fillna("unknown")
