"""Step two: bytes of log files to records, and to events where a grammar rule knows the statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tracekit.errors import NotOurLogError
from tracekit.parse.derived import derived_rules
from tracekit.parse.dialect import Dialect, detect, load_dialects
from tracekit.parse.grammar import Messages, load_messages
from tracekit.parse.scan import Dispatch, Events, Scanned, scan
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


@dataclass(frozen=True)
class Parsed:
    """Records of all files, in the order in which they were given, with the events of those that a rule knows."""

    records: pd.DataFrame  # schema.RECORDS without run, operation and span
    events: Events
    files: tuple[FileRead, ...]
    messages: Messages


def parse(sources: Sources, quality: Collector) -> Parsed:
    """Read every source. Raises NotOurLogError when a file that was named has no line of a known layout."""
    messages = load_messages(grammars())
    dialects = load_dialects(grammars())
    others = [dialect for dialect in dialects if dialect.mixes]
    dispatch = Dispatch(derived_rules(messages), messages.columns)
    events = Events(messages)
    parts: list[pd.DataFrame] = []
    files: list[FileRead] = []
    for source in sources:
        dialect, share = detect(source.data, dialects)
        if dialect is None:
            if source.listed:
                raise NotOurLogError(
                    f"{source.path}: no line looks like a CloudStack log; known layouts: "
                    + ", ".join(known.title for known in dialects)
                )
            quality.add("file of another layout", "note", example=source.path, where=source.path)
            continue
        scanned = scan(source.data, dialect, dispatch, events, sum(map(len, parts)), others)
        part = frame_of(source, scanned)
        parts.append(part)
        files.append(describe(source, dialect, share, part))
        count_quality(source, scanned, part, quality)
    if not parts:
        raise NotOurLogError("no file given is a CloudStack log: name the management-server.log itself")
    return Parsed(joined(parts), events, tuple(files), messages)


def frame_of(source: Source, scanned: Scanned) -> pd.DataFrame:
    """Records of one source, without the columns that the build step adds."""
    ends = np.append(scanned.starts[1:], scanned.end)
    lines = scanned.first_line + np.concatenate([[0], np.cumsum(scanned.lines)[:-1]])
    columns, length = scanned.heads.columns, len(ends)
    return pd.DataFrame(
        {
            "source": pd.Categorical.from_codes(np.zeros(length, np.int8), pd.Index([source.path], dtype="str")),
            "line": lines.astype(np.int64),
            "lines": scanned.lines.astype(np.int64),
            "offset": scanned.starts,
            "length": ends - scanned.starts,
            "message": scanned.messages - scanned.starts,
            "ts": scanned.heads.ts,
            "level": category(columns.get("LEVEL"), length),
            "logger": category(columns.get("LOGGER"), length),
            "thread": category(columns.get("THREAD"), length),
            "ctx": text(columns.get("CTX"), length),
            "origin": number(columns.get("ORIGIN"), length),
            "job": number(columns.get("JOB"), length),
            "logid": text(columns.get("LOGID"), length),
            "server": category(columns.get("SERVER"), length),
            "event": pd.Series(scanned.rules, dtype="object").astype(pd.CategoricalDtype(distinct(scanned.rules))),
        }
    )


def category(values: list[bytes | None] | None, length: int) -> pd.Series[Any]:
    """Distinct texts decoded once, null where absent."""
    made = pd.Series([None] * length if values is None else values, dtype="object").astype("category")
    names = [value.decode("utf-8", "replace") for value in made.cat.categories]
    return made.cat.rename_categories(pd.Index(names, dtype="str"))


def distinct(names: list[str | None]) -> pd.Index[str]:
    """The names that occur, in order."""
    return pd.Index(sorted({name for name in names if name is not None}), dtype="str")


def text(values: list[bytes | None] | None, length: int) -> pd.Series[Any]:
    """Texts, null where absent."""
    plain = [None] * length if values is None else [None if v is None else v.decode("utf-8", "replace") for v in values]
    return pd.Series(plain, dtype="str")


def number(values: list[bytes | None] | None, length: int) -> pd.Series[Any]:
    """Whole numbers, null where absent."""
    plain = [None] * length if values is None else [None if v is None else int(v) for v in values]
    return pd.Series(plain, dtype="Int64")


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of all sources under one another, categories united."""
    if len(parts) == 1:
        return parts[0]
    for column in ("source", "level", "logger", "thread", "server", "event"):
        united = pd.api.types.union_categoricals([part[column] for part in parts], ignore_order=True).categories
        for part in parts:
            part[column] = part[column].cat.set_categories(united)
    return pd.concat(parts, ignore_index=True)


def describe(source: Source, dialect: Dialect, share: float, part: pd.DataFrame) -> FileRead:
    """The coverage of one file."""
    lines = int(part["line"].iloc[-1] + part["lines"].iloc[-1] - 1)
    return FileRead(
        source.path,
        len(source.data),
        lines,
        len(part),
        int(part["event"].notna().sum()),
        part["ts"].min(),
        part["ts"].max(),
        dialect.id,
        dialect.title,
        share,
    )


def count_quality(source: Source, scanned: Scanned, part: pd.DataFrame, quality: Collector) -> None:
    """Bytes that belong to no record, a cut last line, steps back in time, statements that no rule knows."""
    before = int(scanned.starts[0])
    if before:
        quality.add(
            "bytes before the first record",
            "note",
            before,
            where=f"{source.path}:1",
            example=source.slice(0, min(before, 200)).decode("utf-8", "replace"),
        )
    if source.slice(len(source.data) - 1, 1) != b"\n":
        quality.add("last line without its end", "note", where=f"{source.path}:{part['line'].iloc[-1]}")
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
