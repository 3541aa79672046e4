"""Traces of large logs kept in the user's cache folder, so that the second command on a log need not read it again.

A trace is found by all that it was made from: the logs (a plain file by its place, size, time of change, beginning
and end; everything else by its bytes), the options, and the code, grammars and libraries that read it. What it cannot
keep exactly it does not keep.
"""

from __future__ import annotations

import hashlib
import marshal
import mmap
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tracekit.cache import cache_folder, keep, prune
from tracekit.frames import text_column
from tracekit.parse import FileRead
from tracekit.parse.events import Events
from tracekit.parse.grammar import load_messages
from tracekit.read.files import Source, Sources
from tracekit.resources import grammars
from tracekit.trace import Meta, Trace, trace_of

LEAST = 1 << 22  # bytes of logs that are read faster than a cache is worth
MOST = 12  # traces that stay
EDGE = 1 << 16  # bytes of a plain file's beginning and end that are compared
PLAIN = ("int32", "int64", "bool", "float64", "datetime64[us]", "timedelta64[us]")
SIMPLE = (str, int, float, bool, type(None))


class UnkeptError(Exception):
    """A value that marshal would not give back as it was."""


def kept_trace(sources: Sources, **options: Any) -> Trace:
    """As `trace_of`, from the cache where the same logs were read in the same way before."""
    if sum(map(len, sources)) < LEAST:
        return trace_of(sources, **options)
    path = cache_folder() / f"trace-{key_of(sources, options)[:40]}.bin"
    found = load(path, sources)
    if found is not None:
        return found
    made = trace_of(sources, **options)
    try:
        whole = packed(made, sources)
    except UnkeptError:
        return made
    keep(path, lambda draft: draft.write_bytes(whole))
    prune(path.parent, "trace-*.bin", MOST)
    return made


def key_of(sources: Sources, options: Mapping[str, Any]) -> str:
    """Tells logs, options and reader from others."""
    made = hashlib.sha256(reader_digest().encode())
    given = {name: value for name, value in options.items() if value is not None}
    made.update(repr(sorted(given.items())).encode())
    made.update(sources.quality.frame().to_json().encode())
    for source in sources:
        made.update(repr((source.path, len(source), source.packed, source.listed, source.begin)).encode())
        made.update(identity(source))
    return made.hexdigest()


def identity(source: Source) -> bytes:
    """What tells the bytes of a source from others: of a mapped file what the system says of it, else themselves."""
    if not isinstance(source.data, mmap.mmap):
        return hashlib.sha256(source.data).digest()
    state = os.stat(source.path)
    edges = source.slice(0, EDGE) + source.slice(max(0, len(source) - EDGE), EDGE)
    place = (os.path.abspath(source.path), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return repr(place).encode() + hashlib.sha256(edges).digest()


@cache
def reader_digest() -> str:
    """Tells this code with its grammars, and what it runs on, from others."""
    made = hashlib.sha256(repr((sys.version, np.__version__, pd.__version__)).encode())
    for folder, suffixes in ((files("tracekit"), (".py",)), (grammars(), (".lark", ".toml", ".tsv"))):
        for path in below(folder):
            if path.name.endswith(suffixes):
                made.update(path.name.encode() + path.read_bytes())
    return made.hexdigest()


def below(folder: Traversable) -> Iterator[Traversable]:
    """Every file under a folder, by name."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_dir():
            yield from below(path)
        else:
            yield path


def packed(trace: Trace, sources: Sources) -> bytes:
    """A trace as bytes. Raises UnkeptError for one whose sources were mended, or with values of another kind."""
    opened = {source.path: source for source in sources}
    for source in trace.sources:
        mine = opened.get(source.path)
        if mine is None or mine.data is not source.data or mine.begin != source.begin:
            raise UnkeptError(source.path)
    texts = trace.events.texts.data
    tables = {name: frame_bytes(getattr(trace, name)) for name in tables_of(trace)}
    read = [{**asdict(file), "first": stamp(file.first), "last": stamp(file.last)} for file in trace.meta.files]
    return marshal.dumps(
        {
            "sources": [source.path for source in trace.sources],
            "texts": [source.path for data in texts for source in trace.sources if source.data is data],
            "events": trace.events.packed(),
            "tables": tables,
            "files": read,
            "version": trace.meta.version,
        }
    )


def load(path: Path, sources: Sources) -> Trace | None:
    """The trace of a cache file; None where there is none or it is damaged."""
    try:
        row = marshal.loads(path.read_bytes())
        opened = {source.path: source for source in sources}
        events = Events(load_messages(grammars()))
        for name in row["texts"]:
            events.texts.add(opened[name].data)
        events.unpack(row["events"])
        tables = {name: frame_of(columns) for name, columns in row["tables"].items()}
        read = tuple(
            FileRead(**{**file, "first": moment(file["first"]), "last": moment(file["last"])}) for file in row["files"]
        )
        kept = replace(sources, files=tuple(opened[name] for name in row["sources"]))
        made = Trace(sources=kept, events=events, meta=Meta(read, row["version"]), **tables)
        path.touch()
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        return None
    return made


def tables_of(trace: Trace) -> list[str]:
    """Names of a trace's tables."""
    return [field.name for field in fields(trace) if isinstance(getattr(trace, field.name), pd.DataFrame)]


def frame_bytes(table: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Name, dtype and values of each column."""
    if not isinstance(table.index, pd.RangeIndex) or table.index.start or table.index.step != 1:
        raise UnkeptError("index")
    return [(str(name), str(column.dtype), column_bytes(column)) for name, column in table.items()]


def column_bytes(column: pd.Series[Any]) -> Any:
    """Values of a column as marshal keeps them: arrays as bytes, of texts the different ones and their numbers."""
    dtype = str(column.dtype)
    if dtype in PLAIN:
        return column.to_numpy().tobytes()
    if dtype == "Int64":
        return column.to_numpy(dtype=np.int64, na_value=0).tobytes(), column.isna().to_numpy().tobytes()
    if dtype == "str":
        codes, texts = pd.factorize(column)
        return codes.astype(np.int32).tobytes(), plain(list(texts))
    if dtype == "category" and not column.cat.ordered:
        names = column.cat.categories
        return column.cat.codes.to_numpy().astype(np.int32).tobytes(), plain(names.to_list()), str(names.dtype)
    if dtype == "object":
        return plain(column.to_list())
    raise UnkeptError(dtype)


def frame_of(columns: list[tuple[str, str, Any]]) -> pd.DataFrame:
    """The table that `frame_bytes` was given."""
    return pd.DataFrame({name: column_of(dtype, values) for name, dtype, values in columns})


def column_of(dtype: str, values: Any) -> Any:
    """The column that `column_bytes` was given."""
    if dtype in PLAIN:
        return np.frombuffer(values, dtype=dtype).copy()
    if dtype == "Int64":
        numbers, missing = values
        return pd.arrays.IntegerArray(np.frombuffer(numbers, np.int64).copy(), np.frombuffer(missing, np.bool_).copy())
    if dtype == "str":
        codes, texts = values
        return text_column(texts, np.frombuffer(codes, np.int32))
    if dtype == "category":
        codes, names, kind = values
        return pd.Categorical.from_codes(np.frombuffer(codes, np.int32), pd.Index(names, dtype=kind))
    return pd.Series(values, dtype="object")


def plain(value: Any) -> Any:
    """The value itself, when it is made of nothing but what marshal gives back as it was."""
    kind = type(value)
    if kind in SIMPLE:
        return value
    if kind is dict:
        for part in (*value, *value.values()):
            plain(part)
        return value
    if kind in (list, tuple):
        for part in value:
            plain(part)
        return value
    raise UnkeptError(str(kind))


def stamp(time: Any) -> int | None:
    """Microseconds since the epoch, None for no time."""
    return None if pd.isna(time) else int(time.to_datetime64().astype("datetime64[us]").astype(np.int64))


def moment(micros: int | None) -> Any:
    """The time that `stamp` was given."""
    return pd.NaT if micros is None else pd.Timestamp(np.datetime64(micros, "us"))
