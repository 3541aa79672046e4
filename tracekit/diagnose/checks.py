"""Tables that no declaration can describe. Rules name them like any other table; there should be few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.diagnose.rows import Rows, nothing, once, values
from tracekit.frames import by_source

if TYPE_CHECKING:
    from tracekit.diagnose.tables import Tables

TEXT = 300  # bytes of a line that a title may quote


def empty(*more: str) -> Rows:
    """No rows, with the columns that every table has and `more`."""
    return Rows(0, {name: nothing(0) for name in ("operation", "start", "end", "first", "last", "span", *more)})


def parents(tables: Tables) -> Rows:
    """From the end of each work job to the next line of the job that waited for it."""
    jobs = tables.jobs[tables.jobs["origin"].notna() & tables.jobs["completed"].notna()]
    records = tables.records
    lines = records.loc[records["job"].notna() & records["origin"].isna(), ["ts", "job"]]
    if jobs.empty or lines.empty:
        return empty("parent", "job")
    lines = pd.DataFrame({"end": lines["ts"], "parent": lines["job"].astype("int64"), "last": lines.index})
    ended = pd.DataFrame(
        {
            "start": jobs["completed"],
            "parent": jobs["origin"].astype("int64"),
            "job": jobs["job"],
            "operation": jobs["operation"],
        }
    )
    both = pd.merge_asof(
        ended.sort_values("start"),
        lines.sort_values("end", kind="stable"),
        left_on="start",
        right_on="end",
        by="parent",
        direction="forward",
    )
    return Rows.of(both[both["last"].notna()].assign(first=None, span=None))


def backsteps(tables: Tables) -> Rows:
    """Lines with a time before that of an earlier line of the same file: start is its own time, end the earlier one."""
    parts = []
    for _, table in by_source(tables.records, "ts"):
        part = table["ts"]
        reached = part.cummax()
        late = part < reached
        first_of_step = late & ~late.shift(1, fill_value=False)
        rows = part[first_of_step]
        parts.append(
            pd.DataFrame({"start": rows, "end": reached[first_of_step], "first": rows.index - 1, "last": rows.index})
        )
    return Rows.of(pd.concat(parts, ignore_index=True).assign(operation=None, span=None)) if parts else empty()


def files(tables: Tables) -> Rows:
    """One row a file: `records`, the shares of TRACE and DEBUG lines and `rate`, records a second."""
    made = []
    for source, part in by_source(tables.records, "ts", "level", "job"):
        took = max((part["ts"].max() - part["ts"].min()) / pd.Timedelta(seconds=1), 1.0)
        levels = part["level"].value_counts(normalize=True)
        trace, debug = float(levels.get("TRACE", 0.0)), float(levels.get("DEBUG", 0.0))
        made.append(
            {
                "source": source,
                "start": part["ts"].min(),
                "end": part["ts"].max(),
                "first": part.index[0],
                "last": part.index[-1],
                "records": len(part),
                "trace": trace,
                "debug": debug + trace,
                "rate": len(part) / took,
                "jobs": int(part["job"].nunique()),
            }
        )
    if not made:
        return empty("source", "records", "trace", "debug", "rate", "jobs")
    return Rows.of(pd.DataFrame(made).assign(operation=None, span=None))


def storms(tables: Tables) -> Rows:
    """Statements at WARN or ERROR with a trace, by logger and minute: `times` a minute; start and end of the minute."""
    records = tables.records
    keep = records["level"].isin(["WARN", "ERROR", "FATAL"]) & (records["lines"] > 3)
    loud = records.loc[keep, ["logger", "event", "ts"]]
    if loud.empty:
        return empty("logger", "event", "minute", "times")
    keyed = pd.DataFrame(
        {
            "logger": loud["logger"].astype("object"),
            "event": loud["event"].astype("object"),
            "minute": loud["ts"].dt.floor("min"),
            "ts": loud["ts"],
            "record": loud.index,
        }
    )
    grouped = keyed.groupby(["logger", "event", "minute"], dropna=False)
    made = grouped.agg(
        start=("ts", "min"), end=("ts", "max"), first=("record", "first"), last=("record", "last"), times=("ts", "size")
    ).reset_index()
    return Rows.of(made.assign(operation=None, span=None))


def errors(tables: Tables) -> Rows:
    """Lines of operations that failed, at WARN and above, or with an exception: `text` is the beginning of each."""
    records = tables.records
    lost = tables.operations.loc[tables.operations["status"].isin(["failed", "cancelled"]), "operation"]
    loud = records["level"].isin(["WARN", "ERROR", "FATAL"]) | (records["lines"] > 3)
    at = np.flatnonzero((records["operation"].isin(lost) & loud).to_numpy())
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
    made = jobs[begun != over]
    first, last = tables.records["ts"].min(), tables.records["ts"].max()
    half = np.where(over[begun != over], "end", "beginning")
    return Rows.of(made.assign(half=half, start=first, end=last, first=None, last=None, span=None))


CHECKS: Mapping[str, Callable[[Tables], Rows]] = {
    "parents": parents,
    "backsteps": backsteps,
    "files": files,
    "storms": storms,
    "halves": halves,
    "errors": errors,
}
