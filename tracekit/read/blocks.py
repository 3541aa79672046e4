"""Files in blocks, each worked on for itself: half of a large file's by a fork."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

from tracekit.aside import nameless, written
from tracekit.processes import Forked, idle_core
from tracekit.read.files import Source

BLOCK = 4_000_000  # bytes that are worked on at once
FEW = 4  # blocks from which on a fork does half of them

Part = tuple[int, int]  # of a file: from this byte to before that one


def parts_of(source: Source) -> list[Part]:
    """Parts of a file of about BLOCK bytes, cut where a line begins with a digit, as records do."""
    made: list[Part] = []
    at, size = 0, len(source)
    while at < size:
        low, at = at, min(at + BLOCK, size)
        if at < size:
            at = last_begin(source.data, low, at)
        made.append((low, at))
    return made


def last_begin(data: Any, low: int, high: int) -> int:
    """Where in data[low:high] the last record begins; where none does the last line, and `high` where none does."""
    at = data.rfind(b"\n", low, high)
    while at > low and not data[at + 1 : min(at + 2, high)].isdigit():
        at = data.rfind(b"\n", low, at)
    if at <= low:
        at = data.rfind(b"\n", low, high)
    return at + 1 if at >= low else high


def in_two(parts: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Part]]:
    """What this process does and what a fork may do meanwhile."""
    own = -(-len(parts) // 2) if idle_core() and len(parts) >= FEW else len(parts)
    return parts[:own], parts[own:]


def text_of(source: Source, part: Part) -> str:
    """A part of a file as text."""
    return source.slice(part[0], part[1] - part[0]).decode("utf-8", errors="surrogateescape")


def by_two(make: Callable[[Sequence[Part]], Iterable[bytes]], parts: Sequence[Part]) -> Iterator[bytes]:
    """What `make` makes of these parts. Of many a fork writes the second half into a file without a name meanwhile."""
    own, others = in_two(parts)
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        if others:
            with contextlib.suppress(OSError):  # no room for it: then it is made here
                file = stack.enter_context(nameless())
        fork = Forked(partial(filled, file, others, make)) if file else None
        yield from make(own)
        if file is None or fork is None or not fork.result():
            yield from make(others)
        else:
            file.seek(0)
            yield from iter(partial(file.read, BLOCK), b"")


def filled(file: BinaryIO, parts: Sequence[Part], make: Callable[[Sequence[Part]], Iterable[bytes]]) -> bool:
    """Write what `make` makes of parts into a file. Raises OSError."""
    for block in make(parts):
        written(file, block)
    return True
