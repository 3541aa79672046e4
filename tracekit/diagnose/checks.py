"""Tables that no declaration can describe. Rules name them like any other table; there should be few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from tracekit.diagnose.tables import Tables

CHECKS: Mapping[str, Callable[[Tables], pd.DataFrame]] = {}
