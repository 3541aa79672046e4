"""The pass over one source by compiled loops; what they cannot say is asked of `re`. Importing this module needs numba.

Threads share the tables and the mapped file, and each has the stack and the buffers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events, Rows
from tracekit.parse.fast import reading
from tracekit.parse.fast.headers import CompiledReader, View
from tracekit.parse.fast.tables import Tables
from tracekit.parse.headers import Heads, read_heads
from tracekit.parse.scan import Dispatch, Gathered, Scanned, message_ends

SPANS_AT_ONCE = 1 << 21  # numbers, four bytes each
SHORT = 1 << 15
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


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
