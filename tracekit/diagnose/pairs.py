"""The table `pairs`: a statement and the next one that goes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.rows import Rows
from tracekit.frames import joint


def pairs(begins: Rows, ends: Rows, same: tuple[str, ...], over: pd.Series[Any] | None) -> Rows:
    """Each of `begins` with the next of `ends` that agrees with it in the columns `same`.

    Where none follows, the pair ends with its operation (`over`), or is none without that; columns are those of the
    beginning.
    """
    if not len(begins) or (not len(ends) and over is None):
        return begins.take(np.empty(0, dtype=np.int64))
    behind = next_of(begins, ends, same) if len(ends) else np.full(len(begins), -1)
    end = ends["ts"].take(behind, allow_fill=True)
    last = pd.arrays.IntegerArray(np.append(ends["record"], 0)[behind], behind < 0)
    if over is not None:
        open_ = np.flatnonzero(behind < 0)
        end[open_] = over.reindex(begins.at("operation", open_)).array
    return begins.having(end=end.__getitem__, last=last.__getitem__).where(~end.isna())


def next_of(begins: Rows, ends: Rows, same: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """For each of `begins` the first of `ends` behind it that agrees in the columns `same`, -1 where there is none."""
    record = np.concatenate([begins["record"], ends["record"]])
    opens = np.repeat([1, 0], [len(begins), len(ends)])
    both = (np.concatenate([begins.objects(name), ends.objects(name)]) for name in same)
    key = joint(np.zeros(len(record), dtype=np.int64), *both)
    order = np.lexsort((opens, record, key))
    closing = np.flatnonzero(opens[order] == 0)
    behind = np.append(order[closing], -1)[np.searchsorted(closing, np.arange(len(order)))]
    made = np.full(len(order), -1, dtype=np.int64)
    made[order] = np.where((behind >= 0) & (key[behind] == key[order]), behind - len(begins), -1)
    return made[: len(begins)]
