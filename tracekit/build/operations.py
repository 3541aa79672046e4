"""Operations: what a user asked for, with everything that was done for it, whichever thread did it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.jobs import SHORT
from tracekit.build.model import Model
from tracekit.frames import Numbers, Small, firsts, instants, joint, look_up, numbers_of
from tracekit.quality import Collector

LAST_READ = np.timedelta64(2, "ms")  # before its end a poll reads the job's row for the last time


@dataclass(frozen=True)
class Drafts:
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
    root = jobs.set_index("job")["origin"]
    root = root.fillna(pd.Series(root.index, index=root.index))
    submits = happened[happened["means"] == "job.submit"].drop_duplicates("run").set_index("run")["JOB"]
    asked = requests[requests["polled"].isna()].copy()
    asked["job"] = submits.reindex(asked.index).astype("Int64")
    asked["operation"] = request_names(asked)
    of_job = "job-" + root.astype("Int64").astype("str")
    pseudo = runs["origin"].dropna().unique()
    of_job = pd.concat([of_job, pd.Series([f"job-{job}" for job in pseudo], index=pseudo, dtype="str")])
    of_job = of_job[~of_job.index.duplicated()]
    of_run = look_up(runs["origin"].fillna(runs["job"]), of_job)
    of_run = of_run.where(of_run.notna(), asked["operation"].reindex(of_run.index))
    table = table_of(asked, jobs, of_run, of_job, runs, model)
    polls = polls_of(requests, table, jobs, doubts, quality)
    doubt_origins(runs, of_job, doubts)
    of_run = of_run.where(of_run.notna(), polls["operation"].reindex(of_run.index))
    return Drafts(with_polls(table, polls), of_run, of_job)


def request_names(asked: pd.DataFrame) -> pd.Series[Any]:
    """The operation of each request: of the job that it submitted, else its own, numbered where its `ctx-` repeats.

    Up to 4.2 threads have no `ctx-`: there it is called after its thread.
    """
    ctx, thread = (asked[name].astype("object").astype("str") for name in ("ctx", "thread"))
    own = "req-" + ctx.fillna(thread)
    names = ("job-" + asked["job"].astype("object").astype("str")).where(asked["job"].notna(), own)
    times = names.groupby(names).cumcount() + 1
    return names.where(times == 1, names + "#" + times.astype("str"))


def doubt_origins(runs: pd.DataFrame, of_job: pd.Series[Any], doubts: Doubts) -> None:
    """Work jobs whose contexts name more than one job that they work for."""
    pairs = runs.loc[runs["origin"].notna(), ["job", "origin"]].drop_duplicates()
    for job, part in pairs[pairs["job"].duplicated(keep=False)].groupby("job"):
        names = " and ".join(f"job-{origin}" for origin in part["origin"])
        doubts.add(
            "work jobs of two operations", look_up(part["origin"], of_job), f"job-{job} says that it works for {names}"
        )


def table_of(
    asked: pd.DataFrame,
    jobs: pd.DataFrame,
    of_run: pd.Series[Any],
    of_job: pd.Series[Any],
    runs: pd.DataFrame,
    model: Model,
) -> pd.DataFrame:
    """One row an operation: the request's side, then the side of its topmost job."""
    side = asked.reset_index().set_index("operation")
    # Of some jobs other threads alone speak: a restart cancels what was left.
    named = pd.concat([of_run.dropna(), look_up(jobs["job"], of_job).dropna()])
    made = pd.DataFrame(index=pd.Index(named.unique(), name="operation"))
    made["run"] = side["run"].reindex(made.index).astype("Int64")
    made["job"] = pd.Series([number(name) for name in made.index], index=made.index, dtype="Int64")
    # A nullable index: evenly spaced numbers become a range otherwise, in which no null can be looked for.
    top = jobs.set_index(pd.Index(jobs["job"], dtype="Int64")).reindex(made["job"]).set_index(made.index)
    first = runs.assign(operation=of_run).groupby("operation")["start"].min()
    made["submitted"] = side["start_ts"].reindex(made.index).fillna(first)
    made["returned"] = side["end_ts"].reindex(made.index)
    for name in ("uuid", "queued", "started", "completed"):
        made[name] = top[name]
    # A job's own queue (a volume, a network) or the executor: from submit until its thread took it.
    made["queued"] = made["queued"].fillna(top["submitted"])
    made.loc[made["job"].isna(), "completed"] = made["returned"]
    made["command"] = side["command"].reindex(made.index).astype("str").fillna(top["command"].map(model.api_commands))
    made["caller"] = side["start_IP"].reindex(made.index).astype("str")
    made["asked_name"] = side["name"].reindex(made.index).astype("str")
    made["status"] = top["status"].astype("object")
    returned = made["job"].isna() & made["returned"].notna()
    made.loc[returned, "status"] = "succeeded"
    made["status"] = made["status"].fillna("unknown")
    made.loc[made["job"].isna() & made["returned"].isna(), "status"] = "unfinished"
    return made


def number(operation: str) -> int | None:
    """The job of `job-43`; None for a request without a job."""
    return int(operation.removeprefix("job-")) if operation.startswith("job-") else None


def polls_of(
    requests: pd.DataFrame, table: pd.DataFrame, jobs: pd.DataFrame, doubts: Doubts, quality: Collector
) -> pd.DataFrame:
    """Requests that ask how a job is doing, with the operation they ask about; null where the log has no such job."""
    polls = requests[requests["polled"].notna()]
    asked: dict[str, list[str]] = {}
    for job, uuid in zip(jobs["job"].tolist(), jobs["uuid"].tolist(), strict=True):
        if isinstance(uuid, str) and f"job-{job}" in table.index:
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
    rows = polls.dropna(subset=["operation", "end_ts"]).sort_values("end_ts")
    # A poll reads the job's row just before it answers: of those that were under way when the row was written, the
    # measured ones saw it where they ended 3 ms later and missed it where they ended 1 ms later.
    done = table["completed"].reindex(rows["operation"]).to_numpy()
    seen = rows[rows["end_ts"].to_numpy() - LAST_READ >= done].drop_duplicates("operation")
    seen = seen.reset_index().set_index("operation")
    return table.assign(
        client_seen=seen["end_ts"].reindex(table.index), seen_run=seen["run"].reindex(table.index).astype("Int64")
    )


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
    made = records[["run_kind", "life", "thread", "job", "origin", "ctx"]].iloc[first]
    made = made.set_axis(pd.Index(np.arange(len(first)), name="run"))
    times = {"start": start.view("datetime64[us]"), "end": end.view("datetime64[us]")}
    return made.assign(first=first, last=last, **times)


@dataclass(frozen=True)
class Assigned:
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
