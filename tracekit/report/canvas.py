"""Timelines with more spans than a browser bears as elements: columns of numbers that a script draws on a canvas.

What the page carries is one block a timeline: the length of a JSON text, the text (names, lanes), then the columns, one
after another, little-endian, gzip, base64. Times are whole units of `unit` microseconds since the axis begins, the
spans stand by row and start. `reports/assets/canvas.js` reads it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit.report.lanes import LANES as OUTER
from tracekit.report.scale import Axis
from tracekit.report.words import count, text

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracekit.report.log import Log
    from tracekit.report.spans import Span

MANY = 2000  # spans from which on a timeline is drawn by script
MOST_ROWS = 40  # of one lane
STYLES = (
    *("request", "job", "work", "stage", "phase", "agent", "queue", "executor", "lock"),
    *("database", "execution", "client", "unlogged"),
)  # names of colours of the style sheet; a span's style is a place in this list
KIND_STYLES = {
    "request": "request", "job": "job", "work": "work", "stage": "stage", "command": "agent", "queue": "queue",
    "wait": "queue", "call": "execution", "state": "phase",
}  # fmt: skip
LANES = (*OUTER, ("calls", ("call", "state")))
INNER = LANES[-1][1]  # kinds that only this drawing has a lane for
FAILED, OPEN, BEFORE = 1, 2, 4  # flags
COLUMNS = (("start", "<u4"), ("length", "<u4"), ("first", "<u4"), ("last", "<u4"), ("name", "<u4"), ("row", "<u2"),
           ("style", "u1"), ("flags", "u1"))  # fmt: skip


class Canvas(NamedTuple):
    """A timeline for the script."""

    packed: str
    title: str
    label: str  # what it is and how it is used, for who does not see it
    left_out: str


def view(table: pd.DataFrame, axis: Axis, ledger: pd.DataFrame, title: str, log: Log) -> Canvas:
    """All spans of one operation; `table` its rows of SPANS, `ledger` its rows of LEDGER."""
    parts, lanes, lost = [], [], 0
    top = 0
    for label, rows in _lanes(table, ledger, axis):
        if rows.empty:
            continue
        kept = rows[rows["row"] < MOST_ROWS]
        lost += len(rows) - len(kept)
        parts.append(kept.assign(row=kept["row"] + top))
        lanes.append({"label": label, "top": top, "rows": int(kept["row"].max()) + 1})
        top += int(kept["row"].max()) + 1
    every = pd.concat(parts, ignore_index=True).sort_values(["row", "start", "length"], kind="stable")
    names, known = pd.factorize(every["name"])
    unit = max(1, int(np.ceil(axis.length * 1e6 / (2**32 - 1))))
    head = {
        "count": len(every), "unit": unit, "whole": round(axis.length * 1e6 / unit), "lanes": lanes, "rows": top,
        "names": [log.names.short(text(name, 120)) for name in known], "styles": STYLES,
    }  # fmt: skip
    columns = {
        "start": every["start"].to_numpy() // unit, "length": every["length"].to_numpy() // unit, "name": names,
        **{key: every[key].to_numpy() for key in ("row", "style", "flags")},
        **{key: log.lines_of(every[key]) for key in ("first", "last")},
    }  # fmt: skip
    return Canvas(
        _packed(head, columns),
        title,
        f"{title}, all {count(len(table), 'span')}. Arrows go from span to span, plus and minus zoom, 0 shows all; "
        "what is selected is said below.",
        f"{count(lost, 'span')} deeper than {MOST_ROWS} rows not drawn" if lost else "",
    )


def longest(spans: Sequence[Span], most: int) -> list[Span]:
    """The `most` longest spans, failed ones first, in their own order."""
    order = sorted(range(len(spans)), key=lambda i: (spans[i].status != "error", -spans[i].took, i))
    return [spans[i] for i in sorted(order[:most])]


def _lanes(table: pd.DataFrame, ledger: pd.DataFrame, axis: Axis) -> Sequence[tuple[str, pd.DataFrame]]:
    """Each lane with its spans: start and length in microseconds, row within the lane, style, flags, name, records."""
    kinds = table["kind"].astype("object")
    made = [("time", _intervals(ledger, axis))]
    for label, members in LANES:
        chosen = table[kinds.isin(members)]
        spans = _spans(chosen, axis)
        row = chosen["depth"].to_numpy() - chosen["depth"].min() if label == "calls" and len(chosen) else _rows(spans)
        made.append((label, spans.assign(row=row)))
    return made


def _micros(times: pd.Series[Any]) -> pd.Series[Any]:
    """Durations in microseconds; what a clock that was set back makes negative is nothing."""
    return times.astype("timedelta64[us]").astype("int64").clip(lower=0)


def _spans(table: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    end = axis.start + pd.Timedelta(seconds=axis.length)
    start = _micros(table["start"] - axis.start)
    flags = (
        (table["status"] == "error") * FAILED + table["end"].isna() * OPEN + (table["ends"] == "before") * BEFORE
    ).astype("int64")
    job = [one.get("job") if isinstance(one, dict) else None for one in table["attributes"]]
    numbered = table["kind"].isin(("job", "work")) & pd.Series(job, index=table.index).notna()
    suffix = pd.Series([f" job-{number}" for number in job], index=table.index)
    name = table["name"].astype("object").fillna(table["kind"].astype("object"))
    return pd.DataFrame(
        {
            "start": start,
            "length": _micros(table["end"].fillna(end) - table["start"]),
            "style": table["kind"].astype("object").map({k: STYLES.index(v) for k, v in KIND_STYLES.items()}),
            "flags": flags,
            "name": name.where(~numbered, name + suffix),
            "first": table["first_record"],
            "last": table["last_record"],
        }
    )


def _intervals(ledger: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    category = ledger["category"].astype("object")
    return pd.DataFrame(
        {
            "start": _micros(ledger["start"] - axis.start),
            "length": _micros(ledger["end"] - ledger["start"]),
            "style": category.map({name: place for place, name in enumerate(STYLES)}),
            "flags": 0,
            "name": category + ": " + ledger["owner"].astype("object").fillna(""),
            "first": ledger["first_record"],
            "last": ledger["last_record"],
            "row": 0,
        }
    )


def _rows(spans: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The first free row of each span, so that none covers another one; MOST_ROWS where all are taken."""
    made = np.empty(len(spans), dtype=np.int64)
    starts, ends = spans["start"].to_numpy(), (spans["start"] + spans["length"]).to_numpy()
    free: list[int] = []
    for i in np.lexsort((-ends, starts)).tolist():
        row = next((row for row, end in enumerate(free) if end <= starts[i]), len(free))
        made[i] = row
        if row == len(free) and row < MOST_ROWS:
            free.append(0)
        if row < MOST_ROWS:
            free[row] = int(ends[i])
    return made


def _packed(head: Mapping[str, Any], columns: Mapping[str, Any]) -> str:
    said = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    said += b" " * (-len(said) % 4)  # columns of four bytes begin at a multiple of four
    body = b"".join(np.asarray(columns[name]).astype(dtype).tobytes() for name, dtype in COLUMNS)
    return base64.b64encode(gzip.compress(len(said).to_bytes(4, "little") + said + body, 6, mtime=0)).decode("ascii")
