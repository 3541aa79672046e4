"""Joins with two possible ends: neither is taken, the operations concerned say so, and each is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tracekit.quality import Collector

NAMED = 3  # of many alike


class Doubts:
    """Collects, by operation, what could not be joined for certain."""

    def __init__(self, quality: Collector) -> None:
        self._quality = quality
        self._said: dict[str, dict[str, None]] = {}  # sentences of each operation, each once, in their order

    def add(self, counter: str, operations: Iterable[Any], sentence: str) -> None:
        """Count `counter` once, and let each of `operations` (nulls are none) say `sentence`."""
        names = [name for name in operations if isinstance(name, str)]
        self._quality.add(counter, "note", example=": ".join([*names[:1], sentence]))
        for name in names:
            self._said.setdefault(name, {})[sentence] = None

    def column(self, operations: pd.Series[Any]) -> pd.Series[Any]:
        """Sentences of each operation, joined by "; ", null where there is no doubt."""
        made = [
            "; ".join([*said[:NAMED], f"and {len(said) - NAMED} more"] if len(said) > NAMED else said) or None
            for said in (list(self._said.get(name, ())) for name in operations.tolist())
        ]
        return pd.Series(made, index=operations.index, dtype="str")
