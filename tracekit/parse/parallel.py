"""A large source in record-aligned parts: by the compiled scanner in threads, else by `re` in processes.

Processes send places and the different texts back. The first part is this process's own. A child that dies costs its
time: its part is scanned here.
"""

from __future__ import annotations

import itertools
import marshal
import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from tracekit.parse.coded import Coded, concatenated
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events
from tracekit.parse.fast.tables import Tables
from tracekit.parse.headers import Heads
from tracekit.parse.scan import Dispatch, Scanned, scan

LEAST = 1 << 25  # bytes for which starting a process is worth its while
MOST = 8  # processes
FLAT = 2  # marshal's version that looks for no object twice


def scan_large(
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    tables: Tables | None,
    events: Events,
    first: int,
    others: Sequence[Dialect],
    window: tuple[int, int],
) -> Scanned:
    """What :func:`tracekit.parse.scan.scan` gives, to the byte; by compiled loops where the source is large and there
    are `tables` for them.
    """
    if tables is not None and window[1] - window[0] >= LEAST:
        from tracekit.parse.fast.threads import scan_threads  # imports numba

        places = cuts(data, dialect, window, usable(window))
        made = scan_threads(data, dialect, dispatch, tables, events, first, others, places)
        if made is not None:
            return joined(made)
    return scan_parallel(data, dialect, dispatch, events, first, others, window)


def scan_parallel(
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    events: Events,
    first: int,
    others: Sequence[Dialect],
    window: tuple[int, int],
    processes: int | None = None,
) -> Scanned:
    """What :func:`tracekit.parse.scan.scan` gives, to the byte; by `processes`, or as many as there are cores."""
    places = cuts(data, dialect, window, usable(window) if processes is None else processes)
    if len(places) == 2:
        return scan(data, dialect, dispatch, events, first, others, window)
    context = multiprocessing.get_context("fork")
    own, *rest = itertools.pairwise(places)
    children: list[tuple[Any, Connection]] = []
    for part in rest:
        here, there = context.Pipe(duplex=False)
        child = context.Process(
            target=send, args=(there, data, dialect, dispatch, events.messages, others, part), daemon=True
        )
        child.start()
        there.close()
        children.append((child, here))
    made = [scan(data, dialect, dispatch, events, first, others, own)]
    for part, (child, here) in zip(rest, children, strict=True):
        number = first + sum(len(one.starts) for one in made)
        packed = received(here)
        if packed is None:
            made.append(scan(data, dialect, dispatch, events, number, others, part))
        else:
            made.append(unpacked(packed, part, events, number))
        child.join()
    return joined(made)


def usable(window: tuple[int, int]) -> int:
    """How many processes a source of this size is worth, and the machine has."""
    if window[1] - window[0] < LEAST or not sys.platform.startswith("linux"):
        return 1
    return min(len(os.sched_getaffinity(0)), MOST)


def cuts(data: Any, dialect: Dialect, window: tuple[int, int], parts: int) -> list[int]:
    """Beginning of each of at most `parts` parts of about one size, at a record's first byte, and the end."""
    low, high = window
    made = [low]
    for part in range(1, parts):
        found = dialect.header.search(data, max(made[-1] + 1, low + (high - low) * part // parts), high)
        if found is None:
            break
        made.append(found.start())
    return [*made, high]


def send(
    there: Connection,
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    messages: Any,
    others: Sequence[Dialect],
    part: tuple[int, int],
) -> None:
    """Scan one part in a child and send it to the parent."""
    events = Events(messages)
    there.send_bytes(packed_of(scan(data, dialect, dispatch, events, 0, others, part), events))
    there.close()


def received(here: Connection) -> Any:
    """What a child sent; None when it died."""
    try:
        return marshal.loads(here.recv_bytes())  # this program wrote it
    except (EOFError, OSError):
        return None
    finally:
        here.close()


def packed_of(scanned: Scanned, events: Events) -> bytes:
    """A part as bytes: arrays as they are, of each column of texts the different ones and their numbers."""
    heads = scanned.heads
    return marshal.dumps(
        (
            heads.starts.tobytes(),
            heads.bodies.tobytes(),
            heads.ts.astype("datetime64[us]").astype(np.int64).tobytes(),
            {name: (list(column.values), column.codes.tobytes()) for name, column in heads.columns.items()},
            heads.dialects,
            scanned.lines.tobytes(),
            scanned.first_line,
            scanned.rules.tobytes(),
            events.packed(),
        ),
        FLAT,
    )


def unpacked(packed: Any, part: tuple[int, int], events: Events, first: int) -> Scanned:
    """The part that `packed_of` made; its events are added to `events`, its records are numbered from `first`."""
    starts, bodies, ts, columns, dialects, lines, first_line, rules, rows = packed
    heads = Heads(
        np.frombuffer(starts, dtype=np.int64),
        np.frombuffer(bodies, dtype=np.int64),
        np.frombuffer(ts, dtype=np.int64).astype("datetime64[us]"),
        {name: Coded(values, np.frombuffer(codes, dtype=np.int32)) for name, (values, codes) in columns.items()},
        dialects,
    )
    events.unpack(rows, first)
    return Scanned(heads, *part, np.frombuffer(lines, np.int64), first_line, np.frombuffer(rules, np.int32))


def joined(parts: Sequence[Scanned]) -> Scanned:
    """Consecutive parts of one source as one."""
    if len(parts) == 1:
        return parts[0]
    heads = [part.heads for part in parts]
    counts: dict[str, int] = {}
    for name, count in (item for head in heads for item in head.dialects.items()):
        counts[name] = counts.get(name, 0) + count
    names = list(dict.fromkeys(name for head in heads for name in head.columns))
    # Each column leaves the parts when it is put together: all of them twice are more than the frame that they become.
    columns = {
        name: concatenated(
            [head.columns.pop(name) if name in head.columns else Coded.absent(len(head.starts)) for head in heads]
        )
        for name in names
    }
    whole = Heads(
        np.concatenate([head.starts for head in heads]),
        np.concatenate([head.bodies for head in heads]),
        np.concatenate([head.ts for head in heads]),
        columns,
        counts,
    )
    begun = next((part for part in parts if len(part.starts)), parts[0])
    lines = np.concatenate([part.lines for part in parts])
    rules = np.concatenate([part.rules for part in parts])
    return Scanned(whole, parts[0].low, parts[-1].end, lines, begun.first_line, rules)
