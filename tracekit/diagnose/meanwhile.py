"""Findings that a fork looks for while this process makes what does without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tracekit.processes import Forked
from tracekit.schema import FINDINGS, check, frame


class Meanwhile:
    """The table of schema.FINDINGS that `look` gives, which is waited for when it is asked for."""

    def __init__(self, look: Callable[[], pd.DataFrame]) -> None:
        self._look = look
        self._fork = Forked(lambda: sent(look()))

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The table. Raises the errors of `look`, which is asked here where the fork died of them."""
        columns = self._fork.result()
        return self._look() if columns is None else received(columns)


def sent(findings: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of findings as marshal takes them."""
    cells = findings.astype({"cost": "int64"}).astype("object")
    return {str(name): column.where(column.notna(), None).tolist() for name, column in cells.items()}


def received(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """What `sent` gave as the table again."""
    cost = np.array(columns["cost"], dtype=FINDINGS["cost"])
    return check(frame(FINDINGS, {**columns, "cost": cost}), FINDINGS, "findings")
