"""The host's side of agent commands, from the agents' own logs: when a host took a command and when it had answered.

Request and answer bear the same (host, sequence) as the server's lines. The two clocks are compared over the round
trips of all commands and the difference is told, never applied: durations on one clock are right, whatever it shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.jobs import SHORT
from tracekit.build.mentions import with_records
from tracekit.build.pairing import body_of, class_names
from tracekit.frames import distinct, joint, look_up, numbers_of, objects
from tracekit.parse.events import Events
from tracekit.quality import Collector
from tracekit.read.files import Sources

KEY = ["HOST", "SEQ"]
REQUEST, BEGIN, ANSWER = "host.request", "host.command", "host.answer"
ROUTER, ITEM = "host.router", "host.item"
AGENT = "agent"
LATE = pd.Timedelta(60, "s")  # what a handler's thread prints this long after the job's end is of other work
APART = pd.Timedelta(1, "s")  # clocks that differ by more are worth a warning


def host_events(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """What agents print of commands, with ts, thread, server, source, offset and length of their records."""
    cut, asked = events.meant(REQUEST, BEGIN, ANSWER), ("HOST", "SEQ", "BODY")
    made = with_records(cut, asked, records, "ts", "thread", "server", "component", "source", "offset")
    return made[made["component"] == AGENT]


def with_host_times(
    commands: pd.DataFrame, told: pd.DataFrame, records: pd.DataFrame, sources: Sources
) -> pd.DataFrame:
    """`commands` with host_received, host_begun (its thread went to work) and host_answered; commands of which only
    the host's log tells are rows of their own.
    """
    if told.empty:  # as it is where no agent's log was given
        never = np.full(len(commands), np.datetime64("NaT", "us"))
        return commands.assign(host_received=never, host_begun=never, host_answered=never)
    first = {word: rows.drop_duplicates(KEY).set_index(KEY) for word, rows in told.groupby("means")}
    none = told.iloc[:0].set_index(KEY)
    request, answer = first.get(REQUEST, none), first.get(ANSWER, none)
    begun = begins(told)
    known = pd.MultiIndex.from_frame(commands[KEY])
    alone = told[~pd.MultiIndex.from_frame(told[KEY]).isin(known) & told["SEQ"].notna()].drop_duplicates(KEY)
    extra = alone[KEY].assign(outcome="answered", life=0, host_name=alone["server"].astype("object"))
    extra["command"] = [
        ", ".join(class_names(body_of(records, sources, record, place))) or None
        for record, place in zip(alone["record"], alone["BODY"], strict=True)
    ]
    made = commands.copy()
    if len(alone):
        # What a command of the host's log alone does not have is null.
        whole: dict[Any, Any] = {
            name: "Int64" for name, dtype in commands.dtypes.items() if dtype == "int64" and name not in extra
        }
        texts: dict[Any, Any] = dict.fromkeys(("command", "host_name", "outcome"), "object")
        kinds = {**commands.dtypes.to_dict(), **whole, **texts}
        made = pd.concat([commands, extra.reindex(columns=commands.columns)], ignore_index=True).astype(kinds)
    index = pd.MultiIndex.from_frame(made[KEY])
    for name, times in (("host_received", request["ts"]), ("host_begun", begun), ("host_answered", answer["ts"])):
        # Of a number that comes again nothing tells which of the commands the host speaks of.
        made[name] = times.reindex(index).mask(index.duplicated(keep=False)).to_numpy().astype("datetime64[us]")
    return made


def begins(told: pd.DataFrame) -> pd.Series[Any]:
    """When the thread that took each request began with its first command, by (host, sequence)."""
    rows = told.sort_values("record")
    by_thread = rows.groupby(["source", "thread"], observed=True)
    after = by_thread["means"].shift(-1) == BEGIN
    return (
        rows.assign(begun=by_thread["ts"].shift(-1))[after & (rows["means"] == REQUEST)]
        .drop_duplicates(KEY)
        .set_index(KEY)["begun"]
    )


def assign_host_lines(
    records: pd.DataFrame, told: pd.DataFrame, commands: pd.DataFrame, drafts: pd.DataFrame
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Operation of each record of an agent's log, and row of `commands` while its thread is busy with one.

    At INFO an agent prints no requests: there the logid of the job tells, within the operation's time, for a thread
    keeps the last one.
    """
    at = np.flatnonzero(records["component"] == AGENT)
    mine = records.iloc[at]
    if not len(at):
        busy = pd.Series(index=mine.index, dtype="Int64")
        return busy.astype("object"), busy
    busy = busy_with(mine, told, commands)
    operation = look_up(busy, commands["operation"]).astype("object")
    rest = mine[operation.isna() & mine["logid"].notna()]
    operation = operation.fillna(by_logid(rest, drafts))
    return operation, busy


def busy_with(mine: pd.DataFrame, told: pd.DataFrame, commands: pd.DataFrame) -> pd.Series[Any]:
    """Row of `commands` with which the thread of each record of an agent's log was busy, from request to answer."""
    number = pd.Series(commands.index, index=pd.MultiIndex.from_frame(commands[KEY]))
    number = number[~number.index.duplicated()]
    marks = told[told["means"] != BEGIN].set_index("record")
    held = number.reindex(pd.MultiIndex.from_frame(marks[KEY])).set_axis(marks.index)
    thread = [mine["source"], mine["thread"]]
    means = marks["means"].reindex(mine.index)
    # After its answer a thread is free: the lines behind it, up to the next request, are nobody's.
    free = means.groupby(thread, observed=True).shift(1) == ANSWER
    turn = (free | (means == REQUEST)).groupby(thread, observed=True).cumsum()
    busy = held.reindex(mine.index).groupby([*thread, turn], observed=True).ffill()
    return busy.astype("Int64")


def with_router_times(
    commands: pd.DataFrame, told: pd.DataFrame, records: pd.DataFrame, events: Events, at_command: pd.Series[Any]
) -> pd.DataFrame:
    """`commands` with router_lock, what each waited at most for the lock of its router, and in_router_ms, what the
    router's scripts took. `at_command`: row of `commands` by record.

    The agent says nothing before it has the lock: the first line after a command's beginning is behind it.
    """
    if at_command.empty:
        none = pd.Series(index=commands.index, dtype="Int64")
        return commands.assign(router_lock=none.astype("timedelta64[us]"), in_router_ms=none)
    made = events.meaning(ROUTER, ITEM, columns=["MILLIS"]).set_index("record")
    configured = made.index[made["means"] == ROUTER]
    mine = records.loc[records["component"] == AGENT, ["source", "thread", "ts"]]
    means = told.set_index("record")["means"].reindex(mine.index)
    thread = [mine["source"], mine["thread"]]
    turn = means.notna().groupby(thread, observed=True).cumsum()
    known = pd.Series(mine.index.isin(configured), index=mine.index).groupby([*thread, turn], observed=True)
    waited = mine["ts"].groupby(thread, observed=True).shift(-1) - mine["ts"]
    waited = waited[(means == BEGIN) & known.transform("any")]
    lock = waited.groupby(at_command.reindex(waited.index)).sum()
    items = made.loc[made["means"] == ITEM, "MILLIS"]
    work = items.groupby(at_command.reindex(items.index)).sum()
    return commands.assign(router_lock=lock.reindex(commands.index), in_router_ms=work.reindex(commands.index))


def unsplit(commands: pd.DataFrame, told: pd.DataFrame, asked: set[str], records: pd.DataFrame) -> pd.Series[Any]:
    """Why the time of a command at a host with an agent of its own cannot be split: "not given", the agent's log;
    "no requests" in it, as at INFO; "not covered", this command. Null where it can, and where there is no such agent.
    `asked` are the hosts with one.
    """
    given, said = agents_given(records), set(told["server"].tolist())
    split = commands["host_answered"].notna().tolist()
    why = [
        None
        if known or name not in asked
        else "not given"
        if name not in given
        else "not covered"
        if name in said
        else "no requests"
        for name, known in zip(commands["host_name"].tolist(), split, strict=True)
    ]
    return pd.Series(why, index=commands.index, dtype="object")


def agents_given(records: pd.DataFrame) -> set[str]:
    """Hosts whose agents' logs were given."""
    server = records["server"].array
    codes = distinct(server.codes[(records["component"] == AGENT).to_numpy()])
    return {str(name) for name in server.categories[codes[codes >= 0]]}


def agents(sent: pd.DataFrame) -> set[str]:
    """Hosts that commands are sent to, those left out that the server itself plays."""
    means, names = sent["means"].to_numpy(dtype=object), objects(sent["HOST_NAME"])
    number = joint(*(numbers_of(sent[name]) for name in ("life", "SEQ")))
    here = np.isin(number, number[means == "command.begun"])  # by a thread of the server
    inside = names[here | (means == "command.execute")]
    asked = names[(means == "command.send") | (means == "command.wait")]
    return set(asked.tolist()) - set(inside.tolist()) - {None}


def by_logid(lines: pd.DataFrame, drafts: pd.DataFrame) -> pd.Series[Any]:
    """Operation whose job's uuid begins with the logid of each line, where the line lies in its time."""
    table = drafts.dropna(subset=["uuid"]).assign(short=lambda t: t["uuid"].str[:SHORT], operation=lambda t: t.index)
    table = table.drop_duplicates("short", keep=False).set_index("short")
    begin, end = look_up(lines["logid"], table["submitted"]), look_up(lines["logid"], table["completed"])
    inside = (lines["ts"] >= begin - LATE) & ~(lines["ts"] > end + LATE)
    return look_up(lines["logid"], table["operation"]).astype("object").where(inside, None)


def host_shares(command: Any) -> dict[str, float]:
    """Milliseconds that a command spent on the wire, waiting for a thread of the agent, waiting for the lock of its
    router at most, and in execution, in_router_ms of it by the router's scripts.

    Each is a difference on one clock. `command` is one of which the host's log tells.
    """
    at_host = command.host_answered - command.host_received
    begun = command.host_begun if pd.notna(command.host_begun) else command.host_received
    lock = command.router_lock if pd.notna(command.router_lock) else pd.Timedelta(0)
    made = {
        "host_wait_ms": in_ms(begun - command.host_received),
        "execution_ms": in_ms(command.host_answered - begun - lock),
    }
    if pd.notna(command.router_lock):
        made["router_lock_ms"] = in_ms(lock)
    if pd.notna(command.in_router_ms):
        made["in_router_ms"] = float(command.in_router_ms)
    if pd.notna(command.sent) and pd.notna(command.answered):
        made["wire_ms"] = in_ms(command.answered - command.sent - at_host)
    return made


def in_ms(length: pd.Timedelta) -> float:
    """Milliseconds of a duration."""
    return float(length / pd.Timedelta(1, "ms"))


def count_offsets(commands: pd.DataFrame, told: pd.DataFrame, quality: Collector) -> None:
    """By how much each host's clock is ahead of the server's: a command cannot arrive before it was sent, nor its
    answer before the host gave it, so every round trip bounds the difference from both sides.
    """
    if told.empty:
        return
    source = told.drop_duplicates("HOST").set_index("HOST")["source"].astype("str")
    trips = commands.dropna(subset=["sent", "answered", "host_received", "host_answered"])
    for host, rows in trips.groupby("HOST"):
        most = (rows["host_received"] - rows["sent"]).min()
        least = (rows["host_answered"] - rows["answered"]).max()
        offset, slack = (most + least) / 2, abs(most - least) / 2
        name = rows["host_name"].dropna().iloc[0] if rows["host_name"].notna().any() else f"host {host}"
        away = abs(offset) - slack
        quality.add(
            f"clock of {name} against the server's",
            "warning" if away > APART else "note",
            len(rows),
            example=f"{in_ms(offset):+.0f} ms, give or take {in_ms(slack):.0f}; shown, not applied",
            where=str(source.get(host, "")) or None,
        )
    if not len(trips):
        quality.add("agent's log without a command of the server's log", "note", example="its times cannot be compared")


def count_missing(asked: set[str], records: pd.DataFrame, quality: Collector) -> None:
    """Hosts with an agent of their own whose log was not given, and what it would add."""
    missing = sorted(asked - agents_given(records))
    if missing:
        quality.add(
            "hosts without their agent's log",
            "note",
            len(missing),
            example=f"{', '.join(missing[:3])}: it would split each command into wire, wait for a thread, execution",
        )
