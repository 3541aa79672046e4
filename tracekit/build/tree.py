"""The call tree of every operation: requests, queues, jobs, calls, commands, states, stages, waits as spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.calls import CallGraph, rebuild
from tracekit.build.operations import Drafts
from tracekit.build.spans import SpanRows
from tracekit.frames import rows
from tracekit.parse.grammar import Meaning

SHORTEST_QUEUE = np.timedelta64(1, "ms")  # of a hand-over that is worth a span
ORDER = {"request": 0, "job": 1, "work": 2}


@dataclass
class Lines:
    """What the tree asks of the records, as arrays by record number."""

    ts: npt.NDArray[np.datetime64]
    micros: list[int]
    event: list[str | None]
    method: list[str | None]  # Class.method of the statement
    of_run: Mapping[int, npt.NDArray[np.int64]]
    detailed: frozenset[int]  # runs that print at DEBUG: only there does silence between two lines say anything

    @classmethod
    def of(cls, records: pd.DataFrame, meanings: Mapping[str, Meaning]) -> Lines:
        """From the records table after `add_runs`."""
        event = records["event"].astype("object").where(records["event"].notna(), None).to_list()
        method = {name: meaning.where for name, meaning in meanings.items()}
        ts = records["ts"].to_numpy().astype("datetime64[us]")
        indices: Any = records.groupby("run").indices
        methods = [method.get(name) if name else None for name in event]
        detailed = frozenset(records.loc[records["level"].isin(["DEBUG", "TRACE"]), "run"].tolist())
        return cls(ts, ts.astype(np.int64).tolist(), event, methods, indices, detailed)


@dataclass
class Tree:
    """Spans under construction, and which span each record was written in."""

    rows: SpanRows
    of_record: npt.NDArray[np.int64]  # -1: in none
    of_run: dict[int, int] = field(default_factory=dict)


def build_tree(
    lines: Lines,
    runs: pd.DataFrame,
    drafts: Drafts,
    requests: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    happened: Mapping[str, pd.DataFrame],
    graph: CallGraph,
) -> Tree:
    """All spans, operation by operation in the order of their first line; parents before children."""
    tree = Tree(SpanRows(), np.full(len(lines.ts), -1, dtype=np.int64))
    mine = runs.assign(operation=drafts.of_run.reindex(runs.index), order=runs["run_kind"].astype("object").map(ORDER))
    mine = mine[mine["order"].notna()]
    begun = mine.groupby("operation")["first"].transform("min").fillna(mine["first"])
    mine = mine.assign(begun=begun).sort_values(["begun", "operation", "order", "first"], kind="stable")
    ends: dict[str, dict[Any, Any]] = {
        word: happened[word].drop_duplicates("run").set_index("run")["ts"].to_dict()
        for word in ("request.end", "job.remove")
    }
    of_job = {row.job: row for row in rows(jobs)}
    of_request = {row.Index: row for row in rows(requests)}
    polled = set(requests.index[requests["polled"].notna()])
    # A POST before 4.21 does not say what it asks for: the job that it submitted does.
    known = drafts.table.dropna(subset=["run", "command"]).set_index("run")["command"]
    named = {**known.to_dict(), **requests["command"].dropna().to_dict()}
    main: dict[str, int] = {}  # operation -> span of its request
    job_span: dict[int, int] = {}
    for run in rows(mine):
        operation = run.operation if isinstance(run.operation, str) else None
        if run.run_kind == "request":
            span = add_request(
                tree, run, of_request[run.Index], operation, named.get(run.Index, "API request"), ends["request.end"]
            )
            if operation and run.Index not in polled:
                main[operation] = span
        else:
            parent = main.get(operation or "")
            if run.run_kind == "work":
                parent = job_span.get(int(run.origin), parent)
            span = add_job(tree, run, of_job.get(run.job), operation, parent, ends["job.remove"])
            job_span.setdefault(int(run.job), span)
        tree.of_run[run.Index] = span
        add_calls(tree, lines, run, span, operation, graph)
    add_commands(tree, commands, drafts, happened["commands"], lines)
    add_states(tree, lines, happened["vm.state"])
    return tree


def add_request(
    tree: Tree, run: Any, request: Any, operation: str | None, name: str, ends: Mapping[int, pd.Timestamp]
) -> int:
    """The span of an API request, from START to END."""
    end = ends.get(run.Index)
    begin = request.start_ts if pd.notna(request.start_ts) else run.start
    status = None if pd.notna(request.start_ts) else "orphan"
    return tree.rows.add(
        "request",
        name,
        operation,
        None,
        begin,
        end,
        thread=run.thread,
        status=status,
        first=int(run.first),
        last=int(run.last),
        caller=request.start_IP,
    )


def add_job(
    tree: Tree, run: Any, job: Any, operation: str | None, parent: int | None, ends: Mapping[int, pd.Timestamp]
) -> int:
    """The span of a job's run on its executor thread, after a span for the queue in which it waited.

    `job` is the row of the jobs table, or None for a job that is not in it.
    """
    command = None if job is None else job.command
    name = command.rpartition(".")[2] if isinstance(command, str) else f"job-{run.job}"
    if job is not None:
        add_queue(tree, run, job, operation, parent)
    failed = job is not None and job.status in ("failed", "cancelled")
    end = ends.get(run.Index)
    status = "error" if failed else None
    return tree.rows.add(
        run.run_kind,
        name,
        operation,
        parent,
        run.start,
        end,
        thread=run.thread,
        status=status,
        first=int(run.first),
        last=int(run.last),
        job=int(run.job),
    )


def add_queue(tree: Tree, run: Any, job: Any, operation: str | None, parent: int | None) -> None:
    """In the queue of its VM until the heartbeat took it, then with the executor until a thread was free."""
    begin = job.queued if pd.notna(job.queued) else job.submitted
    taken = job.scheduled
    if pd.notna(job.queued) and pd.notna(taken) and taken > begin:
        name = f"VmWorkJobQueue.{job.vm}" if pd.notna(job.vm) else "sync queue"
        tree.rows.add("queue", name, operation, parent, begin, taken, job=int(run.job))
        begin = taken
    if pd.notna(begin) and run.start - begin >= SHORTEST_QUEUE:
        tree.rows.add("queue", "executor", operation, parent, begin, run.start, job=int(run.job))


def add_calls(tree: Tree, lines: Lines, run: Any, span: int, operation: str | None, graph: CallGraph) -> None:
    """Calls below a run, and for each of its records the innermost span."""
    at = lines.of_run[run.Index]
    numbers = at.tolist()
    frames = rebuild(
        graph,
        [lines.method[i] for i in numbers],
        [lines.event[i] for i in numbers],
        [lines.micros[i] for i in numbers],
        run.run_kind,
    )
    start, end = np.array(frames.start, dtype=np.int64), np.array(frames.end, dtype=np.int64)
    # Where the clock was set back a call's lines may lie behind the end that its job or request prints.
    known = tree.rows.columns["end"][span]
    if not pd.isna(known):
        end = np.minimum(end, np.datetime64(known, "us").astype(np.int64))
        start = np.minimum(start, end)
    base = tree.rows.add_calls(
        frames.name,
        operation,
        np.array(frames.parent, dtype=np.int64),
        span,
        start.astype("datetime64[us]"),
        end.astype("datetime64[us]"),
        frames.ends,
        run.thread,
        at[np.array(frames.first, dtype=np.int64)],
        at[np.array(frames.last, dtype=np.int64)],
    )
    inner = np.array(frames.innermost, dtype=np.int64)
    tree.of_record[at] = np.where(inner < 0, span, base + inner)


def add_commands(tree: Tree, commands: pd.DataFrame, drafts: Drafts, happened: pd.DataFrame, lines: Lines) -> None:
    """Agent commands below the call that sent them; what other threads said of them lies in them."""
    columns = tree.rows.columns
    span_of: dict[tuple[int, int], int] = {}
    spans: list[int | None] = []
    for row in rows(commands):
        parent = int(tree.of_record[row.sender]) if pd.notna(row.sender) else -1
        if parent < 0:
            spans.append(None)
            continue
        begin = row.scheduled if pd.notna(row.scheduled) else row.sent
        end = row.received if pd.notna(row.received) else row.given_up
        status = {"answered": None, "unanswered": None}.get(row.outcome, "error")
        closer = row.receiver if pd.notna(row.receiver) else row.closer
        span = tree.rows.add(
            "command",
            row.command or "agent command",
            columns["operation"][parent],
            parent,
            begin,
            end,
            thread=row.thread,
            status=status,
            first=int(row.sender),
            last=int(closer) if pd.notna(closer) else None,
            host=int(row.HOST),
            seq=int(row.SEQ),
            host_name=row.host_name,
        )
        if pd.notna(row.scheduled) and pd.notna(row.sent) and row.sent > row.scheduled:
            tree.rows.add(
                "wait",
                f"sequence of host {row.HOST}",
                columns["operation"][parent],
                span,
                row.scheduled,
                row.sent,
                thread=row.thread,
                first=int(row.sender),
                seq=int(row.SEQ),
            )
        span_of[(int(row.life), int(row.SEQ))] = span
        spans.append(span)
    commands["span"] = pd.Series(spans, index=commands.index, dtype="Int64")
    for record, life, seq in zip(happened["record"], happened["life"], happened["SEQ"], strict=True):
        known = span_of.get((int(life), int(seq)))
        if known is not None and tree.of_record[record] < 0:
            tree.of_record[record] = known


def add_states(tree: Tree, lines: Lines, states: pd.DataFrame) -> None:
    """Transitions of a VM's state, as spans without length."""
    columns = tree.rows.columns
    for row in rows(states):
        parent = int(tree.of_record[row.record])
        if parent < 0 or columns["operation"][parent] is None:
            continue
        tree.rows.add(
            "state",
            f"{row.STATE_FROM} \u2192 {row.STATE_TO}",
            columns["operation"][parent],
            parent,
            lines.ts[row.record],
            lines.ts[row.record],
            first=int(row.record),
            last=int(row.record),
            event=row.EVENT,
            vm=row.VM_NAME if isinstance(row.VM_NAME, str) else None,
        )
