"""What each source is, and the sources in the order of their content: rotated sets, pieces, copies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tracekit.errors import NotOurLogError
from tracekit.parse.dialect import Dialect, detect
from tracekit.parse.pasted import load_pastes, unpasted
from tracekit.quality import Collector
from tracekit.read.files import Source, Sources
from tracekit.resources import grammars

HEAD = 1 << 12  # bytes by which two copies of one file are told from two files
TAIL = 1 << 18  # bytes that are compared at once
ENDS = (1 << 14, 1 << 18)  # bytes at the end in which the last header is looked for, more where there is none
NO_TIME = np.datetime64("NaT", "us")
SHOWN = 80  # bytes of a strange file that its refusal shows
SECOND = 1_000_000  # microseconds; by no more a piece of a log may begin before the end of the one that it follows
BACK = np.timedelta64(SECOND, "us")
# A record that was cut in two by splitting a file goes on in the piece that begins this much later at most.
GAP = np.timedelta64(60, "s")
KNOWN = 1 << 6  # bytes of a record by which it is known again


class Layout(NamedTuple):
    """One source and what it was taken for."""

    source: Source
    dialect: Dialect
    share: float  # lines of its beginning that are headers of the dialect
    first: np.datetime64  # time of the first header that has one; NaT: none has
    last: np.datetime64


def laid_out(sources: Sources, dialects: Sequence[Dialect], forced: Dialect | None, quality: Collector) -> list[Layout]:
    """The layout of every source, by first time stamp, pieces of one file mended, copies left out.

    Raises NotOurLogError when a file that was named has no line of a known layout.
    """
    pastes = load_pastes(grammars())
    whole = [unpasted(source, pastes, quality) for source in sources]
    made = [layout for source in whole if (layout := identify(source, dialects, forced, quality)) is not None]
    if not made:
        raise NotOurLogError("no file given is a CloudStack log: name the management-server.log itself")
    if all(layout.dialect.needs for layout in made):
        dialect = made[0].dialect
        raise NotOurLogError(f"{made[0].source.path}: {dialect.title.lower()}, {dialect.needs}")
    made = once(made, quality)
    return mended(sorted(made, key=by_time))


def by_time(layout: Layout) -> tuple[bool, int]:
    """Sorts by first time stamp, sources without one behind the others."""
    return bool(np.isnat(layout.first)), int(layout.first.astype(np.int64))


def identify(source: Source, dialects: Sequence[Dialect], forced: Dialect | None, quality: Collector) -> Layout | None:
    """The layout of one source; None for a file of a folder that is no CloudStack log."""
    dialect, share = detect(source.data, [replace(forced, marked=0.0)] if forced else dialects)
    if dialect is None and source.listed:
        from tracekit.redact import shown

        wanted = (
            f"like {forced.title}" if forced else "like a CloudStack log: date LEVEL [logger] (thread:context) text"
        )
        start = shown(source.slice(0, SHOWN).decode("utf-8", "replace").strip().partition("\n")[0])
        raise NotOurLogError(f"{source.path}: no line looks {wanted}; it begins with {start!r}")
    if dialect is None:
        quality.add("file of another layout", "note", example=source.path, where=source.path)
        return None
    size = len(source)
    first: Any = next((ts for _, ts in stamped(source.data, dialect, 0, size)), NO_TIME)
    tails = ([stamp for _, stamp in stamps(source.data, dialect, max(0, size - end), size)] for end in ENDS)
    tail = next(filter(None, tails), [])
    last = dialect.times(tail[-1:])[0] if tail else first
    return Layout(source, dialect, share, first, last)


def stamped(data: Any, dialect: Dialect, low: int, high: int) -> Iterator[tuple[int, Any]]:
    """Place and time of each header in data[low:high] that has a time."""
    for place, stamp in stamps(data, dialect, low, high):
        yield place, dialect.times([stamp])[0]


def stamps(data: Any, dialect: Dialect, low: int, high: int) -> Iterator[tuple[int, bytes]]:
    """Place and time stamp of each header in data[low:high] that has one."""
    groups = [number for number, name in enumerate(dialect.fields, 1) if name == "TS"]
    for found in dialect.heads(data, low, high):
        stamp = next((found.group(number) for number in groups if found.group(number) is not None), None)
        if stamp is not None:
            yield found.start(), stamp


def once(layouts: Sequence[Layout], quality: Collector) -> list[Layout]:
    """Without files whose whole text is the beginning of another: a copy, or the same log taken earlier."""
    kept: list[Layout] = []
    for layout in sorted(layouts, key=lambda layout: -len(layout.source)):
        data = layout.source.data
        twin = next((other for other in kept if begins_with(other.source.data, data)), None)
        if twin is None:
            kept.append(layout)
        else:
            quality.add(
                "file given twice",
                "note",
                example=f"{layout.source.path}: all of it is in {twin.source.path}",
                where=layout.source.path,
            )
    names = {layout.source.path for layout in kept}
    return [layout for layout in layouts if layout.source.path in names]


def begins_with(data: Any, part: Any) -> bool:
    """Whether `part` is the beginning of `data`."""
    size = len(part)
    if data[: min(size, HEAD)] != part[: min(size, HEAD)]:
        return False
    return all(data[at : min(at + TAIL, size)] == part[at : min(at + TAIL, size)] for at in range(0, size, TAIL))


def mended(layouts: Sequence[Layout]) -> list[Layout]:
    """Pieces of a file that was split inside a record: what stands before a piece's first header goes to the piece
    before it. The places of all other records stay as they are.
    """
    made = list(layouts)
    for number, layout in enumerate(made):
        head = layout.dialect.header.search(layout.source.data)
        before = head.start() if head else 0
        if not before:
            continue
        begin = layout.source.slice(0, before + KNOWN)  # pieces that overlap were not split
        pieces = [at for at in range(number) if goes_on(made[at], layout) and begin not in tail(made[at].source)]
        if pieces:
            at = max(pieces, key=lambda at: (*likeness(made[at].source, layout.source), at))
            whole = made[at].source.slice(0, len(made[at].source)) + layout.source.slice(0, before)
            made[at] = made[at]._replace(source=replace(made[at].source, data=whole))
            made[number] = layout._replace(source=replace(layout.source, begin=before))
    return made


def tail(source: Source) -> bytes:
    """The end of a source."""
    return source.slice(max(0, len(source) - TAIL), TAIL)


def goes_on(one: Layout, other: Layout) -> bool:
    """Whether `other` may be the next piece of the file of which `one` is a piece."""
    if one.dialect.grammar.name != other.dialect.grammar.name or np.isnat(one.last) or np.isnat(other.first):
        return False
    return bool(-BACK <= other.first - one.last <= GAP)


def likeness(one: Source, other: Source) -> tuple[bool, bool]:
    """How much speaks for two pieces of one file: the first has no last newline, both lie in one folder."""
    return one.slice(len(one) - 1, 1) != b"\n", os.path.dirname(one.path) == os.path.dirname(other.path)
