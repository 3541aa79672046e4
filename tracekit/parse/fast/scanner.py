"""The pass over one source by compiled loops; what they cannot say is asked of `re`. Importing this module needs numba.

Threads share the tables and the mapped file, and each has the stack and the buffers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events
from tracekit.parse.fast import reading
from tracekit.parse.fast.headers import CompiledReader, View
from tracekit.parse.fast.tables import Tables
from tracekit.parse.headers import read_heads
from tracekit.parse.scan import Dispatch, Scanned, message_ends, pour, read_messages

SPANS_AT_ONCE = 1 << 21  # numbers, four bytes each


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
        pour(dispatch, events, np.arange(begun, number), rules[begun:number], spans)
        asked = np.flatnonzero(rules[begun:number] == reading.ASK_RE) + begun
        if len(asked):
            read_messages(source, dispatch, heads, ends, asked, rules, events, 0)
    lines = np.zeros(len(rules), dtype=np.int64)
    reading.lines_of(view.data, heads.starts, high, lines)
    first_line = 1 + reading.count_lines(view.data, 0, int(heads.starts[0])) if len(rules) else 1
    return Scanned(heads, low, high, lines, first_line, rules)
