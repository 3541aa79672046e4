"""A large source read by compiled loops in several threads, which release Python's lock. Needs numba."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tracekit.parse.coded import Coded
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events
from tracekit.parse.fast.interning import Cut, interned, renumber
from tracekit.parse.fast.scanner import scan_compiled
from tracekit.parse.fast.tables import Tables
from tracekit.parse.scan import Dispatch, Scanned

CompilerError: type[Exception] = importlib.import_module("numba.core.errors").NumbaError


def scan_threads(
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    tables: Tables,
    events: Events,
    first: int,
    others: Sequence[Dialect],
    places: Sequence[int],
) -> list[Scanned] | None:
    """The parts of a source between `places`, one thread each; their events are added to `events`.

    None where this numba cannot compile the loops.
    """

    def scanned(part: tuple[int, int]) -> tuple[Scanned, Events]:
        own = Events(events.messages)
        return scan_compiled(data, dialect, dispatch, tables, own, others, part), own

    parts = list(itertools.pairwise(places))
    pool = ThreadPoolExecutor(len(parts))
    try:
        made = list(pool.map(scanned, parts))
    except CompilerError:
        pool.shutdown()
        return None
    except KeyboardInterrupt:  # loops are not interrupted, nor is who compiles them; the program's end ends them
        pool.shutdown(wait=False)
        raise
    pool.shutdown()
    events.texts.add(data)
    events.texts.cutter = interned
    for part, own in made:
        events.absorb(own, first)
        first += len(part.starts)
    scanned_parts = [part for part, _ in made]
    share_values(data, scanned_parts)
    return scanned_parts


def share_values(data: Any, parts: Sequence[Scanned]) -> None:
    """Number the texts of a column in all parts alike, so that the parts need only be put behind one another."""
    heads = [part.heads.columns for part in parts]
    for name in heads[0]:
        columns = [columns[name] for columns in heads if name in columns]
        cuts = [column.values for column in columns if isinstance(column.values, Cut)]
        if len(cuts) != len(heads):
            continue  # not read by the loops, or absent
        begins, ends = (np.concatenate([getattr(cut, side) for cut in cuts]) for side in ("begins", "ends"))
        whole = interned(data, begins, ends)
        at = 0
        for own, cut, column in zip(heads, cuts, columns, strict=True):
            renumber(column.codes, whole.codes[at : at + len(cut)])
            own[name] = Coded(whole.values, column.codes)
            at += len(cut)
