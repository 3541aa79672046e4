"""Spans of runs: API requests, jobs and work jobs, and the queues in which a job stood before it ran."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.operations import Drafts
from tracekit.build.spans import SpanRows, Told
from tracekit.frames import MISSING, NEVER, Numbers, figures, first_places, instants, numbers_of, objects

SHORTEST_QUEUE = 1000  # microseconds of a hand-over that is worth a span
ORDER = {"request": 0, "job": 1, "work": 2}
OF_RUN = ("run_kind", "operation", "job", "origin", "thread", "first", "last", "start")  # columns of runs
HAND_OVERS = ("submitted", "queued", "scheduled")  # times of a job


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that have a span, those of one operation together, parents before children; times in microseconds."""
    kind = runs["run_kind"].array
    order = np.array([*(ORDER.get(name, -1) for name in kind.categories), -1])[kind.codes]
    mine = np.flatnonzero(order >= 0)
    order, first = order[mine], runs["first"].to_numpy()[mine]
    operation, names = pd.factorize(runs["operation"].array[mine])
    begun = np.full(len(names) + 1, np.iinfo(np.int64).max)
    np.minimum.at(begun, operation, first)
    mine = mine[np.lexsort((first, order, np.where(operation < 0, first, begun[operation])))]
    return figures(runs, OF_RUN, mine)


def add_run_spans(
    rows: SpanRows,
    ordered: pd.DataFrame,
    calls: Numbers,
    requests: pd.DataFrame,
    jobs: pd.DataFrame,
    drafts: Drafts,
    ended: tuple[pd.DataFrame, pd.DataFrame],
) -> Numbers:
    """Add the span of each run of `ordered`, behind those of its job's queues; behind it are numbers for its `calls`.

    `ended` are the events that end requests and those that end jobs. Gives the spans' numbers.
    """
    asked = (ordered["run_kind"] == "request").to_numpy()
    queues = Queued.of(ordered, np.where(asked, -1, pd.Index(jobs["job"]).get_indexer(pd.Index(ordered["job"]))), jobs)
    own = 1 + queues.held + queues.taken
    many = own + calls
    behind = rows.reserve(int(many.sum())) + np.cumsum(many)
    span = behind - calls - 1
    parent = parents_of(ordered, span, asked, requests.index[requests["polled"].notna()])
    rows.add(
        of_requests(ordered[asked], span[asked], requests, names_of(requests, drafts), ends_of(ended[0])),
        of_jobs(ordered[~asked], (span[~asked], parent[~asked]), queues.at[~asked], jobs, ends_of(ended[1])),
        *queues.spans(ordered, behind - many, parent, jobs),
    )
    return span


def ends_of(said: pd.DataFrame) -> pd.Series[Any]:
    """The microsecond of the first event of each run."""
    run = numbers_of(said["run"])
    first = first_places(run)
    return pd.Series(instants(said["ts"])[first], index=run[first])


def parents_of(ordered: pd.DataFrame, span: Numbers, asked: npt.NDArray[np.bool_], polls: pd.Index[Any]) -> Numbers:
    """The span above each run, -1 for none: of a job its operation's request, of a work job the job it works for."""
    made = np.full(len(ordered), -1, dtype=np.int64)
    operation, names = pd.factorize(ordered["operation"])
    # Of several requests, which all come before their job, it is the last one's.
    main = np.full(len(names) + 1, -1, dtype=np.int64)
    submitted = np.flatnonzero(asked & (operation >= 0) & ~ordered.index.isin(polls))
    main[operation[submitted]] = span[submitted]
    made[~asked] = main[operation[~asked]]
    ran = np.flatnonzero(~asked)
    job = pd.Index(ordered["job"].to_numpy()[ran])
    first = ran[~job.duplicated()]
    work = np.flatnonzero((ordered["run_kind"] == "work").to_numpy())
    at = job[~job.duplicated()].get_indexer(pd.Index(ordered["origin"].to_numpy()[work]))
    above = np.append(first, len(ordered))[at]
    known = above < work
    made[work[known]] = span[above[known]]
    return made


def names_of(requests: pd.DataFrame, drafts: Drafts) -> pd.Series[Any]:
    """What each request asks for, by its run.

    A POST before 4.21 does not say so: the job that it submitted does.
    """
    run = np.concatenate([requests.index.to_numpy(dtype=np.int64), numbers_of(drafts.table["run"])])
    name = np.concatenate([objects(table["command"]) for table in (requests, drafts.table)])
    known = np.flatnonzero((run >= 0) & pd.notna(name))
    known = known[~pd.Index(run[known]).duplicated()]
    return pd.Series(name[known], index=run[known])


def of_requests(
    runs: pd.DataFrame, span: Numbers, requests: pd.DataFrame, names: pd.Series[Any], ends: pd.Series[Any]
) -> Told:
    """Spans of API requests, from START to END."""
    at = requests.index.get_indexer(runs.index)
    start = instants(requests["start_ts"])[at]
    cut_off = start == NEVER
    return Told.of(
        span,
        "request",
        names.reindex(runs.index, fill_value="API request").to_numpy(),
        objects(runs["operation"]),
        -1,
        np.where(cut_off, runs["start"], start),
        ends.reindex(runs.index, fill_value=NEVER).to_numpy(),
        [{"caller": caller} for caller in requests["start_IP"].array[at].tolist()],
        thread=objects(runs["thread"]),
        status=np.where(cut_off, "orphan", MISSING),
        first=runs["first"].to_numpy(),
        last=runs["last"].to_numpy(),
    )


def of_jobs(
    runs: pd.DataFrame, spans: tuple[Numbers, Numbers], at: Numbers, jobs: pd.DataFrame, ends: pd.Series[Any]
) -> Told:
    """Spans of jobs on their executor threads; `spans` and the ones above them, `at` their places in the table of
    jobs, -1 for none.
    """
    commands = [*jobs["command"].tolist(), None]
    numbers = runs["job"].tolist()
    status = np.append(objects(jobs["status"]), MISSING)[at]
    return Told.of(
        spans[0],
        objects(runs["run_kind"]),
        [job_name(commands[place], job) for place, job in zip(at.tolist(), numbers, strict=True)],
        objects(runs["operation"]),
        spans[1],
        runs["start"].to_numpy(),
        ends.reindex(runs.index, fill_value=NEVER).to_numpy(),
        [{"job": job} for job in numbers],
        thread=objects(runs["thread"]),
        status=np.where((status == "failed") | (status == "cancelled"), "error", MISSING),
        first=runs["first"].to_numpy(),
        last=runs["last"].to_numpy(),
    )


def job_name(command: Any, job: int) -> str:
    """What to call a job's span: the simple name of its command's class, where it is known."""
    return command.rpartition(".")[2] if isinstance(command, str) else f"job-{job}"


class Queued(NamedTuple):
    """Where each run's job stood before it ran: in the queue of its VM until the heartbeat took it, then with the
    executor until a thread was free. Times in microseconds.
    """

    at: Numbers  # its place in the table of jobs, -1 for none
    queued: Numbers
    scheduled: Numbers
    waits: Numbers  # from when on it was with the executor
    held: npt.NDArray[np.bool_]  # whether it was in a queue
    taken: npt.NDArray[np.bool_]  # and waited for a thread

    @classmethod
    def of(cls, ordered: pd.DataFrame, at: Numbers, jobs: pd.DataFrame) -> Queued:
        """For runs whose jobs are at these places in the table of jobs."""
        submitted, queued, scheduled = (np.append(instants(jobs[name]), NEVER)[at] for name in HAND_OVERS)
        held = (queued != NEVER) & (scheduled > queued)
        waits = np.where(held, scheduled, np.where(queued != NEVER, queued, submitted))
        taken = (waits != NEVER) & (ordered["start"].to_numpy() - waits >= SHORTEST_QUEUE)
        return cls(at, queued, scheduled, waits, held, taken)

    def spans(self, ordered: pd.DataFrame, first: Numbers, parent: Numbers, jobs: pd.DataFrame) -> tuple[Told, Told]:
        """The spans of both, numbered from `first` on for each run, below `parent`."""
        operation, numbers = objects(ordered["operation"]), ordered["job"].to_numpy()

        def told(some: npt.NDArray[np.bool_], span: Numbers, names: Any, begin: Numbers, end: Numbers) -> Told:
            attributes = [{"job": job} for job in numbers[some].tolist()]
            return Told.of(
                span[some], "queue", names, operation[some], parent[some], begin[some], end[some], attributes
            )

        vms = numbers_of(jobs["vm"])[self.at[self.held]].tolist()
        names = [f"VmWorkJobQueue.{vm}" if vm >= 0 else "sync queue" for vm in vms]
        in_queue = told(self.held, first, names, self.queued, self.scheduled)
        with_executor = told(self.taken, first + self.held, "executor", self.waits, ordered["start"].to_numpy())
        return in_queue, with_executor
