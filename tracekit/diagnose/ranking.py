"""In which order findings are shown: the first of an operation is its cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tracekit.diagnose.checks import LOST
from tracekit.diagnose.engine import Found


def ranked(found: Sequence[Found], operations: pd.DataFrame) -> list[Found]:
    """Findings by operation; in each the cause first.

    Of a failed operation that is its first failure in the order of the lines, for what follows from it is written
    later. Then comes what cost most time, then what happened after the end, then notes, then echoes of a failure.
    """
    place = {name: number for number, name in enumerate(operations["operation"])}
    status = dict(zip(operations["operation"], operations["status"], strict=True))

    def key(one: Found) -> tuple[Any, ...]:
        cause = one.rule.role == "failure" and status.get(one.operation) in (*LOST, "unfinished")
        step = (
            0
            if cause
            else 4
            if one.rule.role == "echo"
            else 3
            if one.severity == "note"
            else 2
            if one.rule.role == "after"
            else 1
        )
        return place.get(one.operation, len(place)), step, one.first if cause else -one.cost, one.rule.id

    return sorted(found, key=key)
