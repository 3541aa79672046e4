"""Every table as one CSV file: ISO times with microseconds, durations in milliseconds, null as empty."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.errors import UsageError
from tracekit.frames import Numbers, numbered, numbered_objects, used_only
from tracekit.redact import mask
from tracekit.trace import Trace
from tracekit.writing import encoded, write

if TYPE_CHECKING:
    from tracekit.parse.events import Events

TABLES = (
    *("records", "events", "spans", "operations", "jobs", "commands", "ledger", "findings", "quality", "entities"),
    "unknown",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so
JSON = json.JSONEncoder(sort_keys=True, default=str)
PORTION = 1 << 18  # rows that are text at the same time


def export_csv(trace: Trace, folder: Path, force: bool) -> list[Path]:
    """Write one file a table into `folder`, each whole or not at all. Raises UsageError before it would overwrite one
    without `force`, and for one that cannot be written.
    """
    paths = {name: folder / f"{name}.csv" for name in TABLES}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]}: exists; another folder with -o, or --force to overwrite it")
    for name, path in paths.items():
        text = events_text(trace.events) if name == "events" else table_text(getattr(trace, name))
        write(path, map(encoded, text))
    return list(paths.values())


def table_text(table: pd.DataFrame) -> Iterator[str]:
    """The text of a table: its head, and its rows in portions."""
    yield ",".join(f"{name}_ms" if dtype.kind == "m" else str(name) for name, dtype in table.dtypes.items()) + "\n"
    for first in range(0, len(table), PORTION):
        yield "".join(lines(table[first : first + PORTION], table.columns))


def events_text(events: Events) -> Iterator[str]:
    """The text of the table of all events, which is never there as a whole."""
    names = ["record", "name", *events.messages.columns]
    yield ",".join(names) + "\n"
    for first in range(0, len(events.places), PORTION):
        yield "".join(event_lines(events.between(first, first + PORTION), names))


def event_lines(events: Events, names: Sequence[str]) -> Iterator[str]:
    """The lines of events in the order of their records. They are made rule by rule: each fills few of the columns."""
    made, records = list[str](), [np.empty(0, dtype=np.int64)]
    for rule in events:
        filled = events.fields(rule)
        table = events.table([rule], [name for name in names if name in filled])
        made += lines(table, names)
        records.append(table["record"].to_numpy())
    return map(made.__getitem__, np.argsort(np.concatenate(records), kind="stable").tolist())


def lines(table: pd.DataFrame, names: Iterable[str]) -> Iterator[str]:
    """The rows of a table as lines with these columns, those of the table among them in its order; others are empty."""
    there = set(table)
    row = ",".join("%s" if name in there else "" for name in names) + "\n"
    return map(row.__mod__, zip(*(cells_of(column) for _, column in table.items()), strict=True))


def cells_of(column: pd.Series[Any]) -> list[Any]:
    """The cells of a column, numbers or texts, as they stand in the file."""
    if pd.api.types.is_numeric_dtype(column):
        cells = column.to_numpy(dtype=object, na_value="")
    else:
        texts, codes = told_apart(column)
        cells = np.array([*texts, ""], dtype=object)[codes]
    made: list[Any] = cells.tolist()
    return made


def told_apart(column: pd.Series[Any]) -> tuple[Iterable[str], Numbers]:
    """The different texts that the cells of a column are, and for each cell the number of its own, -1 for none."""
    if column.dtype.kind == "M":
        codes, times = pd.factorize(column.to_numpy())
        return np.datetime_as_string(times).tolist(), codes
    if column.dtype.kind == "m":
        codes, spans = pd.factorize(column.to_numpy())
        return map(str, (pd.Series(spans).dt.total_seconds() * 1000).tolist()), codes
    if column.dtype == "category":
        known = used_only(column.array)
        return quoted(map(cell, known.categories)), known.codes
    values, codes = numbered_objects(column) if column.dtype == "object" else numbered(column)
    return quoted(map(cell, values)), codes


def cell(value: Any) -> str:
    """A value as text, what has parts as JSON; of a null none."""
    if isinstance(value, dict | list):
        value = JSON.encode(value)
    elif not isinstance(value, str):
        value = "" if pd.isna(value) else str(value)
    return defused(mask(value))


def defused(text: str) -> str:
    """A text that begins like a formula, behind an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text


def quoted(texts: Iterable[str]) -> list[str]:
    """Texts as csv writes them between two commas."""
    rows: list[str] = []
    csv.writer(SimpleNamespace(write=rows.append), lineterminator="\n").writerows(zip(texts, repeat("")))
    return [row[:-2] for row in rows]
