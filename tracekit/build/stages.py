"""Stages of a VM's start, from the events that open and close them (`grammars/model.toml`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tracekit.build.model import Model, StageRule
from tracekit.build.tree import Lines, Tree
from tracekit.frames import rows
from tracekit.parse.events import Events

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
    rules = {rule for rule, called in names.items() if called & asked}
    details = said_by(events.table(sorted(rules), columns=list(DETAILS)))
    of_job: dict[int, list[Any]] = defaultdict(list)
    sent = rows(commands)
    for command in sent:
        if pd.notna(command.job) and pd.notna(command.sender):
            of_job[int(command.job)].append(command)
    classes = command_classes(sent)
    for run in starting_runs(tree, model):
        kind = str(runs.at[run, "run_kind"])
        own = [int(i) for i in lines.of_run[run] if lines.event[i] in rules and nesting(tree, int(i), model) <= 1]
        called = {number: names[lines.event[number] or ""] for number in own}
        for stage, first, last in walk(own, called, classes, [stage for stage in model.stages if stage.run == kind]):
            add_stage(tree, lines, tree.of_run[run], stage, first, last, details, of_job)


def said_by(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """What each record says of DETAILS, null where it does not."""
    columns = {name: table[name].to_list() for name in DETAILS}
    values = zip(*columns.values(), strict=True)
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
    columns = tree.rows.columns
    starts = [
        i for i, name in enumerate(columns["name"]) if name == model.start_method and columns["kind"][i] == "call"
    ]
    spans = set()
    for span in starts:
        at = columns["parent"][span]
        while at is not None and columns["kind"][at] == "call":
            at = columns["parent"][at]
        spans |= {at, columns["parent"][at] if at is not None else None}
    return [run for run, span in tree.of_run.items() if span in spans and columns["kind"][span] in ("job", "work")]


def nesting(tree: Tree, record: int, model: Model) -> int:
    """How many starts of VMs a record lies in: two in a router's start inside a VM's.

    A method and its overload of the same name, one directly in the other, are one start.
    """
    columns, depth, inner = tree.rows.columns, 0, ""
    at: int | None = int(tree.of_record[record])
    while at is not None and at >= 0 and columns["kind"][at] in ("call", "command"):
        name = columns["name"][at]
        depth += name == model.start_method and name != inner
        at, inner = columns["parent"][at], name
    return depth


def walk(
    numbers: list[int],
    called: Mapping[int, frozenset[str]],
    classes: Mapping[int, frozenset[str]],
    stages: list[StageRule],
) -> list[tuple[StageRule, int, int]]:
    """Stages of one run in order: each opened by its event, ended by its own end or the next opening."""
    made: list[tuple[StageRule, int, int]] = []
    held: tuple[StageRule, int] | None = None
    for number in numbers:
        opened = next((stage for stage in stages if opens(stage, called[number], classes.get(number), held)), None)
        if held is not None and (opened is not None or held[0].closes & called[number]):
            made.append((held[0], held[1], number))
            held = None
        if opened is not None:
            held = (opened, number)
    if held is not None:
        made.append((held[0], held[1], numbers[-1]))
    return made


def opens(
    stage: StageRule, called: frozenset[str], command: frozenset[str] | None, held: tuple[StageRule, int] | None
) -> bool:
    """Whether a line opens `stage` while `held` is open. One that is open already is not opened anew."""
    if not stage.opens & called or (stage.command is not None and stage.command not in (command or ())):
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
    job = tree.rows.columns["attributes"][parent].get("job")
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
        tree.rows.columns["operation"][parent],
        parent,
        lines.ts[first],
        lines.ts[last],
        thread=tree.rows.columns["thread"][parent],
        first=first,
        last=last,
        **said,
    )
