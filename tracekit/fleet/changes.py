"""What took longer or less long in the second half of a log than in the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tracekit.fleet.chance import LEAST, Ranked, unlikely
from tracekit.fleet.times import by_time, columns_of, length_of
from tracekit.frames import NEVER, instants, median
from tracekit.schema import CHANGES, check, frame

FACTOR = 1.5  # between the medians of the halves
LEAST_SECONDS = 0.1  # and seconds, from which on a change is one


def changes(operations: pd.DataFrame, commands: pd.DataFrame) -> pd.DataFrame:
    """Table CHANGES of API commands and agent commands that began at least LEAST times in each half.

    The halves are those of the time from the first to the last operation's beginning. `operations` and `commands` are
    as `timed_operations` and `timed_commands` give them.
    """
    starts = instants(operations["start"])
    known = starts[starts != NEVER]
    middle = int(known.min() + (known.max() - known.min()) // 2) if len(known) else NEVER
    kinds = (("API command", operations), ("agent command", commands))
    rows = [{"what": kind, **row} for kind, timed in kinds for row in halves(timed, middle)]
    made = columns_of(rows, CHANGES)
    before, after, p = (np.array(made[name], dtype=np.float64) for name in ("before_median", "after_median", "p"))
    low, high = np.minimum(before, after), np.maximum(before, after)
    made["odd"] = unlikely(p) & (high >= FACTOR * low) & (high - low >= LEAST_SECONDS)
    for name in ("before_median", "after_median"):
        made[name] = length_of(made[name])
    return check(frame(CHANGES, made), CHANGES, "changes")


def halves(timed: pd.DataFrame, middle: int) -> Iterator[dict[str, Any]]:
    """Each command on both sides of the middle (in microseconds), those that took most time together first."""
    compared = timed["compared"].to_numpy()
    seconds, first = timed["seconds"].to_numpy()[compared], (instants(timed["start"]) < middle)[compared]
    for command, at in by_time(timed["command"].array[compared], seconds):
        mine = first[at]
        before, after = seconds[at][mine], seconds[at][~mine]
        if min(len(before), len(after)) >= LEAST:
            medians = {"before_median": median(before), "after_median": median(after)}
            count = {"before": len(before), "after": len(after)}
            yield {"command": command, **count, **medians, "p": Ranked.of(seconds[at]).test(mine)}
