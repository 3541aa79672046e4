"""How likely a difference is by chance, without a distribution being assumed.

Many things are compared at once, so what is unlikely for one is not for the best of a hundred: `unlikely` divides its
limit by their number (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LEAST = 5  # durations alike below which nothing is said
LIMIT = 0.01  # of the chance that anything at all is said where nothing is different

Values = npt.NDArray[np.float64]


def unlikely(chances: Values) -> npt.NDArray[np.bool_]:
    """Which of the chances (NaN: not tried) are too small for as many as were tried."""
    tried = int(np.isfinite(chances).sum())
    return np.asarray(chances < LIMIT / max(tried, 1))


class Ranked(NamedTuple):
    """Values by rank, from 1; equal values share the mean of theirs."""

    ranks: Values
    ties: float  # what equal values take from the spread of a sum of ranks

    @classmethod
    def of(cls, values: Values) -> Ranked:
        """The ranks of values."""
        _, place, times = np.unique(values, return_inverse=True, return_counts=True)
        last = np.cumsum(times)
        return cls((last - (times - 1) / 2)[place], float((times.astype(np.float64) ** 3 - times).sum()))

    def test(self, mine: Any) -> float:
        """Chance that some of the values (their places) differ so much from all others, in either direction.

        Mann-Whitney; NaN for few values.
        """
        chosen = self.ranks[mine]
        n, m = len(chosen), len(self.ranks) - len(chosen)
        if min(n, m) < LEAST:
            return math.nan
        above = float(chosen.sum()) - n * (n + 1) / 2
        spread = math.sqrt(n * m / 12 * (n + m + 1 - self.ties / ((n + m) * (n + m - 1))))
        distance = max(abs(above - n * m / 2) - 0.5, 0.0)
        return math.erfc(distance / spread / math.sqrt(2)) if spread else 1.0


def expected(strata: Iterable[tuple[int, int, int, int]]) -> tuple[float, float]:
    """Mean and variance of the hits among chosen things, where each stratum is (things, hits, chosen, chosen hits).

    Under chance the hits of a stratum fall on its chosen things as its draws do without replacement.
    """
    mean = variance = 0.0
    for things, hits, chosen, _ in strata:
        share = hits / things
        mean += chosen * share
        if things > 1:
            variance += chosen * share * (1 - share) * (things - chosen) / (things - 1)
    return mean, variance


def excess_test(strata: Iterable[tuple[int, int, int, int]]) -> float:
    """Chance that so many hits or more fall on the chosen things (Mantel-Haenszel); strata as in `expected`.

    NaN where there is nothing to compare with: all things of every stratum are chosen.
    """
    rows = list(strata)
    if all(things == chosen for things, _, chosen, _ in rows):
        return math.nan
    mean, variance = expected(rows)
    excess = sum(found for *_, found in rows) - mean - 0.5
    return math.erfc(excess / math.sqrt(2 * variance)) / 2 if variance else 1.0
