"""The call tree of every operation: requests, queues, jobs, calls, commands, states, stages, waits as spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.calls import CallGraph, Shape, shape_of, times_of
from tracekit.build.operations import Drafts
from tracekit.build.spans import Calls, SpanRows, nullable
from tracekit.frames import NEVER, Numbers, Small, figures, instants, joint, numbers_of, rows, spread
from tracekit.parse.grammar import Meaning

SHORTEST_QUEUE = 1000  # microseconds of a hand-over that is worth a span
ORDER = {"request": 0, "job": 1, "work": 2}
# Columns of runs, jobs and commands that their spans are made of.
OF_RUN = ("run_kind", "operation", "job", "origin", "thread", "first", "last", "start")
OF_JOB = ("job", "command", "status", "vm", "submitted", "queued", "scheduled")
OF_COMMAND = (
    *("command", "outcome", "thread", "life", "HOST", "SEQ", "host_name", "sender", "receiver", "closer"),
    *("scheduled", "sent", "received", "given_up"),
)


@dataclass(frozen=True)
class RunRecords:
    """The records of each run, by the number of the run."""

    order: Small  # records, run by run
    starts: Numbers  # where in `order` each run begins, and the end

    @classmethod
    def of(cls, runs: Numbers) -> RunRecords:
        """From the run of every record; runs are numbered without gaps."""
        counts = np.bincount(runs) if len(runs) else np.zeros(0, np.int64)
        return cls(np.argsort(runs, kind="stable").astype(np.int32), np.concatenate([[0], np.cumsum(counts)]))

    def __getitem__(self, run: int) -> Small:
        return self.order[self.starts[run] : self.starts[run + 1]]


@dataclass
class Lines:
    """What the tree asks of the records, as arrays by record number."""

    ts: npt.NDArray[np.datetime64]
    micros: Numbers
    code: npt.NDArray[Any]  # of the rule, in `events`; -1: none
    events: list[str]
    methods: list[str | None]  # Class.method of each of `events`
    of_run: RunRecords
    detailed: npt.NDArray[np.bool_]  # whether a run prints at DEBUG: only there does silence between lines say anything

    @classmethod
    def of(cls, records: pd.DataFrame, meanings: Mapping[str, Meaning]) -> Lines:
        """From the records table after `add_runs`."""
        event = records["event"]
        events = event.cat.categories.to_list()
        ts = records["ts"].to_numpy().astype("datetime64[us]", copy=False)
        loud = records["level"].isin(["DEBUG", "TRACE"]).to_numpy()
        runs = records["run"].to_numpy(dtype=np.int64)
        of_run = RunRecords.of(runs)
        detailed = np.zeros(len(of_run.starts) - 1, dtype=np.bool_)
        detailed[runs[loud]] = True
        return cls(
            ts,
            ts.view(np.int64),
            event.cat.codes.to_numpy(),
            events,
            [meanings[name].where if name in meanings else None for name in events],
            of_run,
            detailed,
        )

    def event(self, record: int) -> str | None:
        """The rule that reads a record."""
        code = self.code[record]
        return self.events[code] if code >= 0 else None

    def pairs(self, least: int) -> tuple[Numbers, Small, Small]:
        """Run, first and second record of all consecutive lines of a run `least` microseconds or more apart."""
        order, starts = self.of_run.order, self.of_run.starts
        run = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        pair = np.flatnonzero((run[1:] == run[:-1]) & (np.diff(self.micros[order]) >= least))
        return run[pair], order[pair], order[pair + 1]


@dataclass
class Tree:
    """Spans under construction, and which span each record was written in."""

    rows: SpanRows
    of_record: Small  # -1: in none
    of_run: dict[int, int] = field(default_factory=dict)

    def operations(self, spans: npt.NDArray[Any]) -> list[str | None]:
        """The operation of each span; none of -1."""
        told = [*self.rows.told["operation"], None]
        return [told[at] for at in self.rows.roots(spans).tolist()]


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
    tree = Tree(SpanRows(), np.full(len(lines.ts), -1, dtype=np.int32))
    ends = {word: ends_of(happened[word]) for word in ("request.end", "job.remove")}
    of_job = {row.job: row for row in rows(figures(jobs[list(OF_JOB)]))}
    of_request = {row.Index: row for row in rows(figures(requests[["start_ts", "start_IP"]]))}
    polled = set(requests.index[requests["polled"].notna()])
    # A POST before 4.21 does not say what it asks for: the job that it submitted does.
    asked = drafts.table["run"].notna() & drafts.table["command"].notna()
    named = dict(zip(drafts.table.loc[asked, "run"].tolist(), drafts.table.loc[asked, "command"], strict=True))
    said = requests["command"].dropna()
    named |= dict(zip(said.index.tolist(), said, strict=True))
    main: dict[str, int] = {}  # operation -> span of its request
    job_span: dict[int, int] = {}
    shapes = Shapes.of(lines, graph)
    for run in rows(figures(in_order(runs, drafts)[list(OF_RUN)])):
        operation = run.operation if isinstance(run.operation, str) else None
        if run.run_kind == "request":
            end, name = ends["request.end"].get(run.Index, NEVER), named.get(run.Index, "API request")
            span = add_request(tree, run, of_request[run.Index], operation, name, end)
            if operation and run.Index not in polled:
                main[operation] = span
        else:
            parent = main.get(operation or "", -1)
            if run.run_kind == "work":
                parent = job_span.get(run.origin, parent)
            end = ends["job.remove"].get(run.Index, NEVER)
            span = add_job(tree, run, of_job.get(run.job), operation, parent, end)
            job_span.setdefault(run.job, span)
        tree.of_run[run.Index] = span
        shapes.add(tree, run, span)
    add_calls(tree, lines, shapes)
    add_commands(tree, commands, happened["commands"])
    add_states(tree, lines, happened["vm.state"])
    return tree


def in_order(runs: pd.DataFrame, drafts: Drafts) -> pd.DataFrame:
    """Runs that have a span, those of one operation together, parents before children."""
    order = runs["run_kind"].astype("object").map(ORDER)
    mine = runs.assign(operation=drafts.of_run.reindex(runs.index), order=order)[order.notna()]
    begun = mine.groupby("operation")["first"].transform("min").fillna(mine["first"])
    return mine.assign(begun=begun).sort_values(["begun", "operation", "order", "first"], kind="stable")


def ends_of(said: pd.DataFrame) -> dict[int, int]:
    """The microsecond of the first event of each run."""
    first = said.drop_duplicates("run")
    return dict(zip(first["run"].tolist(), instants(first["ts"]).tolist(), strict=True))


def add_request(tree: Tree, run: Any, request: Any, operation: str | None, name: str, end: int) -> int:
    """The span of an API request, from START to END."""
    cut_off = request.start_ts == NEVER
    return tree.rows.add(
        "request",
        name,
        operation,
        -1,
        run.start if cut_off else request.start_ts,
        end,
        thread=run.thread,
        status="orphan" if cut_off else None,
        first=run.first,
        last=run.last,
        caller=request.start_IP,
    )


def add_job(tree: Tree, run: Any, job: Any, operation: str | None, parent: int, end: int) -> int:
    """The span of a job's run on its executor thread, after a span for the queue in which it waited.

    `job` is the row of the jobs table, or None for a job that is not in it.
    """
    command = None if job is None else job.command
    name = command.rpartition(".")[2] if isinstance(command, str) else f"job-{run.job}"
    if job is not None:
        add_queue(tree, run, job, operation, parent)
    failed = job is not None and job.status in ("failed", "cancelled")
    return tree.rows.add(
        run.run_kind,
        name,
        operation,
        parent,
        run.start,
        end,
        thread=run.thread,
        status="error" if failed else None,
        first=run.first,
        last=run.last,
        job=run.job,
    )


def add_queue(tree: Tree, run: Any, job: Any, operation: str | None, parent: int) -> None:
    """In the queue of its VM until the heartbeat took it, then with the executor until a thread was free."""
    begin = job.queued if job.queued != NEVER else job.submitted
    if job.queued != NEVER and job.scheduled > begin:
        name = f"VmWorkJobQueue.{job.vm}" if job.vm >= 0 else "sync queue"
        tree.rows.add("queue", name, operation, parent, begin, job.scheduled, job=run.job)
        begin = job.scheduled
    if begin != NEVER and run.start - begin >= SHORTEST_QUEUE:
        tree.rows.add("queue", "executor", operation, parent, begin, run.start, job=run.job)


@dataclass
class Shapes:
    """The shape of every run's calls, while the runs are gone through: shapes, spans and runs in parallel lists."""

    lines: Lines
    graph: CallGraph
    statement: list[Any]  # of each rule, and of no rule
    known: dict[tuple[str, bytes], int] = field(default_factory=dict)
    every: list[Shape] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)
    root: list[int] = field(default_factory=list)
    base: list[int] = field(default_factory=list)
    run: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, lines: Lines, graph: CallGraph) -> Shapes:
        """For the lines of a log."""
        pairs = [*zip(lines.events, lines.methods, strict=True), (None, None)]
        return cls(lines, graph, [graph.statement(*pair) for pair in pairs])

    def add(self, tree: Tree, run: Any, span: int) -> None:
        """The calls of one run below its span."""
        said = self.lines.code[self.lines.of_run[run.Index]]
        key = (run.run_kind, said.tobytes())
        shape = self.known.get(key)
        if shape is None:
            codes = said.tolist()
            methods = [self.lines.methods[code] if code >= 0 else None for code in codes]
            shape = self.known[key] = len(self.every)
            self.every.append(shape_of(self.graph, [self.statement[code] for code in codes], methods, key[0]))
        self.shape.append(shape)
        self.root.append(span)
        self.base.append(tree.rows.reserve(len(self.every[shape].name)))
        self.run.append(run.Index)


def add_calls(tree: Tree, lines: Lines, shapes: Shapes) -> None:
    """Calls below all runs, and for each of their records the innermost span."""
    if not shapes.every:
        return
    runs, which = np.array(shapes.run, dtype=np.int64), np.array(shapes.shape, dtype=np.int64)
    root, base = np.array(shapes.root, dtype=np.int32), np.array(shapes.base, dtype=np.int32)
    begin, behind = (lines.of_run.starts[runs + further].astype(np.int32) for further in (0, 1))
    order = lines.of_run.order
    place_records(tree, order, shapes, (which, root, base, begin))
    of, within, at = parts_of(which, np.array([len(shape.name) for shape in shapes.every]))
    frame = {name: np.concatenate([getattr(shape, name) for shape in shapes.every])[at] for name in Shape._fields[:-1]}
    del at
    first, last = begin[of] + frame["first"], begin[of] + frame["last"]
    caller, above = frame["parent"], np.arange(len(of), dtype=np.int32) - within
    start, end = times_of(
        {**frame, "parent": np.where(caller < 0, -1, above + caller)},
        first,
        last,
        lines.micros[order],
        (begin[of], behind[of] - 1),
    )
    # Where the clock was set back a call's lines may lie behind the end that its job or request prints.
    known = np.array(tree.rows.told["end"], dtype=np.int64)[tree.rows.roots(root)]
    end = np.minimum(end, np.where(known == NEVER, np.iinfo(np.int64).max, known)[of])
    tree.rows.calls = Calls(
        (base[of] + within).astype(np.int32),
        np.where(caller < 0, root[of], base[of] + caller).astype(np.int32),
        root[of],
        frame["depth"].astype(np.min_scalar_type(int(frame["depth"].max(initial=0)))),
        frame["name"],
        np.minimum(start, end),
        end,
        frame["logged"],
        order[first].astype(np.int32),
        order[last].astype(np.int32),
        list(shapes.graph.names),
    )


def place_records(tree: Tree, order: Small, shapes: Shapes, of_run: tuple[Numbers, Small, Small, Small]) -> None:
    """The innermost span of each record of the runs; `of_run`: their shapes, spans, first calls, places in `order`."""
    which, root, base, begin = of_run
    of, within, at = parts_of(which, np.array([len(shape.innermost) for shape in shapes.every]))
    inner = np.concatenate([shape.innermost for shape in shapes.every])[at]
    tree.of_record[order[begin[of] + within]] = np.where(inner < 0, root[of], base[of] + inner)


def parts_of(which: Numbers, counts: Numbers) -> tuple[Small, Small, Small]:
    """For every part of every run: the run, the number of the part in it, its place among the parts of all shapes.

    `which` is the shape of each run, `counts` how many parts each shape has.
    """
    of, within = (part.astype(np.int32) for part in spread(counts[which]))
    return of, within, (np.cumsum(counts) - counts)[which].astype(np.int32)[of] + within


def add_commands(tree: Tree, commands: pd.DataFrame, happened: pd.DataFrame) -> None:
    """Agent commands below the call that sent them; what other threads said of them lies in them."""
    sender = numbers_of(commands["sender"].astype("Int64"))
    parents = np.where(sender >= 0, tree.of_record[sender], -1)
    sent = np.flatnonzero(parents >= 0)
    told = figures(commands[list(OF_COMMAND)].iloc[sent])
    operations = tree.operations(parents[sent])
    spans = np.full(len(commands), -1, dtype=np.int64)
    spans[sent] = [
        add_command(tree, row, parent, operation)
        for row, parent, operation in zip(rows(told), parents[sent].tolist(), operations, strict=True)
    ]
    commands["span"] = nullable(spans)
    # Of two commands with one number the later one.
    names = (np.concatenate([told[name], happened[name].to_numpy(np.int64)]) for name in ("life", "SEQ"))
    number = joint(*names)
    span_of = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int32)
    span_of[number[: len(told)]] = spans[sent]
    records, known = happened["record"].to_numpy(), span_of[number[len(told) :]]
    outside = (known >= 0) & (tree.of_record[records] < 0)
    tree.of_record[records[outside]] = known[outside]


def add_command(tree: Tree, row: Any, parent: int, operation: str | None) -> int:
    """The span of a command, and one for its wait for its turn in the sequence of its host."""
    closer = row.receiver if row.receiver >= 0 else row.closer
    span = tree.rows.add(
        "command",
        row.command or "agent command",
        operation,
        parent,
        row.scheduled if row.scheduled != NEVER else row.sent,
        row.received if row.received != NEVER else row.given_up,
        thread=row.thread,
        status=None if row.outcome in ("answered", "unanswered") else "error",
        first=row.sender,
        last=closer,
        host=row.HOST,
        seq=row.SEQ,
        host_name=row.host_name,
    )
    if row.scheduled != NEVER and row.sent > row.scheduled:
        tree.rows.add(
            "wait",
            f"sequence of host {row.HOST}",
            operation,
            span,
            row.scheduled,
            row.sent,
            thread=row.thread,
            first=row.sender,
            seq=row.SEQ,
        )
    return span


def add_states(tree: Tree, lines: Lines, states: pd.DataFrame) -> None:
    """Transitions of a VM's state, as spans without length."""
    records = states["record"].to_numpy()
    parents = tree.of_record[records]
    told = [states[name].tolist() for name in ("STATE_FROM", "STATE_TO", "EVENT", "VM_NAME")]
    where = (records.tolist(), parents.tolist(), tree.operations(parents), lines.micros[records].tolist())
    for record, parent, operation, time, before, after, event, vm in zip(*where, *told, strict=True):
        if operation is not None:
            tree.rows.add(
                "state",
                f"{before} \u2192 {after}",
                operation,
                parent,
                time,
                time,
                first=record,
                last=record,
                event=event,
                vm=vm if isinstance(vm, str) else None,
            )
