"""Where the lines of a source begin, found block by block: as many bytes as the processor keeps near."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
NEWLINE = 10
BLOCK = 1 << 18  # bytes


def newlines(data: Any, low: int, high: int) -> Places:
    """Where newlines stand in data[low:high]."""
    return np.concatenate([np.empty(0, dtype=np.int64), *blocks(data, low, high)])


def line_starts(data: Any, low: int, high: int) -> Iterator[int]:
    """Where lines begin in data[low:high], which begins with one."""
    yield low
    for found in blocks(data, low, high):
        yield from (found + 1).tolist()


def blocks(data: Any, low: int, high: int) -> Iterator[Places]:
    """The newlines of each block of data[low:high]."""
    for at in range(low, high, BLOCK):
        block = np.frombuffer(data[at : min(at + BLOCK, high)], dtype=np.uint8)
        yield np.flatnonzero(block == NEWLINE) + at


def line_counts(data: Any, starts: Places, high: int) -> tuple[int, Places]:
    """Line of the first record, and how many lines each record has; the last one's may lack its newline."""
    if not len(starts):
        return 1, np.array([], dtype=np.int64)
    low = int(starts[0])
    lines = newlines(data, low, high)
    total = len(lines) + (data[high - 1] != NEWLINE)
    counts = np.diff(np.append(np.searchsorted(lines, starts), total))
    return 1 + sum(map(len, blocks(data, 0, low))), counts
