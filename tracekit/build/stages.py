"""Stages of a VM's start, from the events that open and close them (`grammars/model.toml`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.lines import Lines
from tracekit.build.model import Model, StageRule
from tracekit.build.spans import Told
from tracekit.build.tree import Tree
from tracekit.frames import Numbers, Small, figures, numbers_of, spread
from tracekit.parse.events import Cutter, Events

JOBS = ("job", "work")
DETAILS = ("DESTINATION", "ATTEMPT")  # columns that a stage's first and last lines may fill
NOTHING: frozenset[str] = frozenset()


class Stages(NamedTuple):
    """Stages as columns."""

    run: Numbers
    name: npt.NDArray[np.object_]
    first: Small  # records
    last: Small


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
    sent = figures(commands, ("job", "sender", "receiver", "command", "host_name"))
    stages = stages_of(
        tree, lines, runs, sent, [rules.get(name or "", NOTHING) for name in (*lines.events, None)], model
    )
    said = commands_inside(stages, numbers_of(runs["job"])[stages.run], sent)
    add_details(said, stages, events.cutter(rules))
    span, told = tree.of_run[stages.run], tree.rows.told
    root = tree.rows.roots(span)
    tree.rows.add(
        Told.of(
            tree.rows.reserve(len(span)) + np.arange(len(span)),
            "stage",
            stages.name,
            told.operation[root],
            span,
            lines.micros[stages.first],
            lines.micros[stages.last],
            said,
            thread=told.thread[root],
            first=stages.first,
            last=stages.last,
        )
    )


def stages_of(
    tree: Tree,
    lines: Lines,
    runs: pd.DataFrame,
    sent: pd.DataFrame,
    called: Sequence[frozenset[str]],
    model: Model,
) -> Stages:
    """The stages of all runs that start a VM, run by run in order; `called` are the names of each rule by number."""
    edges = {kind: Edges.of([stage for stage in model.stages if stage.run == kind], called) for kind in JOBS}
    starting = starting_runs(tree, model)
    bounds, records = telling_lines(tree, lines, starting, np.array([*map(bool, called)]), model)
    said, (classes, of_class) = lines.code[records], classes_of(records, sent)
    known: dict[tuple[str, bytes, bytes], list[tuple[StageRule, int, int]]] = {}
    made: list[tuple[int, str, int, int]] = []
    kinds = runs["run_kind"].reindex(starting).tolist()
    for run, kind, low, high in zip(starting.tolist(), kinds, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        # Where the lines are the same the stages are.
        key = (kind, said[low:high].tobytes(), of_class[low:high].tobytes())
        if key not in known:
            own = [classes[code] for code in of_class[low:high].tolist()]
            known[key] = walk(said[low:high].tolist(), own, edges[kind])
        made += [(run, stage.name, low + first, low + last) for stage, first, last in known[key]]
    run, name, first, last = zip(*made, strict=True) if made else ((), (), (), ())
    lines_at = (records[np.array(at, dtype=np.int64)] for at in (first, last))
    return Stages(np.array(run, dtype=np.int64), np.array(name, dtype=object), *lines_at)


def classes_of(records: Small, sent: pd.DataFrame) -> tuple[list[frozenset[str]], Numbers]:
    """Classes of the command that each of these records sends or whose answer it receives, and their numbers."""
    codes, names = pd.factorize(sent["command"])
    both: dict[int, int] = {}
    for at in (sent[name].tolist() for name in ("sender", "receiver")):
        both.update(zip(at, codes.tolist(), strict=True))
    found = np.fromiter(map(both.get, records.tolist(), repeat(-1)), np.int64, len(records))
    return [*(frozenset(name.split(", ")) for name in names), NOTHING], found


def commands_inside(stages: Stages, job: Numbers, sent: pd.DataFrame) -> list[dict[str, Any]]:
    """Commands and hosts of each stage: of what its job sent while it lasted. `job` is that of each stage."""
    own = sent[(sent["job"] >= 0) & (sent["sender"] >= 0)]
    apart = int(max(own["sender"].max(), stages.last.max())) + 2 if len(own) and len(job) else 2
    key = own["job"].to_numpy() * apart + own["sender"].to_numpy()
    order = np.argsort(key, kind="stable")
    # The line that ends a stage may send the next one's first command.
    edges = (stages.first, np.maximum(stages.last, stages.first + 1))
    low, high = (np.searchsorted(key[order], job * apart + edge).tolist() for edge in edges)
    commands, hosts = (joined(own[name].iloc[order], low, high) for name in ("command", "host_name"))
    return [
        {"commands": command, "host": host} if begin < end else {}
        for begin, end, command, host in zip(low, high, commands, hosts, strict=True)
    ]


def joined(texts: pd.Series[Any], low: Sequence[int], high: Sequence[int]) -> list[str]:
    """The different ones of the texts between each two places, in their order."""
    codes, names = pd.factorize(texts)
    known: dict[bytes, str] = {}
    made = []
    for begin, end in zip(low, high, strict=True):
        key = codes[begin:end].tobytes()
        if key not in known:
            known[key] = ", ".join(names[code] for code in dict.fromkeys(codes[begin:end].tolist()) if code >= 0)
        made.append(known[key])
    return made


def add_details(said: Sequence[dict[str, Any]], stages: Stages, cut: Cutter) -> None:
    """Add to each stage what its first and last line say of DETAILS; the last, where both do."""
    for name in DETAILS:
        known = np.flatnonzero(cut.known(name))
        values = dict(zip(cut.records[known].tolist(), cut.column(name, known).tolist(), strict=True))
        for own, first, last in zip(said, stages.first.tolist(), stages.last.tolist(), strict=True):
            value = values.get(last, values.get(first))
            if value is not None:
                own[name.lower()] = value


def starting_runs(tree: Tree, model: Model) -> Numbers:
    """Work jobs that start a VM themselves, and the jobs that wait for them, in the order of their spans."""
    calls, told = tree.rows.calls, tree.rows.told
    if model.start_method not in calls.names:
        return np.empty(0, dtype=np.int64)
    begun = np.unique(calls.root[calls.name == calls.names.index(model.start_method)])
    begun = np.concatenate([begun, told.parent[tree.rows.roots(begun)]])
    runs = np.flatnonzero(np.isin(tree.of_run, begun[begun >= 0]))
    runs = runs[np.argsort(tree.of_run[runs])]
    made: Numbers = runs[np.isin(told.kind[tree.rows.roots(tree.of_run[runs])], JOBS)]
    return made


def telling_lines(
    tree: Tree, lines: Lines, runs: Numbers, asking: npt.NDArray[np.bool_], model: Model
) -> tuple[Numbers, Small]:
    """The records of each of these runs whose rules are `asking`, without those of a router's start: where each run's
    begin, and the end; the records.
    """
    order, starts = lines.of_run.order, lines.of_run.starts
    marked = np.flatnonzero(asking[lines.code[order]])
    low, high = (np.searchsorted(marked, starts[runs + further]) for further in (0, 1))
    of, within = spread(high - low)
    records = order[marked[low[of] + within]]
    outer = nesting(tree, records, model) <= 1
    return np.concatenate([[0], np.cumsum(np.bincount(of[outer], minlength=len(runs)))]), records[outer]


def nesting(tree: Tree, records: Small, model: Model) -> Numbers:
    """How many starts of VMs each record lies in: two in a router's start inside a VM's.

    A method and its overload of the same name, one directly in the other, are one start.
    """
    made = np.zeros(len(records), dtype=np.int64)
    calls, told = tree.rows.calls, tree.rows.told
    if model.start_method not in calls.names:
        return made
    start = calls.names.index(model.start_method)
    at = tree.of_record[records].astype(calls.span.dtype)  # searched for as they are
    row = np.minimum(np.searchsorted(calls.span, at), len(calls.span) - 1)
    outside = np.flatnonzero((at >= 0) & (calls.span[row] != at))
    # A command's lines lie in its span, which lies in the call that sent it.
    above = np.where(told.kind == "command", told.parent, -1)
    at[outside] = above[tree.rows.roots(at[outside])]
    row[outside] = np.minimum(np.searchsorted(calls.span, at[outside]), len(calls.span) - 1)
    left = np.flatnonzero(calls.span[row] == at)
    row, inner = row[left], np.full(len(left), -1)
    while len(left):
        made[left] += (calls.name[row] == start) & (inner != start)
        further = np.flatnonzero(calls.parent[row] != calls.root[row])
        inner, row, left = calls.name[row[further]], row[further], left[further]
        row -= calls.span[row] - calls.parent[row]  # the calls of a run are numbered one behind the other
    return made


class Edges(NamedTuple):
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


def walk(said: Sequence[int], classes: Sequence[frozenset[str]], edges: Edges) -> list[tuple[StageRule, int, int]]:
    """Stages of one run in order, with their first and last lines: each opened by its event, ended by its own end or
    the next opening.

    `said` are the numbers of the rules that read the run's lines, `classes` those of the commands that they name.
    """
    made: list[tuple[StageRule, int, int]] = []
    held: tuple[StageRule, int] | None = None
    for line, rule in enumerate(said):
        opened = None
        for stage in edges.opening[rule]:
            if opens(stage, classes[line], held):
                opened = stage
                break
        if held is not None and (opened is not None or held[0] in edges.closing[rule]):
            made.append((held[0], held[1], line))
            held = None
        if opened is not None:
            held = (opened, line)
    if held is not None:
        made.append((held[0], held[1], len(said) - 1))
    return made


def opens(stage: StageRule, classes: frozenset[str], held: tuple[StageRule, int] | None) -> bool:
    """Whether a line that may open `stage` does so while `held` is open: not what is open already."""
    if stage.command is not None and stage.command not in classes:
        return False
    name = held[0].name if held else None
    return name != stage.name and (not stage.after or name in stage.after)
