"""Stages of a VM's start, from the events that open and close them (`grammars/model.toml`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.model import Model, StageRule
from tracekit.build.tree import Lines, Tree
from tracekit.frames import Numbers, figures, rows, spread
from tracekit.parse.events import Events

JOBS = ("job", "work")
DETAILS = ("DESTINATION", "ATTEMPT")  # columns that a stage's first and last lines may fill


def add_stages(
    tree: Tree,
    lines: Lines,
    runs: pd.DataFrame,
    commands: pd.DataFrame,
    events: Events,
    names: Mapping[str, frozenset[str]],
    model: Model,
) -> None:
    """Stage spans below the jobs of each operation that starts its own VM; a router's start inside is no stage.

    `names` are the names by which each rule may be called: itself, its meaning, its Class.method.
    """
    asked = frozenset().union(*(stage.opens | stage.closes for stage in model.stages))
    rules = {rule: called for rule, called in names.items() if called & asked}
    details = said_by(events.table(sorted(rules), columns=list(DETAILS)))
    sent = figures(commands[["job", "sender", "receiver", "command", "host_name"]])
    of_job: dict[int, list[Any]] = defaultdict(list)
    for command in rows(sent[(sent["job"] >= 0) & (sent["sender"] >= 0)]):
        of_job[command.job].append(command)
    classes = command_classes(sent)
    called = [rules.get(event or "", frozenset()) for event in [*lines.events, None]]
    edges = {kind: Edges.of([stage for stage in model.stages if stage.run == kind], called) for kind in JOBS}
    starting = starting_runs(tree, model)
    kinds = runs.loc[starting, "run_kind"].astype("str")
    telling = telling_lines(tree, lines, starting, np.array([*map(bool, called)]), model)
    for run, kind, numbers in zip(starting, kinds, telling, strict=True):
        said = lines.code[numbers].tolist()
        job = Job.of(tree, tree.of_run[run])
        for stage, first, last in walk(numbers.tolist(), said, classes, edges[kind]):
            add_stage(tree, lines, job, stage, first, last, details, of_job[job.job])


def said_by(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """What each record says of DETAILS."""
    made: dict[int, dict[str, Any]] = defaultdict(dict)
    for name in DETAILS:
        known = table[table[name].notna()]
        for record, value in zip(known["record"].tolist(), known[name].tolist(), strict=True):
            made[record][name] = value
    return made


def command_classes(commands: pd.DataFrame) -> dict[int, frozenset[str]]:
    """Classes of the command that a record sends or whose answer it receives."""
    names = commands["command"].tolist()
    known = {name: frozenset(str(name or "").split(", ")) for name in set(names)}
    made: dict[int, frozenset[str]] = {}
    for name, *both in zip(names, commands["sender"].tolist(), commands["receiver"].tolist(), strict=True):
        made.update(dict.fromkeys((record for record in both if record >= 0), known[name]))
    return made


def starting_runs(tree: Tree, model: Model) -> list[int]:
    """Work jobs that start a VM themselves, and the jobs that wait for them, in order."""
    calls, told = tree.rows.calls, tree.rows.told
    if model.start_method not in calls.names:
        return []
    begun = np.unique(calls.root[calls.name == calls.names.index(model.start_method)])
    spans = {*begun.tolist(), *(told["parent"][at] for at in tree.rows.roots(begun).tolist())}
    mine = [(run, span) for run, span in tree.of_run.items() if span in spans]
    return [run for run, span in mine if told["kind"][tree.rows.place(span)] in JOBS]


def telling_lines(
    tree: Tree, lines: Lines, runs: Sequence[int], asking: npt.NDArray[np.bool_], model: Model
) -> list[Numbers]:
    """The records of each of these runs whose rules are `asking`, without those of a router's start."""
    order, starts = lines.of_run.order, lines.of_run.starts
    marked = np.flatnonzero(asking[lines.code[order]])
    low, high = (np.searchsorted(marked, starts[np.array(runs, dtype=np.int64) + further]) for further in (0, 1))
    of, within = spread(high - low)
    records = order[marked[low[of] + within]]
    outer = nesting(tree, records, model) <= 1
    bounds = np.cumsum(np.bincount(of[outer], minlength=len(runs)))
    return np.split(records[outer], bounds[:-1]) if len(runs) else []


def nesting(tree: Tree, records: Numbers, model: Model) -> Numbers:
    """How many starts of VMs each record lies in: two in a router's start inside a VM's.

    A method and its overload of the same name, one directly in the other, are one start.
    """
    made = np.zeros(len(records), dtype=np.int64)
    calls, told = tree.rows.calls, tree.rows.told
    if model.start_method not in calls.names:
        return made
    start = calls.names.index(model.start_method)
    at = tree.of_record[records].astype(calls.span.dtype)  # searched for as they are
    outside = np.flatnonzero((at >= 0) & ~is_call(tree, at))
    # A command's lines lie in its span, which lies in the call that sent it.
    above = [parent if kind == "command" else -1 for parent, kind in zip(told["parent"], told["kind"], strict=True)]
    at[outside] = np.array(above, dtype=at.dtype)[tree.rows.roots(at[outside])]
    inner = np.full(len(records), -1)
    left = np.flatnonzero(is_call(tree, at))
    while len(left):
        row = np.searchsorted(calls.span, at[left])
        made[left] += (calls.name[row] == start) & (inner[left] != start)
        inner[left], at[left] = calls.name[row], calls.parent[row]
        left = left[is_call(tree, at[left])]
    return made


def is_call(tree: Tree, spans: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of the spans are calls."""
    known = tree.rows.calls.span
    row = np.minimum(np.searchsorted(known, spans), len(known) - 1)
    made: npt.NDArray[np.bool_] = known[row] == spans
    return made


@dataclass(frozen=True)
class Edges:
    """The stages of one kind of run that each rule may open and close, by its number; -1: none does."""

    opening: Sequence[Sequence[StageRule]]
    closing: Sequence[Sequence[StageRule]]

    @classmethod
    def of(cls, stages: Sequence[StageRule], called: Sequence[frozenset[str]]) -> Edges:
        """From the stages and the names by which each rule may be called."""
        return cls(
            [[stage for stage in stages if stage.opens & names] for names in called],
            [[stage for stage in stages if stage.closes & names] for names in called],
        )


class Job(NamedTuple):
    """What the stages of a job have of it."""

    span: int
    operation: str | None
    thread: str | None
    job: int

    @classmethod
    def of(cls, tree: Tree, span: int) -> Job:
        """From its span."""
        at, told = tree.rows.place(span), tree.rows.told
        return cls(span, told["operation"][at], told["thread"][at], told["attributes"][at]["job"])


def walk(
    numbers: Sequence[int], said: Sequence[int], classes: Mapping[int, frozenset[str]], edges: Edges
) -> list[tuple[StageRule, int, int]]:
    """Stages of one run in order: each opened by its event, ended by its own end or the next opening.

    `said` are the numbers of the rules that read the records `numbers`.
    """
    made: list[tuple[StageRule, int, int]] = []
    held: tuple[StageRule, int] | None = None
    for number, rule in zip(numbers, said, strict=True):
        opened = None
        for stage in edges.opening[rule]:
            if opens(stage, classes.get(number), held):
                opened = stage
                break
        if held is not None and (opened is not None or held[0] in edges.closing[rule]):
            made.append((held[0], held[1], number))
            held = None
        if opened is not None:
            held = (opened, number)
    if held is not None:
        made.append((held[0], held[1], numbers[-1]))
    return made


def opens(stage: StageRule, command: frozenset[str] | None, held: tuple[StageRule, int] | None) -> bool:
    """Whether a line that may open `stage` does so while `held` is open: not what is open already."""
    if stage.command is not None and stage.command not in (command or ()):
        return False
    name = held[0].name if held else None
    return name != stage.name and (not stage.after or name in stage.after)


def add_stage(
    tree: Tree,
    lines: Lines,
    job: Job,
    stage: StageRule,
    first: int,
    last: int,
    details: Mapping[int, Mapping[str, Any]],
    commands: Sequence[Any],
) -> None:
    """One stage span, with what its lines say: destination, attempt, and those of the job's commands that lie in it."""
    # The line that ends a stage may send the next one's first command.
    inside = [command for command in commands if first <= command.sender < max(last, first + 1)]
    said: dict[str, Any] = {}
    if inside:
        said["commands"] = ", ".join(dict.fromkeys(row.command for row in inside if isinstance(row.command, str)))
        said["host"] = ", ".join(dict.fromkeys(row.host_name for row in inside if isinstance(row.host_name, str)))
    for name in DETAILS:
        known = [details[at][name] for at in (first, last) if at in details and name in details[at]]
        if known:
            said[name.lower()] = known[-1]
    tree.rows.add(
        "stage",
        stage.name,
        job.operation,
        job.span,
        int(lines.micros[first]),
        int(lines.micros[last]),
        thread=job.thread,
        first=first,
        last=last,
        **said,
    )
