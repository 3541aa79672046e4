"""The table of records, from what the scan of each source gave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import NEVER, instants
from tracekit.parse import FileRead
from tracekit.parse.chain import Layout
from tracekit.parse.coded import Coded
from tracekit.parse.events import Events
from tracekit.parse.scan import Dispatch, Scanned
from tracekit.parse.stamps import YEAR
from tracekit.quality import Collector
from tracekit.read.files import Source


def records_of(layout: Layout, scanned: Scanned, dispatch: Dispatch, quality: Collector) -> pd.DataFrame | None:
    """Records of one source; None where there are none."""
    if not len(scanned.starts):
        quality.add("file without records of that time", "note", example=layout.source.path)
        return None
    made = frame_of(layout.source, scanned, [rule.name.encode() for rule in dispatch.rules])
    count_quality(layout, scanned, made, quality)
    return made


def frame_of(source: Source, scanned: Scanned, rules: Sequence[bytes]) -> pd.DataFrame:
    """Records of one source, without the columns that the build step adds; `rules` are the rules' names by number.

    The header columns are taken out of `scanned` one by one, for together they are as large as the frame.
    """
    ends = np.append(scanned.starts[1:], scanned.end)
    lines = np.cumsum(scanned.lines)
    lines += scanned.first_line - scanned.lines
    if source.inserted:
        lines -= np.searchsorted(np.array(source.inserted, dtype=np.int64), scanned.starts)
    length = len(ends)
    read = Coded(rules, scanned.rules)

    def taken(name: str) -> Coded:
        return scanned.heads.columns.pop(name, None) or Coded.absent(length)

    return pd.DataFrame(
        {
            "source": pd.Categorical.from_codes(np.zeros(length, np.int8), pd.Index([source.path], dtype="str")),
            "line": lines.astype(np.int32),
            "lines": scanned.lines.astype(np.int32),
            "offset": scanned.starts,
            "length": ends - scanned.starts,
            "message": (scanned.messages - scanned.starts).astype(np.int32),
            "ts": scanned.heads.ts,
            "level": taken("LEVEL").category(),
            "logger": taken("LOGGER").category(),
            "thread": taken("THREAD").category(),
            "ctx": taken("CTX").category(),
            "origin": taken("ORIGIN").numbers(),
            "job": taken("JOB").numbers(),
            "logid": taken("LOGID").category(),
            "server": taken("SERVER").category(),
            "event": read.used().category(),
        },
        copy=False,
    )


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of all sources under one another, categories united."""
    if len(parts) == 1:
        return parts[0]
    for column in ("source", "level", "logger", "thread", "ctx", "logid", "server", "event"):
        united = pd.api.types.union_categoricals([part[column] for part in parts], ignore_order=True).categories
        for part in parts:
            part[column] = part[column].cat.set_categories(united)
    return pd.concat(parts, ignore_index=True)


def places_of(records: pd.DataFrame, events: Events, layouts: Sequence[Layout]) -> npt.NDArray[np.int64]:
    """Where each record begins in the texts of the events; of a single source the very column of the records."""
    base = {layout.source.path: events.texts.add(layout.source.data) for layout in layouts}
    offsets: npt.NDArray[np.int64] = records["offset"].to_numpy()
    if not any(base.values()):
        return offsets
    bases = np.array([base[path] for path in records["source"].cat.categories])
    placed: npt.NDArray[np.int64] = offsets + bases[records["source"].cat.codes]
    return placed


def chosen(records: pd.DataFrame, events: Events, rows: npt.NDArray[np.int64]) -> tuple[pd.DataFrame, Events]:
    """The records at these rows, in this order, and their events with the records' new numbers."""
    numbers = np.full(len(records), -1, dtype=np.int64)
    numbers[rows] = np.arange(len(rows))
    return records.iloc[rows].reset_index(drop=True), events.renumbered(numbers)


def last_line(part: pd.DataFrame) -> int:
    """The last line of a source."""
    return int(part["line"].iloc[-1] + part["lines"].iloc[-1] - 1)


def describe(layout: Layout, records: pd.DataFrame, lines: int) -> FileRead:
    """The coverage of one file, which has so many lines."""
    part = records.loc[records["source"] == layout.source.path, ["server", "event", "ts"]]
    server = part["server"].iloc[0]
    return FileRead(
        layout.source.path,
        len(layout.source),
        lines,
        len(part),
        int(part["event"].notna().sum()),
        part["ts"].min(),
        part["ts"].max(),
        layout.dialect.id,
        layout.dialect.title,
        layout.share,
        layout.dialect.component,
        server if isinstance(server, str) else None,
    )


def count_quality(layout: Layout, scanned: Scanned, part: pd.DataFrame, quality: Collector) -> None:
    """Bytes that belong to no record, a cut last line, steps back in time, dates and statements that are not known."""
    source = layout.source
    before = int(scanned.starts[0]) - scanned.low
    if before:
        quality.add(
            "bytes before the first record",
            "note",
            before,
            where=f"{source.path}:1",
            example=source.slice(scanned.low, min(before, 200)).decode("utf-8", "replace"),
        )
    if source.slice(len(source) - 1, 1) != b"\n":
        quality.add("last line without its end", "note", where=f"{source.path}:{part['line'].iloc[-1]}")
    for name, count in scanned.heads.dialects.items():
        if name != layout.dialect.id:
            quality.add("records of a second layout", "note", count, example=f"{source.path}: {name}")
    ts = instants(part["ts"])
    undated = ts == NEVER
    if undated.any():
        where = f"{source.path}:{part['line'].iloc[int(undated.argmax())]}"
        quality.add("records without a time", "warning", int(undated.sum()), where=where)
    if not undated.all() and part["ts"].min().year <= YEAR:
        guessed = f"the layout prints no year, or no date: the log is taken to begin in {YEAR}"
        quality.add("dates not known", "warning", int((~undated).sum()), where=f"{source.path}:1", example=guessed)
    steps = np.diff(ts, prepend=ts[:1])
    steps[undated | np.append(False, undated[:-1])] = 0  # from a time that is not known, or to one
    back = steps < 0
    if back.any():
        worst = int(steps.argmin())
        quality.add(
            "steps back in time",
            "note",
            int(back.sum()),
            where=f"{source.path}:{part['line'].iloc[worst]}",
            example=f"{-steps[worst] / 1000:.0f} ms",
        )
    unknown = part["event"].isna()
    if unknown.any():
        first = int(unknown.argmax())
        quality.add(
            "records that no rule knows",
            "note",
            int(unknown.sum()),
            where=f"{source.path}:{part['line'].iloc[first]}",
            example=str(part["logger"].iloc[first]),
        )
