"""Findings as a fork sends them to the process that goes on without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tracekit.frames import objects
from tracekit.schema import FINDINGS, check, frame


def packed(findings: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of findings as marshal takes them."""
    cells = {str(name): objects(column).tolist() for name, column in findings.items() if name != "cost"}
    return cells | {"cost": findings["cost"].astype("int64").tolist()}


def unpacked(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """What `packed` gave as the table again."""
    cost = np.array(columns["cost"], dtype=FINDINGS["cost"])
    return check(frame(FINDINGS, {**columns, "cost": cost}), FINDINGS, "findings")
