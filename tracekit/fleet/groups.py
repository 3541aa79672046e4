"""Which host, pool, router, template, account or hour has more slow operations than the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tracekit.fleet.chance import LEAST, excess_test, expected, unlikely
from tracekit.fleet.members import GROUPED
from tracekit.fleet.times import length_of
from tracekit.schema import GROUPS, check, frame

MORE = 2.0  # times the slow ones to be expected, from which on a group stands out


def groups(operations: pd.DataFrame, membership: pd.DataFrame) -> pd.DataFrame:
    """Table GROUPS of operations as `timed_operations` gives them, with who they had to do with (`membership`).

    API commands are not alike, so a group's slow operations are compared with what the rest of the same commands
    would let expect. A group with fewer than LEAST compared operations, or with fewer of the others, has no `p`.
    Groups with more slow operations than to be expected come first, API commands that took most time, hours in their
    order.
    """
    rows: list[dict[str, Any]] = []
    for by in GROUPED:
        names = membership[by].reindex(operations["operation"]).to_numpy()
        mine = operations.assign(name=names)
        made = [{"by": by, **row} for row in compared(mine[mine["name"].notna()])]
        odd = unlikely(np.array([row["p"] for row in made], dtype=np.float64))
        for row, rare in zip(made, odd, strict=True):
            row["odd"] = bool(rare) and row["slow"] >= max(MORE * row["expected"], LEAST)
        if by != "hour":
            made.sort(
                key=lambda row: (-row["total"] if by == "command" else row["expected"] - row["slow"], row["name"])
            )
        rows += made
    table = pd.DataFrame(rows, columns=[*GROUPS])
    for name in ("median", "p95", "worst", "total"):
        table[name] = length_of(table[name])
    return check(frame(GROUPS, {str(name): table[name] for name in table}), GROUPS, "groups")


def compared(operations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The groups of one `name` each, in the order of their names."""
    known = operations[operations["compared"]]
    commands = known.groupby("command")["slow"].agg(["size", "sum"])
    for name, group in operations.groupby("name", sort=True):
        mine = group[group["compared"]]
        own = mine.groupby("command")["slow"].agg(["size", "sum"])
        columns = [part[key].tolist() for part in (commands.loc[own.index], own) for key in ("size", "sum")]
        strata = list(zip(*columns, strict=True))
        enough = min(len(mine), len(known) - len(mine)) >= LEAST
        times = group["seconds"].dropna()
        yield {
            "name": str(name),
            "count": len(group),
            "failed": int(group["failed"].sum()),
            "compared": len(mine),
            "slow": int(mine["slow"].sum()),
            "expected": expected(strata)[0],
            "rest": len(known) - len(mine),
            "median": times.median(),
            "p95": times.quantile(0.95),
            "worst": times.max(),
            "total": times.sum(),
            "slowest": None if times.empty else group["operation"].to_dict()[times.idxmax()],
            "p": excess_test(strata) if enough else np.nan,
        }
