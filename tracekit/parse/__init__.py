"""Step two: bytes of log files to records, and to events where a grammar rule knows the statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.errors import NotOurLogError
from tracekit.parse.chain import Layout, laid_out
from tracekit.parse.coded import Coded
from tracekit.parse.derived import derived_rules
from tracekit.parse.dialect import SERVER, Dialect, load_dialects, named
from tracekit.parse.events import Events
from tracekit.parse.fast import has_numba
from tracekit.parse.fast.tables import Tables, tables as made_tables
from tracekit.parse.grammar import Messages, load_messages
from tracekit.parse.parallel import LEAST, scan_large
from tracekit.parse.scan import Dispatch, Scanned
from tracekit.parse.servers import merge_order, name_servers, reordered
from tracekit.parse.stamps import YEAR
from tracekit.parse.window import window
from tracekit.patterns import keep_compiled
from tracekit.quality import Collector
from tracekit.read.files import Source, Sources
from tracekit.resources import grammars


@dataclass(frozen=True)
class FileRead:
    """What was read of one file: the coverage statement of the page."""

    path: str
    size: int  # bytes
    lines: int
    records: int
    recognised: int  # records whose message a rule knows
    first: pd.Timestamp
    last: pd.Timestamp
    dialect: str
    title: str
    share: float  # lines of the file's beginning that are headers of this dialect
    component: str = SERVER
    server: str | None = None  # the machine that wrote it


@dataclass(frozen=True)
class Parsed:
    """Records of all files in the order of time, with the events of those that a rule knows."""

    records: pd.DataFrame  # schema.RECORDS without run, operation and span; `component` of the record's file
    events: Events
    files: tuple[FileRead, ...]
    messages: Messages
    sources: Sources  # by content: pieces of a split file are mended, copies left out


def parse(
    sources: Sources,
    quality: Collector,
    *,
    dialect: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    compiled: bool = True,
) -> Parsed:
    """Read every source, or its records from `since` to `until`; large ones by compiled loops where numba is installed,
    unless `compiled` is false.

    NotOurLogError: a file that was named has no line of a known layout, or no file is a log of operations or has
    records in that time. UsageError: `dialect`, the id of the layout to take all files for, is none.
    """
    messages = load_messages(grammars())
    dialects = load_dialects(grammars())
    dispatch = Dispatch(derived_rules(messages))
    events = Events(messages)
    others = [known for known in dialects if known.mixes]
    layouts = laid_out(sources, dialects, named(dialects, dialect) if dialect else None, quality)
    parts: list[pd.DataFrame] = []
    read: list[Layout] = []
    for layout in layouts:
        low, high = window(layout, since, until)
        tables = made_tables(dispatch, dialects) if compiled and high - low >= LEAST and has_numba() else None
        first = sum(map(len, parts))
        part = records_of(layout, dispatch, tables, events, first, others, (low, high), quality)
        if part is not None:
            parts.append(part)
            read.append(layout)
    keep_compiled()
    if not parts:
        raise NotOurLogError("no file has records between --since and --until: choose another time")
    records = joined(parts)
    events.places = places_of(records, events, read)
    records = name_servers(records, events, read)
    files = tuple(describe(layout, records) for layout in read)
    order = merge_order(records, read)
    if order is not None:
        records, events = reordered(records, events, order)
    return Parsed(
        records, events, files, messages, Sources(tuple(layout.source for layout in layouts), sources.quality)
    )


def records_of(
    layout: Layout,
    dispatch: Dispatch,
    tables: Tables | None,
    events: Events,
    first: int,
    others: Sequence[Dialect],
    part: tuple[int, int],
    quality: Collector,
) -> pd.DataFrame | None:
    """Records of a part of one source; None where there are none. Its events are added to `events`."""
    scanned = scan_large(layout.source.data, layout.dialect, dispatch, tables, events, first, others, part)
    if not len(scanned.starts):
        quality.add("file without records of that time", "note", example=layout.source.path)
        return None
    made = frame_of(layout.source, scanned, [reader.rule.name.encode() for reader in dispatch.readers])
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


def describe(layout: Layout, records: pd.DataFrame) -> FileRead:
    """The coverage of one file."""
    part = records.loc[records["source"] == layout.source.path, ["server", "line", "lines", "event", "ts"]]
    server = part["server"].iloc[0]
    return FileRead(
        layout.source.path,
        len(layout.source),
        int(part["line"].iloc[-1] + part["lines"].iloc[-1] - 1),
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
    undated = part["ts"].isna()
    if undated.any():
        where = f"{source.path}:{part['line'].iloc[int(undated.argmax())]}"
        quality.add("records without a time", "warning", int(undated.sum()), where=where)
    if not undated.all() and part["ts"].min().year <= YEAR:
        guessed = f"the layout prints no year, or no date: the log is taken to begin in {YEAR}"
        quality.add("dates not known", "warning", int((~undated).sum()), where=f"{source.path}:1", example=guessed)
    back = part["ts"].diff() < pd.Timedelta(0)
    if back.any():
        worst = int(part["ts"].diff().argmin())
        quality.add(
            "steps back in time",
            "note",
            int(back.sum()),
            where=f"{source.path}:{part['line'].iloc[worst]}",
            example=f"{-part['ts'].diff().iloc[worst].total_seconds() * 1000:.0f} ms",
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
