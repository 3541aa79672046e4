"""Tables that no declaration can describe. Rules name them like any other table; there should be few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.diagnose.rows import Column, Rows, nothing, once, values
from tracekit.frames import NEVER, Numbers, among, by_source, distinct, instants, numbers_of, stretches

if TYPE_CHECKING:
    from tracekit.diagnose.tables import Tables

LOUD = ("WARN", "ERROR", "FATAL")
LOST = ("failed", "cancelled")  # operations whose time was all for nothing
TRACE = 3  # lines of a record that has no stack trace, at most
MINUTE = 60_000_000  # microseconds
TEXT = 300  # bytes of a line that a title may quote


def empty(*more: str) -> Rows:
    """No rows, with the columns that every table has and `more`."""
    return Rows(0, {name: nothing(0) for name in ("operation", "start", "end", "first", "last", "span", *more)})


def bounded(start: Numbers, end: Numbers, **columns: Column) -> Rows:
    """Rows between two times in microseconds, with other columns; none has a span."""
    own = {"start": start.view("M8[us]"), "end": end.view("M8[us]"), **columns}
    none = nothing(len(start))
    return Rows(len(start), {"operation": none, "span": none, **{name: own[name].__getitem__ for name in own}})


def parents(tables: Tables) -> Rows:
    """From the end of each work job to the next line of the job that waited for it."""
    jobs, records = tables.jobs, tables.records
    parent, over = numbers_of(jobs["origin"]), instants(jobs["completed"])
    ended = np.flatnonzero((parent >= 0) & (over != NEVER))
    ended = ended[np.argsort(over[ended], kind="stable")]
    job, ts, asked = numbers_of(records["job"]), instants(records["ts"]), distinct(parent[ended])
    lines = np.flatnonzero(np.isin(job, asked) & (numbers_of(records["origin"]) < 0))
    if not len(lines):
        return empty("parent", "job")
    # A job and a time as one number, in which the times of one job do not reach those of the next.
    low = min(int(ts.min()), int(over[ended].min()))
    span = max(int(ts.max()), int(over[ended].max())) - low + 1
    base = np.searchsorted(asked, parent[ended]) * span
    key = np.searchsorted(asked, job[lines]) * span + (ts[lines] - low)
    order = np.argsort(key, kind="stable")
    behind = np.searchsorted(key[order], base + (over[ended] - low))
    known = np.flatnonzero(behind < np.searchsorted(key[order], base + span))
    ended, last = ended[known], lines[order[behind[known]]]
    columns = {"job": values(jobs["job"])[ended], "operation": values(jobs["operation"])[ended]}
    none = np.full(len(ended), None, dtype=object)
    return bounded(over[ended], ts[last], parent=parent[ended], first=none, last=last, **columns)


def backsteps(tables: Tables) -> Rows:
    """Lines with a time before that of an earlier line of the same file: start is its own time, end the earlier one."""
    parts = []
    for _, table in by_source(tables.records, "ts"):
        ts = instants(table["ts"])
        reached = np.maximum.accumulate(ts)
        late = np.flatnonzero(ts < reached)
        step = late[np.diff(late, prepend=-2) > 1]  # its first line
        parts.append((ts[step], reached[step], table.index.take(step).to_numpy()))
    if not parts:
        return empty()
    start, end, last = map(np.concatenate, zip(*parts, strict=True))
    return bounded(start, end, first=last - 1, last=last)


def files(tables: Tables) -> Rows:
    """One row a file: `records`, the shares of TRACE and DEBUG lines and `rate`, records a second."""
    made = [file_of(source, part) for source, part in by_source(tables.records, "ts", "level", "job")]
    if not made:
        return empty("source", "records", "trace", "debug", "rate", "jobs")
    columns = {name: np.array([one[name] for one in made]) for name in made[0]}
    return bounded(**{**columns, "source": columns["source"].astype(object)})


def file_of(source: str, part: pd.DataFrame) -> dict[str, Any]:
    """The columns of one file."""
    ts, job = instants(part["ts"]), numbers_of(part["job"])
    known = max(part["level"].count(), 1)
    trace, debug = (int(among(part["level"], [level]).sum()) / known for level in ("TRACE", "DEBUG"))
    return {
        "source": source,
        "start": ts.min(),
        "end": ts.max(),
        "first": part.index[0],
        "last": part.index[-1],
        "records": len(part),
        "trace": trace,
        "debug": debug + trace,
        "rate": len(part) / max(int(ts.max() - ts.min()) / 1e6, 1.0),
        "jobs": len(pd.unique(job[job >= 0])),
    }


def storms(tables: Tables) -> Rows:
    """Statements at WARN or ERROR with a trace, by logger and minute: `times` a minute; start and end of the minute."""
    records = tables.records
    at = np.flatnonzero(among(records["level"], LOUD) & (records["lines"].to_numpy() > TRACE))
    if not len(at):
        return empty("logger", "event", "minute", "times")
    logger, event = (records[name].array.take(at) for name in ("logger", "event"))
    ts = instants(records["ts"])[at]
    keys = ts // MINUTE, ranks(event), ranks(logger)
    order = np.lexsort(keys)
    begins, ends = stretches(np.logical_and.reduce([np.diff(key[order]) == 0 for key in keys]), len(at))
    first = order[begins]
    return bounded(
        np.minimum.reduceat(ts[order], begins),
        np.maximum.reduceat(ts[order], begins),
        first=at[first],
        last=at[order[ends]],
        times=ends - begins + 1,
        logger=logger[first],
        event=event[first],
        minute=(keys[0][first] * MINUTE).view("M8[us]"),
    )


def ranks(column: Any) -> Numbers:
    """For each row of a categorical column the place of its name when they are sorted, null behind all."""
    order = np.argsort(np.array(column.categories, dtype=object), kind="stable")
    made = np.full(len(order) + 1, len(order))
    made[order] = np.arange(len(order))
    return np.asarray(made[column.codes])


def errors(tables: Tables) -> Rows:
    """Lines of operations that failed, at WARN and above, or with an exception: `text` is the beginning of each."""
    records, operations = tables.records, tables.operations
    lost = set(operations["operation"].to_numpy(dtype=object)[among(operations["status"], LOST)])
    loud = among(records["level"], LOUD) | (records["lines"].to_numpy() > TRACE)
    at = np.flatnonzero(among(records["operation"], lost) & loud)
    logger, event, begins = (values(records[name]) for name in ("logger", "event", "message"))
    return tables.said(at).having(
        text=once(lambda: beginnings(tables.texts(at), begins[at])),
        logger=lambda chosen: logger[at[chosen]],
        event=lambda chosen: event[at[chosen]],
    )


def beginnings(texts: Sequence[bytes], begins: Sequence[int]) -> Any:
    """The first bytes of each message, decoded."""
    cut = [text[begin : begin + TEXT].decode("utf-8", "replace") for text, begin in zip(texts, begins, strict=True)]
    return pd.array(cut, dtype="str")


def halves(tables: Tables) -> Rows:
    """Jobs of which this input has only the beginning or only the end; `half` says which."""
    jobs = tables.jobs
    begun, over = jobs["started"].notna() | jobs["submitted"].notna(), jobs["completed"].notna()
    at = np.flatnonzero((begun != over).to_numpy())
    if not len(at):
        return empty("half")
    ts, rows, none = instants(tables.records["ts"]), Rows.of(jobs).take(at), nothing(len(at))
    return rows.having(
        half=np.where(over.to_numpy()[at], "end", "beginning").astype(object).__getitem__,
        start=np.full(len(at), ts.min()).view("M8[us]").__getitem__,
        end=np.full(len(at), ts.max()).view("M8[us]").__getitem__,
        first=none,
        last=none,
        span=none,
    )


CHECKS: Mapping[str, Callable[[Tables], Rows]] = {
    "parents": parents,
    "backsteps": backsteps,
    "files": files,
    "storms": storms,
    "halves": halves,
    "errors": errors,
}
