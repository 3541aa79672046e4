"""Traces of large logs kept in the user's cache folder, so that the second command on a log need not read it again.

A trace is found by all that it was made from: the logs (a plain file by its place, size, time of change, beginning
and end; everything else by its bytes), the options, and the code and grammars that read it; it says itself which
libraries made it. What it cannot keep exactly it does not keep. Of a trace that was kept each part is read when it is
asked for. Whether there is one is known without pandas.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache, partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tracekit.cache import cache_folder, keep, prune, worth
from tracekit.container import DamagedError, Reader, Writer
from tracekit.processes import Meanwhile, Threaded, cores, forked
from tracekit.read.files import Source, Sources
from tracekit.resources import grammars
from tracekit.trace import Meta, Started, Tell, Trace, silent, trace_of

AtEnd = Callable[[Callable[[], object]], object]  # does something, now or later

MOST = 12  # traces that stay
FEW = 1 << 17  # records of a trace that a fork keeps: two others that have its memory may go on meanwhile
EDGE = 1 << 16  # bytes of a plain file's beginning and end that are compared


def at_once(finish: Callable[[], object]) -> None:
    """The end is now."""
    finish()


def place_of(sources: Sources, options: Mapping[str, Any]) -> Path | None:
    """The file that has the trace of these logs, once it was made; None for logs that are not worth one."""
    worthwhile = worth(sum(map(len, sources)))
    return cache_folder() / f"trace-{key_of(sources, options)[:40]}.bin" if worthwhile else None


def kept_trace(
    sources: Sources,
    place: Path | None,
    *,
    started: Started | None = None,
    at_end: AtEnd = at_once,
    tell: Tell = silent,
    **options: Any,
) -> Trace:
    """As `trace_of`, out of `place` where it was made before. Where there is no place it is not kept.

    What is left to do of keeping it is given to `at_end`, for whom there is something more urgent to do.
    """
    if place is None:
        return trace_of(sources, started=started, tell=tell, **options)
    try:
        kept = Kept(place, sources, options)
    except (OSError, DamagedError):
        return read_anew(place, sources, options, started, at_end, tell)
    with contextlib.suppress(OSError):
        os.utime(place)  # the youngest stay
    return Trace.of_parts(kept.part, kept=True)


def read_anew(
    path: Path,
    sources: Sources,
    options: Mapping[str, Any],
    started: Started | None,
    at_end: AtEnd,
    tell: Tell = silent,
) -> Trace:
    """The trace of the logs themselves, which is kept as `path` by somebody else, or at the end."""
    made = trace_of(sources, started=started, tell=tell, **options)
    records = len(made.records)
    fork = forked(records) if records <= FEW else None
    by = fork or (Threaded if cores() > 1 else None)
    keeping = Meanwhile(partial(kept_as, path, made, sources), by=by)
    at_end(lambda: keeping.made)
    return made


def kept_as(path: Path, trace: Trace, sources: Sources) -> bool:
    """Keep a trace, if it can be kept exactly; whether it is."""
    from tracekit.stored import UnkeptError

    with contextlib.suppress(UnkeptError):
        if keep(path, lambda draft: store(trace, sources, draft)):
            prune(path.parent, "trace-*", MOST)  # with drafts of who was killed
            return True
    return False


def key_of(sources: Sources, options: Mapping[str, Any]) -> str:
    """Tells logs, options and reader from others."""
    made = hashlib.sha256(reader_digest().encode())
    given = {name: value for name, value in options.items() if value is not None}
    made.update(repr(sorted(given.items())).encode())
    made.update(repr(sources.quality.rows()).encode())
    for source in sources:
        made.update(repr((source.path, len(source), source.packed, source.listed, source.begin)).encode())
        made.update(identity(source))
    return made.hexdigest()


def identity(source: Source) -> bytes:
    """What tells the bytes of a source from others: of a mapped file what the system says of it, else themselves."""
    if source.packed or not isinstance(source.data, mmap.mmap):
        return hashlib.sha256(source.data).digest()
    state = os.stat(source.path)
    edges = source.slice(0, EDGE) + source.slice(max(0, len(source) - EDGE), EDGE)
    place = (os.path.abspath(source.path), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return repr(place).encode() + hashlib.sha256(edges).digest()


@cache
def reader_digest() -> str:
    """Tells this code with its grammars, and the Python that it runs on, from others."""
    made = hashlib.sha256(sys.version.encode())
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


def store(trace: Trace, sources: Sources, path: Path) -> None:
    """Write a trace. Raises UnkeptError for one whose sources were mended, or with values of another kind."""
    from tracekit.stored import UnkeptError, libraries, plain, stamp, stored_events, stored_table

    opened = {source.path: source for source in sources}
    for source in trace.sources:
        mine = opened.get(source.path)
        if mine is None or mine.data is not source.data or mine.begin != source.begin:
            raise UnkeptError(source.path)
    texts = trace.events.texts.data
    read = [{**file._asdict(), "first": stamp(file.first), "last": stamp(file.last)} for file in trace.meta.files]
    with Writer(path) as writer:
        writer.finish(
            {
                "events": stored_events(trace.events, writer),
                "tables": {name: stored_table(getattr(trace, name), writer) for name in table_names()},
                "texts": [source.path for data in texts for source in trace.sources if source.data is data],
                "sources": [source.path for source in trace.sources],
                "files": plain(read),
                "version": trace.meta.version,
                "libraries": libraries(),
            }
        )


def table_names() -> list[str]:
    """Names of a trace's tables; last the findings, which others may still be looking for."""
    names = [field.name for field in fields(Trace) if field.type == "pd.DataFrame"]
    return sorted(names, key="findings".__eq__)


class Kept:
    """The parts of a trace as a cache file has them. Raises OSError where there is none, DamagedError."""

    def __init__(self, path: Path, sources: Sources, options: Mapping[str, Any]) -> None:
        self._path, self._sources, self._options = path, sources, options
        self._reader = Reader(path)
        from tracekit.stored import libraries  # pandas only for a trace that is there

        if self._reader.directory["libraries"] != libraries():
            raise DamagedError("other libraries made it")
        self._anew: Trace | None = None

    def part(self, name: str) -> Any:
        """One part by the name that it has in a trace; from the logs once the file is found to be damaged."""
        if self._anew is None:
            try:
                return self._kept(name)
            except DamagedError:
                self._anew = read_anew(self._path, self._sources, self._options, None, at_once)
        return getattr(self._anew, name)

    def _kept(self, name: str) -> Any:
        from tracekit.stored import events_of, table_of

        row = self._reader.directory
        opened = {source.path: source for source in self._sources}
        if name == "sources":
            return replace(self._sources, files=tuple(opened[path] for path in row["sources"]))
        if name == "meta":
            return meta_of(row["files"], row["version"])
        if name == "events":
            return events_of(row["events"], [opened[path].data for path in row["texts"]], self._reader)
        return table_of(row["tables"][name], self._reader)


def meta_of(read: Sequence[Mapping[str, Any]], version: str) -> Meta:
    """What the input was, by what `store` wrote of it."""
    from tracekit.parse import FileRead
    from tracekit.stored import moment

    times = [{"first": moment(file["first"]), "last": moment(file["last"])} for file in read]
    return Meta(tuple(FileRead(**{**file, **known}) for file, known in zip(read, times, strict=True)), version)
