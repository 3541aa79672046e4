"""The pass over one source by compiled loops; what they cannot say is asked of `re`. Importing this module needs numba.

Threads share the tables and the mapped file, and each has the stack and the buffers of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import Coded
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events, Rows
from tracekit.parse.fast import interning, machine, reading
from tracekit.parse.fast.tables import Tables
from tracekit.parse.headers import HeaderReader, Heads, Places, Stretch, read_heads
from tracekit.parse.scan import Dispatch, Gathered, Scanned, message_ends
from tracekit.parse.stamps import Clock, fixed

HEADERS_AT_ONCE = 1 << 15
SPANS_AT_ONCE = 1 << 21  # numbers, four bytes each
SHORT = 1 << 15
NONE = np.empty(0, dtype=np.int64)
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


class View:
    """A source as numbers. It must not outlive the pass: a mapped file with a view cannot be closed."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.data = np.frombuffer(source, dtype=np.uint8)
        self.stack = np.empty((machine.DEPTH, 4), dtype=np.int64)


class CompiledReader(HeaderReader):
    """Reads headers by compiled loops."""

    def __init__(self, view: View, tables: Tables) -> None:
        self.view, self.tables = view, tables

    def stretch(self, data: Any, dialect: Dialect, low: int, high: int) -> Stretch:
        begin = self.tables.headers.get(dialect.grammar.name)
        made = None if begin is None else self.compiled(dialect, begin, low, high)
        return made or super().stretch(data, dialect, low, high)

    def compiled(self, dialect: Dialect, begin: int, low: int, high: int) -> Stretch | None:
        """Headers of one dialect; None where the machine cannot say."""
        view, width = self.view, 2 * len(set(dialect.fields))
        columns = Columns(view, dialect)
        places = np.empty((HEADERS_AT_ONCE, 2), dtype=np.int64)
        spans = np.empty((HEADERS_AT_ONCE, width), dtype=np.int32)
        groups = np.empty(max(1, width), dtype=np.int64)
        starts, bodies, at = [NONE], [NONE], low
        while at < high:
            count, at = reading.read_headers(
                self.tables.programs, begin, view.data, at, high, places, spans, groups, view.stack
            )
            if at == machine.GIVEN_UP:
                return None
            starts.append(places[:count, 0].copy())
            bodies.append(places[:count, 1].copy())
            columns.add(starts[-1], spans[:count])
        return Stretch(dialect, np.concatenate(starts), np.concatenate(bodies), columns.clock.times(), columns.coded())

    def suspects(self, data: Any, bodies: Places, ends: Places, others: Sequence[Dialect]) -> Iterator[int]:
        begins = [self.tables.headers.get(other.grammar.name) for other in others]
        if None in begins:
            yield from super().suspects(data, bodies, ends, others)
            return
        rows = np.array(begins, dtype=np.int32)
        groups = np.empty(2 * max(len(set(other.fields)) for other in others) + 1, dtype=np.int64)
        number, view = 0, self.view
        while True:
            number = reading.first_change(
                self.tables.programs, rows, view.data, bodies, ends, number, groups, view.stack
            )
            if number >= len(bodies):
                return
            yield number
            number += 1


class Columns:
    """The columns of headers, portion by portion."""

    def __init__(self, view: View, dialect: Dialect) -> None:
        self.view = view
        self.clock = Clock(dialect.timestamps)
        self.form = fixed(dialect.timestamps[0])
        self.names = list(dict.fromkeys(dialect.fields))
        self.interners = {name: interning.Interner(view.data) for name in self.names if name != "TS"}
        self.codes: dict[str, list[Ints]] = {name: [] for name in self.interners}

    def add(self, starts: Longs, spans: Ints) -> None:
        """Take in the next headers: where they begin, and where their columns stand."""
        if "TS" not in self.names:
            self.clock.add([None] * len(starts))
        for column, name in enumerate(self.names):
            if name == "TS":
                self.stamps(starts, spans, column)
            else:
                self.codes[name].append(self.interners[name].codes(starts, spans, column))

    def stamps(self, starts: Longs, spans: Ints, column: int) -> None:
        """Read the next time stamps."""
        if self.form is not None:
            times = np.empty(len(starts), dtype=np.int64)
            parts = interning.parts_of(self.form[0])
            if interning.read_times(self.view.data, starts, spans, column, self.form[1], parts, times):
                self.clock.parts.append(times.view("datetime64[us]"))
                return
        source = self.view.source
        begins, ends = (np.where(spans[:, at] < 0, -1, spans[:, at] + starts) for at in (2 * column, 2 * column + 1))
        pairs = zip(begins.tolist(), ends.tolist(), strict=True)
        self.clock.add([source[begin:end] if begin >= 0 else None for begin, end in pairs])

    def coded(self) -> dict[str, Coded]:
        """The columns."""
        whole = {name: np.concatenate(parts) for name, parts in self.codes.items() if parts}
        return {
            name: Coded(self.interners[name].values(self.view.source), codes)
            for name, codes in whole.items()
            if len(codes)
        }


def scan_compiled(
    source: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    tables: Tables,
    events: Events,
    others: Sequence[Dialect],
    window: tuple[int, int],
) -> Scanned:
    """What :func:`tracekit.parse.scan.scan` gives for records that are numbered from 0."""
    low, high = window
    view = View(source)
    heads = read_heads(source, dialect, others, low, high, CompiledReader(view, tables))
    rules = np.full(len(heads.starts), reading.UNREAD, dtype=np.int32)
    ends = message_ends(source, heads, high)
    most = 2 * int(tables.lookup.groups.max(initial=1))
    groups, spans = np.empty(most, dtype=np.int64), np.empty(max(SPANS_AT_ONCE, most), dtype=np.int32)
    marks = np.empty(len(tables.lookup.open_rules), dtype=np.uint8)
    events.texts.add(source)
    number = 0
    while number < len(rules):
        begun = number
        number = reading.read_messages(
            *(tables.programs, tables.lookup, view.data, heads.starts, heads.bodies, ends, begun, rules),
            *(spans, groups, view.stack, marks),
        )
        pour(dispatch, events, begun, rules[begun:number], spans)
        ask_re(source, dispatch, events, heads, ends, begun, rules[begun:number])
    lines = np.zeros(len(rules), dtype=np.int64)
    reading.lines_of(view.data, heads.starts, high, lines)
    first_line = 1 + reading.count_lines(view.data, 0, int(heads.starts[0])) if len(rules) else 1
    return Scanned(heads, low, high, lines, first_line, rules)


def pour(dispatch: Dispatch, events: Events, begun: int, rules: Ints, spans: Ints) -> None:
    """Give the events of a portion of records, which begins with number `begun`, to `events`."""
    # Behind the rules, UNREAD and ASK_RE, which have no fields: -1 and -2 count from the end.
    width = np.array([*(2 * len(reader.rule.fields) for reader in dispatch.readers), 0, 0], dtype=np.int64)
    places = np.cumsum(width[rules]) - width[rules]
    short = rules.astype(np.int16) if len(width) < SHORT else rules  # which numpy sorts in one pass
    order = np.argsort(short, kind="stable")
    order = order[np.searchsorted(rules[order], 0) :]
    cuts = np.flatnonzero(np.diff(rules[order], prepend=-1))
    for part in np.split(order, cuts[1:]) if len(order) else ():
        known = dispatch.readers[rules[part[0]]].rule
        fields = spans[places[part][:, None] + np.arange(2 * len(known.fields))]
        events.add(known.name, known.fields, Rows((part + begun).astype(np.int32), fields))


def ask_re(
    source: Any,
    dispatch: Dispatch,
    events: Events,
    heads: Heads,
    ends: Longs,
    begun: int,
    rules: Ints,
) -> None:
    """Read by `re` what the machine could not read, and fill its rules in."""
    gathered = Gathered(dispatch)
    for at in np.flatnonzero(rules == reading.ASK_RE).tolist():
        number = begun + at
        found = dispatch.find(source[int(heads.bodies[number]) : int(ends[number])])
        rules[at] = reading.UNREAD if found is None else found[0]
        if found is not None:
            gathered.add(found[0], number, found[1])
    gathered.pour(events, heads, 0)
