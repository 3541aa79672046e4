"""Every table as one CSV file: ISO times with microseconds, durations in milliseconds, null as empty."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tracekit.errors import UsageError
from tracekit.redact import mask
from tracekit.trace import Trace

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so


def export_csv(trace: Trace, folder: Path, force: bool) -> list[Path]:
    """Write one file a table into `folder`. Raises UsageError before it would overwrite one without `force`."""
    tables = {
        "records": trace.records,
        "events": trace.events.table(),
        "spans": trace.spans,
        "operations": trace.operations,
        "jobs": trace.jobs,
        "commands": trace.commands,
        "ledger": trace.ledger,
        "findings": trace.findings,
        "quality": trace.quality,
        "entities": trace.entities,
        "unknown": trace.unknown,
    }
    paths = {name: folder / f"{name}.csv" for name in tables}
    taken = [path for path in paths.values() if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]}: exists; another folder with -o, or --force to overwrite it")
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        writable(table).to_csv(paths[name], index=False, lineterminator="\n")
    return list(paths.values())


def writable(table: pd.DataFrame) -> pd.DataFrame:
    """A copy in which every column is text or number as the file shall show it."""
    made = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_datetime64_dtype(column):
            made[name] = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
        elif pd.api.types.is_timedelta64_dtype(column):
            made[f"{name}_ms"] = column.dt.total_seconds() * 1000
        elif pd.api.types.is_numeric_dtype(column):
            made[name] = column
        else:
            made[name] = safe(column)
    return pd.DataFrame(made)


def safe(column: pd.Series[str]) -> pd.Series[str]:
    """Texts without secrets, and none that a spreadsheet takes for a formula. Distinct values are treated once."""
    texts = column.astype("object").map(written, na_action="ignore")
    distinct = {value: defused(mask(value)) for value in texts.dropna().unique()}
    return texts.map(distinct, na_action="ignore")


def written(value: object) -> str:
    """A value as text: what has parts as JSON."""
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list) else str(value)


def defused(text: str) -> str:
    """A text that begins like a formula, behind an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text
