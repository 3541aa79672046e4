"""Step two: bytes of log files to records, and to events where a grammar rule knows the statement."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from tracekit.errors import NotOurLogError
from tracekit.parse.begun import Begun, begin
from tracekit.parse.chain import Layout
from tracekit.parse.dialect import SERVER
from tracekit.parse.events import Events
from tracekit.parse.fast import has_numba
from tracekit.parse.grammar import Messages
from tracekit.parse.parallel import LEAST, joined, scan_large, unpacked
from tracekit.parse.scan import Scanned, scan
from tracekit.patterns import keep_compiled
from tracekit.quality import Collector
from tracekit.read.files import Sources

if TYPE_CHECKING:  # what stands in this package is imported before pandas is
    import pandas as pd

    from tracekit.parse.fast.tables import Tables


COMPILED = 1 << 28  # bytes of logs for which the loops are compiled where they are not yet; less is read by then


class FileRead(NamedTuple):
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


class Parsed(NamedTuple):
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
    begun: Begun | None = None,
) -> Parsed:
    """Read every source, or its records from `since` to `until`; large ones by compiled loops where numba is installed,
    unless `compiled` is false. `begun` is what `begin` or `ahead` gave for the same sources.

    NotOurLogError: a file that was named has no line of a known layout, or no file is a log of operations or has
    records in that time. UsageError: `dialect`, the id of the layout to take all files for, is none.
    """
    from tracekit.parse import frame, servers  # pandas
    from tracekit.parse.copies import without_copies

    begun = begun or begin(sources, dialect=dialect, since=since, until=until)
    quality.extend(begun.quality)
    events = Events(begun.messages)
    rests = [rest_of(begun, number) for number in range(len(begun.layouts))] if begun.scan else []
    packed = begun.scan.first() if begun.scan else None  # asked for once the fork had all this time
    parts: list[pd.DataFrame] = []
    read: list[Layout] = []
    for number, layout in enumerate(begun.layouts):
        first = sum(map(len, parts))
        if packed is None:
            scanned = scan_of(begun, number, events, first, compiled)
        else:
            events.texts.add(layout.source.data)
            scanned = unpacked(packed[number], begun.firsts[number], events, first)
            scanned = with_rest(scanned, rests[number], events, first)
        part = frame.records_of(layout, scanned, begun.dispatch, quality)
        del scanned  # nearly as large as the part
        if part is not None:
            parts.append(part)
            read.append(layout)
    keep_compiled()
    if not parts:
        raise NotOurLogError("no file has records between --since and --until: choose another time")
    lines = {layout.source.path: frame.last_line(part) for layout, part in zip(read, parts, strict=True)}
    records = frame.joined(parts)
    events.places = frame.places_of(records, events, read)
    records, events, read = without_copies(records, events, read, quality)
    records = servers.name_servers(records, events, read)
    files = tuple(frame.describe(layout, records, lines[layout.source.path]) for layout in read)
    order = servers.merge_order(records, read)
    if order is not None:
        records, events = frame.chosen(records, events, order)
    whole = Sources(tuple(layout.source for layout in begun.layouts), sources.quality)
    return Parsed(records, events, files, begun.messages, whole)


def scan_of(begun: Begun, number: int, events: Events, first: int, compiled: bool) -> Scanned:
    """What the scan of a source gives, by its number. Its events go to `events`, records numbered from `first`."""
    layout, window = begun.layouts[number], begun.windows[number]
    tables = tables_for(begun, window) if compiled else None
    return scan_large(layout.source.data, layout.dialect, begun.dispatch, tables, events, first, begun.others, window)


def rest_of(begun: Begun, number: int) -> tuple[Scanned, Events] | None:
    """Of a source whose first part a fork scans what the scan of the rest gives; None where there is none."""
    layout, low, high = begun.layouts[number], begun.firsts[number][1], begun.windows[number][1]
    if low == high:
        return None
    events = Events(begun.messages)
    return scan(layout.source.data, layout.dialect, begun.dispatch, events, 0, begun.others, (low, high)), events


def with_rest(scanned: Scanned, rest: tuple[Scanned, Events] | None, events: Events, first: int) -> Scanned:
    """The first part of a source and its rest, whose events are added to `events`."""
    if rest is None:
        return scanned
    events.absorb(rest[1], first + len(scanned.starts))
    return joined([scanned, rest[0]])


def tables_for(begun: Begun, window: tuple[int, int]) -> Tables | None:
    """What the compiled loops need for a source of this size; None where `re` reads it."""
    if window[1] - window[0] < LEAST:
        return None
    from tracekit.parse.fast.jit import is_compiled

    every = sum(high - low for low, high in begun.windows)
    if not (every >= COMPILED or is_compiled()) or not has_numba():
        return None
    from tracekit.parse.fast import tables

    return tables.tables(begun.dispatch, begun.dialects)
