"""Stages of a VM's start, from the events that open and close them (`grammars/model.toml`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.model import Model, StageRule
from tracekit.build.tree import Lines, Tree
from tracekit.frames import Numbers, rows
from tracekit.parse.events import Events

NONE = np.empty(0, dtype=np.int64)
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
    of_job: dict[int, list[Any]] = defaultdict(list)
    sent = rows(commands)
    for command in sent:
        if pd.notna(command.job) and pd.notna(command.sender):
            of_job[int(command.job)].append(command)
    classes = command_classes(sent)
    starting = starting_runs(tree, model)
    asking = np.array([event in rules for event in [*lines.events, None]])
    telling = [of_run[asking[lines.code[of_run]]] for of_run in map(lines.of_run.__getitem__, starting)]
    outer = nesting(tree, np.concatenate([NONE, *telling]), model) <= 1
    edges = {kind: Edges.of([stage for stage in model.stages if stage.run == kind], rules) for kind in JOBS}
    kinds = runs.loc[starting, "run_kind"].astype("str")
    bounds = np.cumsum([0, *map(len, telling)]).tolist()
    for run, kind, numbers, low in zip(starting, kinds, telling, bounds, strict=False):
        own = numbers[outer[low : low + len(numbers)]].tolist()
        for stage, first, last in walk(own, list(map(lines.event, own)), classes, edges[kind]):
            add_stage(tree, lines, tree.of_run[run], stage, first, last, details, of_job)


def said_by(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """What each record says of DETAILS, null where it does not; of records that say something."""
    table = table[table[list(DETAILS)].notna().any(axis=1)]
    columns = [table[name].to_list() for name in DETAILS]
    values = zip(*columns, strict=True)
    return {record: dict(zip(DETAILS, row, strict=True)) for record, row in zip(table["record"], values, strict=True)}


def command_classes(commands: Iterable[Any]) -> dict[int, frozenset[str]]:
    """Classes of the command that a record sends or whose answer it receives."""
    made: dict[int, frozenset[str]] = {}
    for row in commands:
        names = frozenset(str(row.command or "").split(", "))
        for record in (row.sender, row.receiver):
            if pd.notna(record):
                made[int(record)] = names
    return made


def starting_runs(tree: Tree, model: Model) -> list[int]:
    """Work jobs that start a VM themselves, and the jobs that wait for them, in order."""
    calls = tree.rows.calls
    spans: set[int | None] = set()
    if model.start_method in calls.names:
        begun = calls.root[calls.name == calls.names.index(model.start_method)]
        for root in np.unique(begun).tolist():
            spans |= {root, tree.rows.get(root, "parent")}
    return [run for run, span in tree.of_run.items() if span in spans and tree.rows.get(span, "kind") in JOBS]


def nesting(tree: Tree, records: Numbers, model: Model) -> Numbers:
    """How many starts of VMs each record lies in: two in a router's start inside a VM's.

    A method and its overload of the same name, one directly in the other, are one start.
    """
    made = np.zeros(len(records), dtype=np.int64)
    calls = tree.rows.calls
    if model.start_method not in calls.names:
        return made
    start = calls.names.index(model.start_method)
    at = tree.of_record[records].astype(calls.span.dtype)  # searched for as they are
    for outside in np.flatnonzero((at >= 0) & ~is_call(tree, at)).tolist():
        # A command's lines lie in its span, which lies in the call that sent it.
        span = int(at[outside])
        above = tree.rows.get(span, "parent") if tree.rows.get(span, "kind") == "command" else None
        at[outside] = -1 if above is None else above
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
    """The stages of one kind of run that each rule may open and close."""

    opening: Mapping[str, Sequence[StageRule]]
    closing: Mapping[str, Sequence[StageRule]]

    @classmethod
    def of(cls, stages: Sequence[StageRule], rules: Mapping[str, frozenset[str]]) -> Edges:
        """From the stages and the names by which each rule may be called."""
        return cls(
            {rule: [stage for stage in stages if stage.opens & called] for rule, called in rules.items()},
            {rule: [stage for stage in stages if stage.closes & called] for rule, called in rules.items()},
        )


def walk(
    numbers: Sequence[int], said: Sequence[str | None], classes: Mapping[int, frozenset[str]], edges: Edges
) -> list[tuple[StageRule, int, int]]:
    """Stages of one run in order: each opened by its event, ended by its own end or the next opening.

    `said` are the rules that read the records `numbers`.
    """
    made: list[tuple[StageRule, int, int]] = []
    held: tuple[StageRule, int] | None = None
    for number, rule in zip(numbers, said, strict=True):
        opened = None
        for stage in edges.opening[rule or ""]:
            if opens(stage, classes.get(number), held):
                opened = stage
                break
        if held is not None and (opened is not None or held[0] in edges.closing[rule or ""]):
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
    parent: int,
    stage: StageRule,
    first: int,
    last: int,
    details: Mapping[int, Mapping[str, Any]],
    commands: Mapping[int, Sequence[Any]],
) -> None:
    """One stage span, with what its lines say: destination, attempt, commands. `commands` are those of each job."""
    job = tree.rows.get(parent, "attributes").get("job")
    # The line that ends a stage may send the next one's first command.
    inside = [command for command in commands.get(job, ()) if first <= command.sender < max(last, first + 1)]
    said: dict[str, Any] = {}
    if inside:
        said["commands"] = ", ".join(dict.fromkeys(str(row.command) for row in inside if pd.notna(row.command)))
        said["host"] = ", ".join(dict.fromkeys(row.host_name for row in inside if pd.notna(row.host_name)))
    for name in DETAILS:
        known = [value for at in (first, last) if pd.notna(value := details.get(at, {}).get(name))]
        if known:
            said[name.lower()] = known[-1]
    tree.rows.add(
        "stage",
        stage.name,
        tree.rows.get(parent, "operation"),
        parent,
        lines.ts[first],
        lines.ts[last],
        thread=tree.rows.get(parent, "thread"),
        first=first,
        last=last,
        **said,
    )
