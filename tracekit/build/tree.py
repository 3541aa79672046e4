"""The call tree of every operation: requests, queues, jobs, calls, commands, states, stages, waits as spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.calls import times_of
from tracekit.build.lines import Lines
from tracekit.build.operations import Drafts
from tracekit.build.runshapes import RunShapes
from tracekit.build.runspans import add_run_spans, in_order
from tracekit.build.spans import Calls, Objects, SpanRows, Told, nullable
from tracekit.frames import MISSING, NEVER, Numbers, Small, figures, joint, numbers_of, objects

OF_FRAME = ("name", "parent", "depth", "first", "last", "before", "behind", "logged")  # columns of shapes
# Columns of commands that their spans are made of.
OF_COMMAND = (
    *("command", "outcome", "thread", "life", "HOST", "SEQ", "host_name", "sender", "receiver", "closer"),
    *("scheduled", "sent", "received", "given_up"),
)


@dataclass
class Tree:
    """Spans under construction, and which span each record was written in."""

    rows: SpanRows
    of_record: Small  # -1: in none
    of_run: Small  # span of each run; -1: it has none

    def operations(self, spans: npt.NDArray[Any]) -> Objects:
        """The operation of each span; none of -1."""
        made: Objects = np.append(self.rows.told.operation, MISSING)[self.rows.roots(spans)]
        return made


def build_tree(
    lines: Lines,
    runs: pd.DataFrame,
    drafts: Drafts,
    requests: pd.DataFrame,
    jobs: pd.DataFrame,
    commands: pd.DataFrame,
    happened: Mapping[str, pd.DataFrame],
    calls: RunShapes,
) -> Tree:
    """All spans, operation by operation in the order of their first line; parents before children."""
    nowhere = (np.full(many, -1, dtype=np.int32) for many in (len(lines.ts), len(lines.of_run.starts) - 1))
    tree = Tree(SpanRows(), *nowhere)
    ordered = in_order(runs)
    run = ordered.index.to_numpy(dtype=np.int64)
    many = calls.shapes.frames[calls.which[run]]
    ended = (happened["request.end"], happened["job.remove"])
    tree.of_run[run] = add_run_spans(tree.rows, ordered, many, requests, jobs, drafts, ended)
    add_calls(tree, lines, run, calls)
    add_commands(tree, commands, happened["commands"])
    add_states(tree, lines, happened["vm.state"])
    return tree


def add_calls(tree: Tree, lines: Lines, run: Numbers, calls: RunShapes) -> None:
    """Calls below these runs, and for each of their records the innermost span."""
    shapes, which, names = calls.shapes, calls.which[run], calls.names
    root, order = tree.of_run[run], lines.of_run.order
    base = root + np.int32(1)  # the calls of a run stand behind it
    begin, behind = (lines.of_run.starts[run + further].astype(np.int32) for further in (0, 1))
    of, within, at = parts_of(which, shapes.lines)
    inner = shapes.innermost[at]
    tree.of_record[order[begin[of] + within]] = np.where(inner < 0, root[of], base[of] + inner)
    of, within, at = parts_of(which, shapes.frames)
    frame = {name: getattr(shapes, name)[at] for name in OF_FRAME}
    del at, inner
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
    known = tree.rows.told.end[tree.rows.roots(root)]
    end = np.minimum(end, np.where(known == NEVER, np.iinfo(np.int64).max, known)[of])
    tree.rows.calls = Calls(
        base[of] + within,
        np.where(caller < 0, root[of], base[of] + caller),
        root[of],
        frame["depth"].astype(np.min_scalar_type(int(frame["depth"].max(initial=0)))),
        frame["name"],
        np.minimum(start, end),
        end,
        frame["logged"],
        order[first],
        order[last],
        names,
    )


def parts_of(which: Numbers, counts: Numbers) -> tuple[Small, Small, Small]:
    """For every part of every run: the run, the number of the part in it, its place among the parts of all shapes.

    `which` is the shape of each run, `counts` how many parts each shape has.
    """
    many = counts[which]
    of = np.repeat(np.arange(len(many), dtype=np.int32), many)
    within = np.arange(len(of), dtype=np.int32) - (np.cumsum(many) - many).astype(np.int32)[of]
    return of, within, (np.cumsum(counts) - counts)[which].astype(np.int32)[of] + within


def add_commands(tree: Tree, commands: pd.DataFrame, happened: pd.DataFrame) -> None:
    """Agent commands below the call that sent them; what other threads said of them lies in them."""
    sender = numbers_of(commands["sender"].astype("Int64"))
    parents = np.where(sender >= 0, tree.of_record[sender], -1)
    sent = np.flatnonzero(parents >= 0)
    told = figures(commands, OF_COMMAND, sent)
    spans = np.full(len(commands), -1, dtype=np.int64)
    spans[sent] = add_command_spans(tree, told, parents[sent])
    commands["span"] = nullable(spans)
    # Of two commands with one number the later one.
    names = (np.concatenate([told[name], happened[name].to_numpy(np.int64)]) for name in ("life", "SEQ"))
    number = joint(*names)
    span_of = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int32)
    span_of[number[: len(told)]] = spans[sent]
    records, known = happened["record"].to_numpy(), span_of[number[len(told) :]]
    outside = (known >= 0) & (tree.of_record[records] < 0)
    tree.of_record[records[outside]] = known[outside]


def add_command_spans(tree: Tree, told: pd.DataFrame, parents: npt.NDArray[Any]) -> Numbers:
    """The spans of commands, each with one behind it for its wait for its turn in the sequence of its host."""
    operations, threads = tree.operations(parents), objects(told["thread"])
    scheduled, sent, received, given_up, first, receiver, closer = (
        told[name].to_numpy() for name in ("scheduled", "sent", "received", "given_up", "sender", "receiver", "closer")
    )
    held = np.flatnonzero((scheduled != NEVER) & (sent > scheduled))
    many = np.ones(len(told), dtype=np.int64)
    many[held] += 1
    span = tree.rows.reserve(int(many.sum())) + np.cumsum(many) - many
    hosts, numbers = told["HOST"].tolist(), told["SEQ"].tolist()
    said = zip(hosts, numbers, told["host_name"].tolist(), strict=True)
    whole = Told.of(
        span,
        "command",
        [name or "agent command" for name in told["command"].tolist()],
        operations,
        parents,
        np.where(scheduled != NEVER, scheduled, sent),
        np.where(received != NEVER, received, given_up),
        [{"host": host, "seq": number, "host_name": name} for host, number, name in said],
        thread=threads,
        status=np.where(told["outcome"].isin(["answered", "unanswered"]).to_numpy(), MISSING, "error"),
        first=first,
        last=np.where(receiver >= 0, receiver, closer),
    )
    in_turn = Told.of(
        span[held] + 1,
        "wait",
        [f"sequence of host {hosts[at]}" for at in held.tolist()],
        operations[held],
        span[held],
        scheduled[held],
        sent[held],
        [{"seq": numbers[at]} for at in held.tolist()],
        thread=threads[held],
        first=first[held],
    )
    tree.rows.add(whole, in_turn)
    return span


def add_states(tree: Tree, lines: Lines, states: pd.DataFrame) -> None:
    """Transitions of a VM's state, as spans without length."""
    parents = tree.of_record[states["record"].to_numpy()]
    operations = tree.operations(parents)
    mine = np.flatnonzero(pd.notna(operations))
    own = states.iloc[mine]
    records = own["record"].to_numpy()
    changes = zip(own["STATE_FROM"].tolist(), own["STATE_TO"].tolist(), strict=True)
    said = zip(own["EVENT"].tolist(), objects(own["VM_NAME"]).tolist(), strict=True)
    tree.rows.add(
        Told.of(
            tree.rows.reserve(len(mine)) + np.arange(len(mine)),
            "state",
            [f"{before} \u2192 {after}" for before, after in changes],
            operations[mine],
            parents[mine],
            lines.micros[records],
            lines.micros[records],
            [{"event": event, "vm": vm} for event, vm in said],
            first=records,
            last=records,
        )
    )
