"""Operations: what a user asked for, with everything that was done for it, whichever thread did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.jobs import SHORT, submitted_jobs
from tracekit.build.mentions import coalesced
from tracekit.build.model import Model
from tracekit.build.spans import nullable
from tracekit.frames import (
    MISSING,
    NEVER,
    TEXTS,
    Numbers,
    Small,
    distinct,
    firsts,
    instants,
    joint,
    look_up,
    numbers_of,
    objects,
    taken,
)
from tracekit.quality import Collector
from tracekit.schema import NAME, listed

LAST_READ = 2000  # microseconds before its end that a poll reads the job's row for the last time


class Drafts(NamedTuple):
    """Operations as far as jobs and requests tell, and which run belongs to which."""

    table: pd.DataFrame  # indexed by operation id
    of_run: pd.Series[Any]  # run -> operation
    of_job: pd.Series[Any]  # job -> operation


def draft_operations(
    runs: pd.DataFrame,
    requests: pd.DataFrame,
    jobs: pd.DataFrame,
    happened: pd.DataFrame,
    model: Model,
    doubts: Doubts,
    quality: Collector,
) -> Drafts:
    """Join each request to the job it submitted, each job to its origin, each poll to the job it asks about."""
    of_job = topmost(jobs, runs)
    asked = requests[requests["polled"].isna()]
    job = look_up(asked.index.to_series(), submitted_jobs(happened))
    asked = asked.assign(job=job, operation=request_names(asked, numbers_of(job)))
    works_for = pd.Series(coalesced(runs["origin"].array, runs["job"].array), runs.index)
    of_run = with_others(look_up(works_for, of_job), asked["operation"])
    table = table_of(asked, jobs, of_run, of_job, runs, model)
    polls = polls_of(requests, table, jobs, doubts, quality)
    doubt_origins(runs, of_job, doubts)
    return Drafts(with_polls(table, polls), with_others(of_run, polls["operation"]), of_job)


def with_others(of_run: pd.Series[Any], others: pd.Series[Any]) -> pd.Series[Any]:
    """The operation of each run, where it is not known what `others` say."""
    said = taken(others, others.index.get_indexer(of_run.index))
    return pd.Series(coalesced(of_run.array, said), of_run.index)


def topmost(jobs: pd.DataFrame, runs: pd.DataFrame) -> pd.Series[Any]:
    """The operation of each job, and of those that only the contexts of other jobs name: the job that it works for."""
    job, origin = jobs["job"].to_numpy(), numbers_of(jobs["origin"])
    others = numbers_of(runs["origin"])
    others = distinct(others[(others >= 0) & ~np.isin(others, job)])
    root = np.concatenate([np.where(origin < 0, job, origin), others])
    names = pd.array([f"job-{number}" for number in root.tolist()], dtype=TEXTS)
    return pd.Series(names, index=np.concatenate([job, others]))


def request_names(asked: pd.DataFrame, jobs: Numbers) -> Any:
    """The operation of each request: of the job that it submitted, else its own, numbered where its `ctx-` repeats.

    Up to 4.2 threads have no `ctx-`: there it is called after its thread.
    """
    times: Counter[str] = Counter()
    made: list[str | None] = []
    for job, *own in zip(jobs.tolist(), *(objects(asked[name]).tolist() for name in ("ctx", "thread")), strict=True):
        name = f"job-{job}" if job >= 0 else next((f"req-{text}" for text in own if text is not None), None)
        if name is not None:
            times[name] += 1
        made.append(f"{name}#{times[name]}" if name is not None and times[name] > 1 else name)
    return pd.array(made, dtype=TEXTS)


def doubt_origins(runs: pd.DataFrame, of_job: pd.Series[Any], doubts: Doubts) -> None:
    """Work jobs whose contexts name more than one job that they work for."""
    job, origin = numbers_of(runs["job"]), numbers_of(runs["origin"])
    named = np.flatnonzero((origin >= 0) & (job >= 0))
    job, origin = (numbers[named[firsts(joint(job[named], origin[named]))]] for numbers in (job, origin))
    every, many = np.unique(job, return_counts=True)
    for number in every[many > 1].tolist():
        own = pd.Series(origin[job == number])
        names = " and ".join(f"job-{other}" for other in own)
        doubts.add("work jobs of two operations", look_up(own, of_job), f"job-{number} says that it works for {names}")


def table_of(
    asked: pd.DataFrame,
    jobs: pd.DataFrame,
    of_run: pd.Series[Any],
    of_job: pd.Series[Any],
    runs: pd.DataFrame,
    model: Model,
) -> pd.DataFrame:
    """One row an operation: the request's side, then the side of its topmost job."""
    # Of some jobs other threads alone speak: a restart cancels what was left.
    every = pd.concat([of_run, look_up(jobs["job"], of_job)]).dropna()
    names = pd.Index(every.unique(), name="operation")
    own = pd.Index(asked["operation"]).get_indexer(names)
    job = np.array([number(name) for name in names.tolist()], dtype=np.int64)
    top = pd.Index(jobs["job"]).get_indexer(pd.Index(job))
    # Of a request what it says, of the job what is told of it, each by operation.
    begun, returned, caller = (taken(asked[name], own) for name in ("start_ts", "end_ts", "start_IP"))
    asked_for, called = (np.append(objects(asked[name]), MISSING)[own].tolist() for name in ("command", "name"))
    uuid, submitted, queued, started, completed, ran, status = (
        taken(jobs[name], top) for name in ("uuid", "submitted", "queued", "started", "completed", "command", "status")
    )
    alone, answered = job < 0, ~returned.isna()
    completed[alone] = returned[alone]
    commands = (name or model.api_commands.get(cls) for name, cls in zip(asked_for, ran, strict=True))
    states = zip(alone.tolist(), answered.tolist(), objects(status).tolist(), strict=True)
    return pd.DataFrame(
        {
            "run": nullable(np.append(asked.index.to_numpy(dtype=np.int64), -1)[own]),
            "job": nullable(job),
            "submitted": coalesced(begun, first_starts(runs, names.get_indexer(pd.Index(of_run)), len(names))),
            "returned": returned,
            "uuid": uuid,
            # A job's own queue (a volume, a network) or the executor: from submit until its thread took it.
            "queued": coalesced(queued, submitted),
            "started": started,
            "completed": completed,
            "command": pd.array(list(commands), dtype=TEXTS),
            "caller": caller,
            "asked_name": pd.array(called, dtype=TEXTS),
            "status": listed(
                [
                    ("succeeded" if ended else "unfinished") if own_job else said or "unknown"
                    for own_job, ended, said in states
                ],
                NAME,
            ),
        },
        index=names,
    )


def first_starts(runs: pd.DataFrame, of_run: Numbers, operations: int) -> Any:
    """When the first run of each operation began; `of_run` is the number of each run's operation, -1 for none."""
    start, last = instants(runs["start"]), np.iinfo(np.int64).max
    made = np.full(operations, last)
    known = (of_run >= 0) & (start != NEVER)
    np.minimum.at(made, of_run[known], start[known])
    return pd.array(np.where(made == last, NEVER, made).view("datetime64[us]"))


def number(operation: str) -> int:
    """The job of `job-43`; -1 for a request without a job."""
    return int(operation.removeprefix("job-")) if operation.startswith("job-") else -1


def polls_of(
    requests: pd.DataFrame, table: pd.DataFrame, jobs: pd.DataFrame, doubts: Doubts, quality: Collector
) -> pd.DataFrame:
    """Requests that ask how a job is doing, with the operation they ask about; null where the log has no such job."""
    polls = requests[requests["polled"].notna()]
    asked: dict[str, list[str]] = {}
    known = set(table.index.tolist())
    for job, uuid in zip(jobs["job"].tolist(), jobs["uuid"].tolist(), strict=True):
        if isinstance(uuid, str) and f"job-{job}" in known:
            asked.setdefault(uuid, []).append(f"job-{job}")
    found: list[str | None] = []
    for uuid in map(str, polls["polled"].tolist()):
        # Of some jobs only the first eight digits are known, which another job may share.
        names = asked.get(uuid) or asked.get(uuid[:SHORT], [])
        found.append(names[0] if len(names) == 1 else None)
        if len(names) > 1:
            doubts.add("polls that two jobs fit", names, f"a poll for {uuid[:SHORT]} fits {' and '.join(names)}")
    polls = polls.assign(operation=pd.Series(found, index=polls.index, dtype="str"))
    lost = polls["operation"].isna()
    if lost.any():
        quality.add(
            "polls for a job that the log does not show",
            "note",
            int(lost.sum()),
            example=str(polls.loc[lost, "polled"].iloc[0]),
        )
    return polls


def with_polls(table: pd.DataFrame, polls: pd.DataFrame) -> pd.DataFrame:
    """Add `client_seen` and `seen_run`: the end of the first poll that could see the job's end."""
    of, end = table.index.get_indexer(pd.Index(polls["operation"])), instants(polls["end_ts"])
    rows = np.flatnonzero((of >= 0) & (end != NEVER))
    rows = rows[np.argsort(end[rows], kind="stable")]
    # A poll reads the job's row just before it answers: of those that were under way when the row was written, the
    # measured ones saw it where they ended 3 ms later and missed it where they ended 1 ms later.
    done = instants(table["completed"])[of[rows]]
    rows = rows[(done != NEVER) & (end[rows] - LAST_READ >= done)][::-1]
    first = np.full(len(table), -1, dtype=np.int64)
    first[of[rows]] = rows  # the one that comes last stays
    run = np.append(polls.index.to_numpy(dtype=np.int64), -1)[first]
    return table.assign(client_seen=taken(polls["end_ts"], first), seen_run=nullable(run))


def describe_runs(records: pd.DataFrame) -> pd.DataFrame:
    """One row a run: kind, life, thread, job, origin, ctx, first and last record and time."""
    run, ts = records["run"].to_numpy(), instants(records["ts"])
    first = firsts(run)
    last = np.empty(len(first), dtype=np.int64)
    last[run] = np.arange(len(run))
    start, end = ts[first], ts[last]
    np.minimum.at(start, run, ts)
    np.maximum.at(end, run, ts)
    # The records of a run have the same of all these.
    said = ("run_kind", "life", "thread", "job", "origin", "ctx")
    made: dict[str, Any] = {name: records[name].array.take(first) for name in said}
    made |= {"first": first, "last": last, "start": start.view("datetime64[us]"), "end": end.view("datetime64[us]")}
    return pd.DataFrame(made, index=pd.Index(np.arange(len(first)), name="run"), copy=False)


class Assigned(NamedTuple):
    """The operation of each record, by number."""

    names: pd.Index[Any]
    codes: Small  # by record; -1: none

    def numbers(self, operations: pd.Series[Any]) -> Numbers:
        """The numbers of some operations, -1 for none."""
        return self.names.get_indexer(pd.Index(operations))

    def fill(self, records: npt.NDArray[Any], numbers: Numbers) -> None:
        """Give records that have none these operations; of several for one record it has the first."""
        free = np.flatnonzero((numbers >= 0) & (self.codes[records] < 0))[::-1]
        self.codes[records[free]] = numbers[free]

    def column(self) -> pd.Categorical:
        """The names of the operations, sorted, as a category."""
        used = np.flatnonzero(np.bincount(self.codes + 1, minlength=1)[1:])
        order = used[np.argsort(self.names[used].to_numpy(dtype=object), kind="stable")]
        places = np.full(len(self.names) + 1, -1, dtype=np.int32)
        places[order] = np.arange(len(order))
        names = pd.Index(self.names[order], dtype="str" if len(order) else "object")
        return pd.Categorical.from_codes(places[self.codes], names)


def assign_records(
    records: pd.DataFrame, drafts: Drafts, commands: pd.DataFrame, happened: Iterable[pd.DataFrame]
) -> Assigned:
    """Operation of each record: of its run; else of the command or the job that its statement names.

    A thread that executes a command inside the server (`DirectAgent-N`) has a context of its own: what it prints
    under that context belongs to the command's operation.
    """
    runs = records["run"].to_numpy()
    names = pd.Index(pd.concat([drafts.of_run, drafts.of_job]).dropna().unique())
    of_run = np.full(int(runs.max(initial=-1)) + 1, -1, dtype=np.int32)
    of_run[drafts.of_run.index.to_numpy()] = names.get_indexer(pd.Index(drafts.of_run))
    made = Assigned(names, of_run[runs])
    sent = look_up(commands["run"], drafts.of_run)
    alone = (records["run_kind"] == "other").to_numpy() & records["ctx"].notna().to_numpy()
    for rows in happened:
        if "SEQ" in rows and rows["SEQ"].notna().any():
            known = of_sequences(rows, commands, made.numbers(sent))
        else:
            known = made.numbers(look_up(rows["JOB"], drafts.of_job))
        said = rows["record"].to_numpy()
        made.fill(said, known)
        ran = np.flatnonzero((rows["means"] == "command.begun").to_numpy() & (known >= 0))[::-1]
        if not len(ran):
            continue
        in_run = np.full(len(of_run), -1, dtype=np.int32)
        in_run[runs[said[ran]]] = known[ran]  # of the first
        rest = np.flatnonzero(alone)
        made.fill(rest, in_run[runs[rest]])
    return made


def of_sequences(rows: pd.DataFrame, commands: pd.DataFrame, operations: Numbers) -> Numbers:
    """The operation of the command of which each of `rows` has the sequence number; -1 where several have it."""
    life, sequence = (
        np.concatenate([numbers_of(table[name].astype("Int64")) for table in (commands, rows)])
        for name in ("life", "SEQ")
    )
    number = joint(life, sequence)
    own, asked = number[: len(commands)], number[len(commands) :]
    of = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int64)
    of[own] = np.where(sequence[: len(commands)] >= 0, operations, -1)
    of[np.bincount(own, minlength=len(of)) > 1] = -1
    made: Numbers = of[asked]
    return made
