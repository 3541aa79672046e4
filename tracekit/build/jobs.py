"""Async jobs: what each was, when it was submitted, queued, taken, begun and ended, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.mentions import Mentions, coalesced, with_records
from tracekit.frames import NEVER, Numbers, distinct, first_places, firsts, instants, joint, numbers_of, text_column
from tracekit.parse.events import Events
from tracekit.schema import NAME, listed

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
    columns = ("ts", "thread", "ctx", "run", "logid", "life")
    made = with_records(events.meant(*MEANINGS), COLUMNS, records, *columns, in_origin="origin", in_job="job")
    # What a job's own thread prints need not name the job: its context does.
    made["JOB"] = coalesced(made["JOB"].array, made["in_job"].array)
    return made


def submitted_jobs(happened: pd.DataFrame) -> pd.Series[Any]:
    """The first job that each run submitted, by run."""
    at = np.flatnonzero(happened["means"].to_numpy(dtype=object) == "job.submit")
    run = happened["run"].to_numpy()[at]
    first = first_places(run)
    return pd.Series(happened["JOB"].array[at[first]], index=run[first])


def build_jobs(records: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """Columns of the jobs table, but for `operation`, `server` and `error`. Pseudo jobs are not in it.

    `scheduled` is when the queue gave the job away. The heartbeat takes several items at once and only then says so,
    one after the other (AsyncJobManagerImpl, all releases): the first statement of a tick holds for all of them.
    """
    named, seen = numbers_of(happened["JOB"]), numbers_of(records["job"])
    # A job of which the file has but a few lines of its thread is one, too.
    jobs = distinct(np.concatenate([named, seen]))
    jobs = jobs[jobs >= 0]
    told = Mentions.of(happened, MEANINGS, of_jobs(jobs, named), len(jobs))
    ran = of_jobs(jobs, seen)

    submit, queue, execute = (told.first(f"job.{word}") for word in ("submit", "queue", "execute"))
    origin = coalesced(
        origins(records, ran, len(jobs)),
        told.said("ORIGIN", told.first("job.work")),
        # A job on an object of the API thread's choice has no parent; a VM's work job is queued by the job that waits.
        told.said("in_origin", queue),
        told.said("in_job", queue),
    )
    uuid, command, vm = (
        told.said(column, submit, execute, told.first("job.work")) for column in ("UUID", "CLASS", "VM")
    )
    waits = np.asarray(told.said("QUEUE", queue) == "VmWorkJobQueue", dtype=np.bool_)
    of_vm = told.said("QUEUE_ITEM", np.where(waits, queue, -1))
    submitted, started = told.said("ts", submit, queue), told.said("ts", execute, told.first("job.add"))
    completed = told.said("ts", *(told.last(word) for word in ENDS))
    made = {
        "job": jobs,
        "uuid": coalesced(uuid, short_uuids(records, told, ran, len(jobs))),
        "origin": origin,
        # What waits for a VM is a work job, also where no line tells for whom it works.
        "kind": listed(np.where(origin.isna() & of_vm.isna(), "api", "work").tolist(), NAME),
        "command": command,
        "vm": coalesced(vm, of_vm),
        "submitted": submitted,
        "queued": told.said("ts", queue),
        "scheduled": coalesced(dequeued(told), told.said("ts", told.first("job.schedule"))),
        "started": started,
        "completed": completed,
        "status": listed(statuses(told, ~completed.isna(), ~submitted.isna() | ~started.isna()), NAME),
        "result_code": told.said("RESULT_CODE", told.last("job.complete")),
    }
    return pd.DataFrame(made, copy=False)


def of_jobs(jobs: Numbers, numbers: Numbers) -> Numbers:
    """The place of each job number among the sorted `jobs`, -1 for none."""
    return np.where(numbers >= 0, np.searchsorted(jobs, numbers), -1)


def origins(records: pd.DataFrame, ran: Numbers, jobs: int) -> Any:
    """Origin job of each work job as the first context says in which it ran; `ran` is the job of each record."""
    rows = np.flatnonzero((ran >= 0) & records["origin"].notna().to_numpy())[::-1]
    at = np.full(jobs, -1)
    at[ran[rows]] = rows
    return records["origin"].array.take(at, allow_fill=True)


def dequeued(told: Mentions) -> Any:
    """When each job was taken from its queue: the first dequeue statement of the same tick (thread and context)."""
    rows = np.flatnonzero(told.codes == MEANINGS.index("job.dequeue"))
    tick = joint(*(told.events[name].array.codes[rows] for name in ("thread", "ctx")))
    times = instants(told.events["ts"])[rows]
    begun = np.full(int(tick.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(begun, tick[times != NEVER], times[times != NEVER])
    made = np.full(len(told.events) + 1, NEVER)  # of no row, which is the last, never
    made[rows] = np.where(times == NEVER, NEVER, begun[tick])
    return pd.array(made[told.first("job.dequeue")].astype("datetime64[us]"))


def short_uuids(records: pd.DataFrame, told: Mentions, ran: Numbers, jobs: int) -> Any:
    """First eight digits of each API job's uuid: the logid of its thread, but for the lying one of `Add job-N`."""
    logid = records["logid"].array
    own = (ran >= 0) & (records["origin"].isna() & records["logid"].notna()).to_numpy()
    own[told.events["record"].to_numpy()[told.codes == MEANINGS.index("job.add")]] = False
    rows = np.flatnonzero(own)
    number = joint(ran[rows], logid.codes[rows])
    rows = rows[firsts(number)]
    most = rows[np.argsort(-np.bincount(number), kind="stable")][::-1]
    codes = np.full(jobs, -1)
    codes[ran[most]] = logid.codes[most]
    names = [name if len(name) == SHORT else None for name in logid.categories.tolist()]
    return text_column(names, codes)


def statuses(told: Mentions, completed: npt.NDArray[np.bool_], began: npt.NDArray[np.bool_]) -> list[str]:
    """How each job ended, in the words of schema.STATUS."""
    said = told.said("STATUS", told.last("job.complete"))
    cancelled = told.last("job.cancel") >= 0
    return [
        STATUS.get(word) or ("cancelled" if gone else "unknown" if ended or not known else "unfinished")
        for word, gone, ended, known in zip(
            said.tolist(), cancelled.tolist(), completed.tolist(), began.tolist(), strict=True
        )
    ]
