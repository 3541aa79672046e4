"""A large source in record-aligned parts: by the compiled scanner in threads, else by `re` in processes.

Forks send places and the different texts back. The first part is scanned here, and so is that of a fork that died.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tracekit.parse.coded import Coded, concatenated
from tracekit.parse.dialect import Dialect
from tracekit.parse.events import Events
from tracekit.parse.grammar import Messages
from tracekit.parse.headers import Heads
from tracekit.parse.scan import Dispatch, Scanned, scan
from tracekit.processes import Forked, cores, idle_core

if TYPE_CHECKING:
    from tracekit.parse.fast.tables import Tables

LEAST = 1 << 25  # bytes for which starting a process is worth its while
MOST = 8  # processes
FEW = 1 << 16  # bytes of a log for which all loops are needed


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
        from tracekit.parse.fast.jit import is_compiled
        from tracekit.parse.fast.threads import scan_threads  # imports numba

        places = cuts(data, dialect, window, usable(window))
        read = partial(scan_threads, data, dialect, dispatch, tables, others=others)
        if not is_compiled() and idle_core():
            # Once for an installation. What the compiler needs, as much as the log takes, is gone with the fork.
            few = [places[0], min(places[0] + FEW, places[-1])]
            Forked(lambda: bool(read(events=Events(events.messages), first=0, places=few))).result()
        made = read(events=events, first=first, places=places)
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
    own, *rest = itertools.pairwise(places)
    forks = [Forked(partial(packed_scan, data, dialect, dispatch, events.messages, others, part)) for part in rest]
    made = [scan(data, dialect, dispatch, events, first, others, own)]
    for part, fork in zip(rest, forks, strict=True):
        number = first + sum(len(one.starts) for one in made)
        packed = fork.result()
        if packed is None:
            made.append(scan(data, dialect, dispatch, events, number, others, part))
        else:
            made.append(unpacked(packed, part, events, number))
    return joined(made)


def usable(window: tuple[int, int]) -> int:
    """How many processes a source of this size is worth, and the machine has."""
    return min(cores(), MOST) if window[1] - window[0] >= LEAST else 1


def cuts(data: Any, dialect: Dialect, window: tuple[int, int], parts: int) -> list[int]:
    """Beginning of each of at most `parts` parts of about one size, at a record's first byte, and the end."""
    low, high = window
    made = [low]
    for part in range(1, parts):
        place = record_from(data, dialect, max(made[-1] + 1, low + (high - low) * part // parts), high)
        if place == high:
            break
        made.append(place)
    return [*made, high]


def record_from(data: Any, dialect: Dialect, place: int, high: int) -> int:
    """Where in data[place:high] the first record begins; `high` where none does."""
    found = dialect.header.search(data, place, high)
    return high if found is None else found.start()


def packed_scan(
    data: Any,
    dialect: Dialect,
    dispatch: Dispatch,
    messages: Messages,
    others: Sequence[Dialect],
    part: tuple[int, int],
) -> Any:
    """One part, scanned and packed, in a fork."""
    events = Events(messages)
    return packed_of(scan(data, dialect, dispatch, events, 0, others, part), events)


def packed_of(scanned: Scanned, events: Events) -> Any:
    """A part as marshal takes it: arrays as bytes, of each column of texts the different ones and their numbers."""
    heads = scanned.heads
    return (
        heads.starts.tobytes(),
        heads.bodies.tobytes(),
        heads.ts.astype("datetime64[us]").astype(np.int64).tobytes(),
        {name: (list(column.values), column.codes.tobytes()) for name, column in heads.columns.items()},
        heads.dialects,
        scanned.lines.tobytes(),
        scanned.first_line,
        scanned.rules.tobytes(),
        events.packed(),
    )


def unpacked(packed: Any, part: tuple[int, int], events: Events, first: int) -> Scanned:
    """The part that `packed_of` made; its events are added to `events`, its records are numbered from `first`."""
    starts, bodies, ts, columns, dialects, lines, first_line, rules, rows = packed
    heads = Heads(
        np.frombuffer(starts, dtype=np.int64).copy(),  # a column of the records, which may be written to
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
