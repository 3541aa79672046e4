"""What holds for every input, damaged ones included: a list of what does not, for one trace and the bytes it is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tracekit.trace import Trace

ASYNC = ("job", "queue", "work", "command", "wait")  # kinds that may outlive what began them


def broken(trace: Trace, size: int) -> list[str]:
    """Every broken invariant in words. `size`: bytes of all sources."""
    return [
        *parents(trace.spans),
        *nested(trace),
        *times(trace.spans),
        *ledger(trace),
        *records(trace),
        *covered(trace, size),
    ]


def parents(spans: pd.DataFrame) -> Iterator[str]:
    """Parents stand before their children, and in the same operation."""
    if not (spans["span"].to_numpy() == np.arange(len(spans))).all():
        yield "span is not the row number"
    children = spans[spans["parent"].notna()]
    late = children["parent"].astype("int64") >= children["span"]
    yield from (f"span {span} stands before its parent" for span in children.loc[late, "span"])
    above = spans.loc[children["parent"].astype("int64"), "operation"].to_numpy(dtype=object)
    own = children["operation"].to_numpy(dtype=object)
    other = [
        span
        for span, a, b in zip(children["span"], own, above, strict=True)
        if a != b and not (pd.isna(a) and pd.isna(b))
    ]
    yield from (f"span {span} is of another operation than its parent" for span in other)


def nested(trace: Trace) -> Iterator[str]:
    """A child lies in its parent, unless it is asynchronous, or its parent or itself never ended.

    A change of state keeps the instant that its line prints, also where the clock was set back around it.
    """
    spans = trace.spans
    free = ASYNC + (("state",) if "steps back in time" in set(trace.quality["counter"]) else ())
    children = spans[spans["parent"].notna()]
    above = spans.loc[children["parent"].astype("int64")]
    for child, parent in zip(children.itertuples(), above.itertuples(), strict=True):
        if child.kind in free or child.status == "orphan" or parent.status == "orphan":
            continue
        if pd.notna(parent.end) and pd.notna(child.end) and (child.start < parent.start or child.end > parent.end):
            yield f"span {told(child)} leaves its parent {told(parent)}"


def told(span: Any) -> str:
    return f"{span.span} ({span.kind} {span.name}, {span.start} to {span.end})"


def times(spans: pd.DataFrame) -> Iterator[str]:
    """No negative self time; an end is missing exactly where the span says so."""
    zero = pd.Timedelta(0)
    yield from (f"span {span} has a negative self time" for span in spans.loc[spans["self_time"] < zero, "span"])
    over = spans["self_time"] > spans["duration"].clip(lower=zero)
    yield from (f"span {span} has more self time than time" for span in spans.loc[over, "span"])
    unsaid = spans["end"].isna() != (spans["ends"] == "open")
    yield from (f"span {span} does not say how it ends" for span in spans.loc[unsaid, "span"])


def ledger(trace: Trace) -> Iterator[str]:
    """Rows of one operation follow one another without hole or overlap from submitted to completed."""
    rows = trace.ledger[trace.ledger["category"] != "client"]
    by = dict(iter(rows.groupby("operation")))
    for operation in trace.operations.itertuples():
        mine = by.pop(operation.operation, rows.iloc[:0])
        if pd.isna(operation.wall) or operation.wall == pd.Timedelta(0):
            if len(mine) and pd.isna(operation.wall):
                yield f"{operation.operation} has a ledger and no wall time"
            continue
        if not len(mine):
            yield f"{operation.operation} has a wall time of {operation.wall} and no ledger"
            continue
        edges = [operation.submitted, *mine["end"]]
        if list(mine["start"]) != edges[:-1]:
            yield f"{operation.operation}: its ledger has a hole or an overlap"
        if edges[-1] != operation.completed or (mine["end"] - mine["start"]).sum() != operation.wall:
            yield f"{operation.operation}: its ledger does not sum to its wall time"
    yield from (f"{name} is in the ledger and not among the operations" for name in by)
    if (rows["end"] <= rows["start"]).any():
        yield "the ledger has empty intervals"


def records(trace: Trace) -> Iterator[str]:
    """A record is in one operation at most: that of its span, and one that the table has."""
    mine = trace.records[trace.records["span"].notna()]
    above = trace.spans.loc[mine["span"].astype("int64"), "operation"].to_numpy(dtype=object)
    for record, own, of_span in zip(mine.index, mine["operation"], above, strict=True):
        if isinstance(of_span, str) and own != of_span:
            yield f"record {record} is in {own}, its span in {of_span}"
    strange = set(trace.records["operation"].dropna()) - set(trace.operations["operation"])
    yield from (f"records are in {name}, which is no operation" for name in sorted(strange))
    if trace.operations["operation"].duplicated().any():
        yield "an operation stands twice in the table"


def covered(trace: Trace, size: int) -> Iterator[str]:
    """Every byte belongs to one record or to the counted bytes before the first."""
    counted = dict(zip(trace.quality["counter"], trace.quality["count"], strict=True))
    before = 0
    for source, mine in trace.records.groupby("source", observed=True):
        ends = (mine["offset"] + mine["length"]).to_numpy()
        if (mine["offset"].to_numpy()[1:] != ends[:-1]).any():
            yield f"{source}: records do not follow one another"
        before += int(mine["offset"].iloc[0])
        glued = mine["offset"].isin([place + 1 for place in trace.sources[str(source)].inserted]).to_numpy()
        lines = (mine["line"] + mine["lines"]).to_numpy()
        if (mine["line"].to_numpy()[1:] != lines[:-1] - glued[1:]).any():
            yield f"{source}: lines do not follow one another"
    if before != counted.get("bytes before the first record", 0):
        yield f"{before} bytes before first records, {counted.get('bytes before the first record', 0)} counted"
    lost = size + sum(len(source.inserted) for source in trace.sources) - before - trace.records["length"].sum()
    if lost:
        yield f"{lost} bytes are in no record"
