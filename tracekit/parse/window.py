"""The bytes of a source between two times, found by bisection: what lies outside is not parsed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from tracekit.parse.chain import Layout, stamped
from tracekit.parse.dialect import Dialect

STEP = 1 << 12  # bytes below which bisection gives way to reading
# Threads write a little out of order: a line that stands this much later may be earlier.
SLACK = np.timedelta64(2, "s")


def window(layout: Layout, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Where the records from `since` to `until` begin and end, whole seconds of disorder allowed for; the same place
    twice where there are none. A log whose dates are not known is read whole.
    """
    data, dialect = layout.source.data, layout.dialect
    low, high = layout.source.begin, len(data)
    if np.isnat(layout.first):
        return low, high
    if until is not None:
        high = behind(data, dialect, low, high, np.datetime64(until, "us"))
    if since is not None:
        wanted = np.datetime64(since, "us")
        begin = near(data, dialect, low, high, wanted - SLACK)
        low = next((at for at, ts in stamped(data, dialect, begin, high) if ts >= wanted), high)
    return low, high


def behind(data: Any, dialect: Dialect, low: int, high: int, moment: np.datetime64) -> int:
    """Where the last record of that time or earlier ends."""
    end = None
    for at, ts in stamped(data, dialect, near(data, dialect, low, high, moment - SLACK), high):
        if ts <= moment:
            end = None
        elif end is None:
            end = at
        if ts > moment + SLACK:
            break
    return high if end is None else end


def near(data: Any, dialect: Dialect, low: int, high: int, moment: np.datetime64) -> int:
    """A place before the first header of that time or later, and not far before it."""
    while high - low > STEP:
        middle = (low + high) // 2
        found = next((ts for _, ts in stamped(data, dialect, middle, high)), None)
        if found is None or found >= moment:
            high = middle
        else:
            low = middle
    return low
