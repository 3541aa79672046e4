"""What was printed against what was rebuilt, as two plain tables that pytest can show the difference of."""

from __future__ import annotations

from typing import Any

import pandas as pd

from generator.log import EPOCH
from generator.truth import Truth
from tracekit.trace import Trace

Row = dict[str, Any]
JOB_TIMES = ("submitted", "queued", "scheduled", "started", "completed")


def clock(ms: int | None) -> pd.Timestamp | None:
    """The log's time of a truth's milliseconds."""
    return None if ms is None else pd.Timestamp(EPOCH) + pd.Timedelta(milliseconds=ms)


def plain(value: Any) -> Any:
    """None for every kind of null."""
    return None if value is None or value is pd.NaT or pd.isna(value) else value


def rows(table: pd.DataFrame, keys: tuple[str, ...], columns: tuple[str, ...]) -> dict[Any, Row]:
    """Rows of a table by key, with these columns."""
    made = {}
    for row in table.to_dict("records"):
        key = tuple(plain(row[name]) for name in keys)
        made[key if len(key) > 1 else key[0]] = {name: plain(row[name]) for name in columns}
    return made


def printed_jobs(truth: Truth) -> dict[int, Row]:
    return {
        job.job: {
            "kind": job.seen_kind,
            "origin": job.seen_origin,
            "vm": job.seen_vm,
            "status": job.status,
            **{name: clock(getattr(job, name)) for name in JOB_TIMES},
        }
        for job in truth.jobs.values()
        if job.known
    }


def rebuilt_jobs(trace: Trace) -> dict[int, Row]:
    return rows(trace.jobs, ("job",), ("kind", "origin", "vm", "status", *JOB_TIMES))


OPERATION = ("submitted", "returned", "completed", "client_seen")


def printed_operations(truth: Truth) -> dict[str, Row]:
    return {
        name: {"status": row.status, **{at: clock(getattr(row, at)) for at in OPERATION}}
        for name, row in truth.expected().items()
    }


def rebuilt_operations(trace: Trace, truth: Truth) -> dict[str, Row]:
    """Without the operations behind a pseudo job, which have no request and no job of their own."""
    return {
        name: row
        for name, row in rows(trace.operations, ("operation",), ("status", *OPERATION)).items()
        if name not in truth.pseudo
    }


COMMAND = ("scheduled", "sent", "answered", "received")


def printed_commands(truth: Truth) -> list[tuple[Any, ...]]:
    made = []
    for command in truth.commands:
        if not command.known:
            continue
        asked = command.when("wait", "send", "receive", "direct") is not None
        times = (command.scheduled, command.sent, command.when("answer"), command.when("receive"))
        made.append(
            (
                command.seq,
                command.host,
                ", ".join(command.names) if command.when("wait", "send", "direct") is not None else None,
                command.job if asked else None,
                command.operation if asked else None,
                command.outcome,
                *map(clock, times),
            )
        )
    return sorted(made, key=str)


def rebuilt_commands(trace: Trace) -> list[tuple[Any, ...]]:
    """Commands of operations, and answers whose question was not printed."""
    table = trace.commands
    mine = table[table["operation"].notna() | (table["sent"].isna() & table["received"].isna())]
    made = []
    for row in mine.to_dict("records"):
        sent = pd.notna(row["sent"]) or pd.notna(row["scheduled"])
        made.append(
            (
                row["seq"],
                row["host"],
                plain(row["command"]) if sent else None,
                plain(row["job"]),
                plain(row["operation"]),
                row["result"],
                *(plain(row[name]) for name in COMMAND),
            )
        )
    return sorted(made, key=str)


def tables(trace: Trace, operation: str | None = None) -> dict[str, list[Row]]:
    """Spans, jobs, commands, ledger and operations without what depends on the file: numbers of spans and records.

    Of one operation without those that it waited for: who they were is said by lines of theirs.
    """
    made = {}
    for name in ("operations", "jobs", "commands", "ledger", "spans"):
        table = getattr(trace, name)
        if operation is not None:
            table = table[table["operation"] == operation]
            if name == "ledger":
                table = table.assign(owner=table["owner"].str.partition(", behind ")[0])
        if name == "spans":
            place = {span: number for number, span in enumerate(table["span"])}
            table = table.assign(parent=[place.get(parent) for parent in table["parent"].astype("object")])
        dropped = {"span", "request", "first_record", "last_record", "thread", "server"} & set(table.columns)
        made[name] = [
            {key: plain(value) if not isinstance(value, dict) else value for key, value in row.items()}
            for row in table.drop(columns=list(dropped)).to_dict("records")
        ]
    return made
