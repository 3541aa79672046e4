"""What is known of sources before their records are read: their layouts, the rules, the bytes to read.

None of it needs pandas, nor does the scan: a command that has yet to import pandas, templates and the steps behind lets
a fork scan meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from tracekit.parse.chain import Layout, laid_out
from tracekit.parse.dialect import Dialect, load_dialects, named
from tracekit.parse.grammar import Messages, load_messages
from tracekit.parse.parallel import LEAST, packed_scan, record_from
from tracekit.parse.scan import Dispatch, dispatch_of
from tracekit.parse.window import window
from tracekit.patterns import keep_compiled
from tracekit.processes import Early, idle_core
from tracekit.quality import Collector
from tracekit.read.files import Sources
from tracekit.resources import grammars

MEANWHILE = 12 << 20  # bytes that a fork scans while all that the next steps need is imported


class Begun(NamedTuple):
    """Sources whose layouts are known, and what reads them."""

    messages: Messages
    dialects: Sequence[Dialect]
    dispatch: Dispatch
    layouts: Sequence[Layout]
    windows: Sequence[tuple[int, int]]  # bytes of each to read
    quality: Collector
    scan: Early | None = None  # makes first what `packed_scan` gives for the first part of each source
    firsts: Sequence[tuple[int, int]] = ()  # these parts

    @property
    def others(self) -> list[Dialect]:
        """Layouts to which a file of another one may change."""
        return [known for known in self.dialects if known.mixes]


def begin(
    sources: Sources, *, dialect: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Begun:
    """Find out what to read. Raises the errors of :func:`tracekit.parse.parse`."""
    messages = load_messages(grammars())
    dialects = load_dialects(grammars())
    quality = Collector()
    layouts = laid_out(sources, dialects, named(dialects, dialect) if dialect else None, quality)
    windows = [window(layout, since, until) for layout in layouts]
    return Begun(messages, dialects, dispatch_of(messages), layouts, windows, quality)


def ahead(begun: Begun, then: Callable[[], Any]) -> Begun:
    """The same, and a fork scans all or most of it where there is a core, and goes on with `then`. What is worth all
    cores is left to them.
    """
    size = sum(high - low for low, high in begun.windows)
    if size >= LEAST or not idle_core():
        return begun
    share = max(size - MEANWHILE, 0) / 2 / max(size, 1)
    firsts = [first_of(layout, window, share) for layout, window in zip(begun.layouts, begun.windows, strict=True)]
    return begun._replace(scan=Early(partial(scan_first, begun, firsts), then), firsts=firsts)


def first_of(layout: Layout, window: tuple[int, int], share: float) -> tuple[int, int]:
    """The part of a source that a fork scans; `share` of it is scanned here, once all is imported."""
    low, high = window
    place = high - int(share * (high - low))
    return low, record_from(layout.source.data, layout.dialect, place, high) if place < high else high


def scan_first(begun: Begun, firsts: Sequence[tuple[int, int]]) -> list[Any]:
    """A part of every source, as `packed_scan` gives it."""
    others, dispatch, messages = begun.others, begun.dispatch, begun.messages
    made = [
        packed_scan(layout.source.data, layout.dialect, dispatch, messages, others, part)
        for layout, part in zip(begun.layouts, firsts, strict=True)
    ]
    keep_compiled()
    return made
