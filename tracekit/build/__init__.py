"""Step three: records and events to operations, jobs, commands, the span tree and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from tracekit.aside import table_aside
from tracekit.build.apilog import logged_operations, logged_requests, with_callers, with_uuids
from tracekit.build.context import add_lives, add_runs
from tracekit.build.doubts import Doubts
from tracekit.build.explain import Explainer
from tracekit.build.hosts import (
    agents,
    assign_host_lines,
    count_missing,
    count_offsets,
    host_events,
    host_shares,
    unsplit,
    with_host_times,
    with_router_times,
)
from tracekit.build.jobs import build_jobs, job_events
from tracekit.build.ledger import build_ledger, count_unlogged
from tracekit.build.lines import Lines
from tracekit.build.mentions import with_records
from tracekit.build.model import Model, load_model
from tracekit.build.names import describe_operations, errors_of, with_entities
from tracekit.build.numbering import databases
from tracekit.build.operations import Drafts, assign_records, describe_runs, draft_operations
from tracekit.build.pairing import (
    build_commands,
    command_events,
    commands_table,
    doubt_commands,
    name_commands,
)
from tracekit.build.requests import build_requests
from tracekit.build.runshapes import RunShapes
from tracekit.build.silence import load_silences
from tracekit.build.spans import nullable
from tracekit.build.stages import add_stages
from tracekit.build.systems import installations, part, united
from tracekit.build.tree import Tree, build_tree
from tracekit.build.waits import add_waits, find_waits
from tracekit.frames import first_places, look_up, numbers_of, objects, rows, used_only
from tracekit.memory import give_back
from tracekit.parse import Parsed
from tracekit.parse.events import Events
from tracekit.parse.grammar import Messages
from tracekit.processes import Meanwhile, forked
from tracekit.quality import Collector
from tracekit.read.files import Sources
from tracekit.resources import grammars
from tracekit.schema import JOBS, RECORDS, check, frame

STATES = ("STATE_FROM", "STATE_TO", "EVENT", "VM_NAME")  # columns of a VM's transitions


class Built(NamedTuple):
    """The tables that the build step makes."""

    records: pd.DataFrame
    spans: pd.DataFrame
    operations: pd.DataFrame
    jobs: pd.DataFrame
    commands: pd.DataFrame
    ledger: pd.DataFrame


class Knowledge(NamedTuple):
    """What the grammars say of operations, stages and the time between two lines."""

    model: Model
    explainer: Explainer

    @classmethod
    def of(cls, messages: Messages) -> Self:
        """For the rules that read the messages. Raises GrammarError where a file is wrong."""
        model = load_model(grammars())
        return cls(model, Explainer.of(model, messages.meanings, load_silences(grammars())))


def build(parsed: Parsed, sources: Sources, quality: Collector, knowledge: Knowledge) -> Built:
    """Join what belongs together, whichever thread and server printed it, and give every millisecond an owner."""
    apart = installations(parsed.records)
    if apart is not None:
        count = int(apart.nunique())
        quality.add("installations that do not belong together", "warning", count, example="each is shown for itself")
    groups = databases(parsed.records, parsed.events, apart, quality)
    if groups is None:
        return build_one(parsed, sources, quality, knowledge)
    chosen = [np.flatnonzero(groups.to_numpy() == group) for group in groups.unique()]
    parts = [build_one(part(parsed, numbers), sources, quality, knowledge) for numbers in chosen]
    return Built(**united([built._asdict() for built in parts], chosen))


@dataclass
class Joined:
    """One installation's tables while they are made, and the tree over them."""

    records: pd.DataFrame
    runs: pd.DataFrame
    drafts: Drafts
    jobs: pd.DataFrame
    commands: pd.DataFrame
    logged: pd.DataFrame  # lines of apilog
    tree: Tree
    doubts: Doubts


def build_one(parsed: Parsed, sources: Sources, quality: Collector, knowledge: Knowledge) -> Built:
    """The tables of one installation, which may have several servers."""
    model, explainer = knowledge
    made, lines = join(parsed, sources, model, quality)
    give_back()
    records, tree, commands = made.records, made.tree, made.commands
    add_stages(tree, lines, made.runs, commands, parsed.events, explainer.names, model)
    ledger, most = build_ledger(
        made.drafts.table, made.runs, made.jobs, commands, tree, lines, explainer, records, parsed.events
    )
    ledger = table_aside(ledger)
    count_unlogged(ledger, quality)
    jobs = errors_of(made.jobs, parsed.events)
    named = with_callers(with_entities(made.drafts.table, jobs, parsed.events, records), made.logged)
    operations = describe_operations(named.assign(**most), tree, ledger, jobs, made.doubts)
    known = {name: records[name] for name in RECORDS if name in records}
    records = frame(RECORDS, known | {"span": nullable(tree.of_record)})
    del made, lines  # large, and not needed for what is largest
    records = table_aside(records, ["operation", "span"])
    spans = table_aside(tree.rows.table())
    where = servers_of(records, spans)
    return Built(
        check(records, RECORDS, "records"),
        spans.assign(server=where),
        operations.assign(server=server_by(operations["operation"], spans, where)),
        check(frame(JOBS, dict(jobs.items()) | {"server": server_of_jobs(records, jobs)}), JOBS, "jobs"),
        commands_table(commands),
        ledger,
    )


def join(parsed: Parsed, sources: Sources, model: Model, quality: Collector) -> tuple[Joined, Lines]:
    """What belongs together by its keys, as runs, operations, jobs and commands, and the call tree of it; what the tree
    asks of the records.
    """
    records = add_runs(add_lives(parsed.records, parsed.events), parsed.events)
    records = table_aside(records, ["life", "run", "run_kind"])
    meanings, runs = parsed.messages.meanings, describe_runs(records)
    lines = Lines.of(records, meanings)
    roles = {name: meaning.role for name, meaning in meanings.items() if meaning.role}
    shapes = Meanwhile(
        partial(RunShapes.of, lines, runs["run_kind"], grammars(), roles),
        RunShapes.packed,
        RunShapes.unpacked,
        by=forked(len(records)),
    )
    happened = job_events(records, parsed.events)
    jobs = build_jobs(records, happened)
    sent = command_events(records, parsed.events)
    commands = build_commands(sent)
    requests = build_requests(records, parsed.events, sources, model)
    logged = logged_requests(records, parsed.events, requests)
    jobs = with_uuids(jobs, logged, happened)
    doubts = Doubts(quality)
    drafts = draft_operations(runs, requests, jobs, happened, model, doubts, quality)
    assigned = assign_records(records, drafts, commands, [happened, sent])
    commands["operation"] = look_up(commands["run"], drafts.of_run)
    doubt_commands(commands, doubts)
    # Of objects: a name that is not known stays None, which is false, where another type would make it NaN.
    commands["command"] = pd.Series(name_commands(commands, sent, records, sources), commands.index, dtype="object")
    told = host_events(records, parsed.events)
    commands = with_host_times(commands, told, records, sources)
    count_offsets(commands, told, quality)
    asked = agents(sent)
    count_missing(asked, records, quality)
    on_host, at_command = assign_host_lines(records, told, commands, drafts.table)
    commands = with_router_times(commands, told, records, parsed.events, at_command)
    commands["unsplit"] = unsplit(commands, told, asked, records)
    for said in (on_host, logged_operations(logged, drafts.of_run)):
        assigned.fill(said.index.to_numpy(), assigned.numbers(said))
    records["operation"] = assigned.column()
    jobs["operation"] = look_up(jobs["job"], drafts.of_job)
    runs["operation"] = drafts.of_run.reindex(runs.index)
    runs["is_poll"] = runs.index.isin(requests.index[requests["polled"].notna()])

    seen = tree_events(records, parsed.events, sent)
    tree = build_tree(lines, runs, drafts, requests, jobs, commands, seen, shapes.made)
    add_host_side(tree, commands, at_command)
    add_waits(tree, find_waits(runs, jobs, happened, lines, doubts), jobs, lines)
    return Joined(records, runs, drafts, jobs, commands, logged, tree, doubts), lines


def servers_of(records: pd.DataFrame, spans: pd.DataFrame) -> pd.Series[Any]:
    """The server that printed the first line of each span."""
    first, server = numbers_of(spans["first_record"]), records["server"].array
    codes = np.where(first >= 0, server.codes[first], -1)
    return pd.Series(used_only(pd.Categorical.from_codes(codes, dtype=server.dtype)))


def server_by(operations: pd.Series[Any], spans: pd.DataFrame, where: pd.Series[Any]) -> pd.Series[Any]:
    """The server of the first span of each operation, which is no call; `where` is that of each span."""
    servers = where.array
    mine = np.flatnonzero((spans["kind"] != "call").to_numpy() & (servers.codes >= 0))[::-1]
    # Of an operation's several spans the first, which comes last.
    of = dict(zip(spans["operation"].array[mine].tolist(), servers.codes[mine].tolist(), strict=True))
    codes = [of.get(name, -1) for name in operations.tolist()]
    return pd.Series(used_only(pd.Categorical.from_codes(codes, dtype=servers.dtype)), operations.index)


def server_of_jobs(records: pd.DataFrame, jobs: pd.DataFrame) -> pd.Series[Any]:
    """The server on which each job ran."""
    job = numbers_of(records["job"])
    first = first_places(job)
    ran = pd.Series(records["server"].array[first], index=job[first])
    return look_up(jobs["job"], ran).cat.remove_unused_categories()


def add_host_side(tree: Tree, commands: pd.DataFrame, at_command: pd.Series[Any]) -> None:
    """Tell the spans of commands what the hosts say, and put the hosts' lines into them."""
    spans = numbers_of(commands["span"])
    sent = np.flatnonzero(spans >= 0)
    attributes = tree.rows.told.attributes[tree.rows.roots(spans[sent])]
    told = (commands["host_received"].notna() & commands["host_answered"].notna()).to_numpy()[sent]
    for at, why in zip(np.flatnonzero(~told).tolist(), objects(commands["unsplit"])[sent[~told]], strict=True):
        if why is not None:
            attributes[at]["unsplit"] = why
    if at_command.empty:  # as it is where no agent's log was given
        return
    for at, command in zip(np.flatnonzero(told).tolist(), rows(commands.iloc[sent[told]]), strict=True):
        attributes[at].update(host_shares(command))
    held = look_up(at_command.dropna(), commands["span"]).dropna()
    tree.of_record[held.index.to_numpy()] = held.to_numpy(dtype="int64")


def tree_events(records: pd.DataFrame, events: Events, sent: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Events that the tree asks for, with time and run of their records."""
    made: dict[str, pd.DataFrame] = {"commands": sent}
    for word, columns in (("request.end", ()), ("job.remove", ()), ("vm.state", STATES)):
        made[word] = with_records(events.meant(word), columns, records, "ts", "run")
    return made
