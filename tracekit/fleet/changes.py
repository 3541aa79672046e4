"""What took longer or less long in the second half of a log than in the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tracekit.fleet.chance import LEAST, Ranked, unlikely
from tracekit.fleet.times import by_time, length_of
from tracekit.schema import CHANGES, check, frame

FACTOR = 1.5  # between the medians of the halves
LEAST_SECONDS = 0.1  # and seconds, from which on a change is one


def changes(operations: pd.DataFrame, commands: pd.DataFrame) -> pd.DataFrame:
    """Table CHANGES of API commands and agent commands that began at least LEAST times in each half.

    The halves are those of the time from the first to the last operation's beginning. `operations` and `commands` are
    as `timed_operations` and `timed_commands` give them.
    """
    starts = operations["start"].dropna()
    middle = starts.min() + (starts.max() - starts.min()) / 2
    kinds = (("API command", operations[operations["compared"]]), ("agent command", commands[commands["compared"]]))
    rows = [{"what": kind, **row} for kind, timed in kinds for row in halves(timed, middle)]
    made = pd.DataFrame(rows, columns=[*CHANGES])
    low, high = (np.minimum, np.maximum)
    medians = [made[name].to_numpy(dtype=np.float64) for name in ("before_median", "after_median")]
    large = (high(*medians) >= FACTOR * low(*medians)) & (high(*medians) - low(*medians) >= LEAST_SECONDS)
    made["odd"] = unlikely(made["p"].to_numpy(dtype=np.float64)) & large
    for name in ("before_median", "after_median"):
        made[name] = length_of(made[name])
    return check(frame(CHANGES, {str(name): made[name] for name in made}), CHANGES, "changes")


def halves(timed: pd.DataFrame, middle: pd.Timestamp) -> Iterator[dict[str, Any]]:
    """Each command on both sides of the middle, those that took most time together first."""
    seconds, first = timed["seconds"].to_numpy(), (timed["start"] < middle).to_numpy()
    for command, at in by_time(timed):
        mine = first[at]
        before, after = seconds[at][mine], seconds[at][~mine]
        if min(len(before), len(after)) >= LEAST:
            medians = {"before_median": float(np.median(before)), "after_median": float(np.median(after))}
            count = {"before": len(before), "after": len(after)}
            yield {"command": command, **count, **medians, "p": Ranked.of(seconds[at]).test(mine)}
