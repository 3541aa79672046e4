"""Which host, pool, router, template, account or hour has more slow operations than the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracekit.fleet.chance import LEAST, excess_test, expected, unlikely
from tracekit.fleet.members import GROUPED
from tracekit.fleet.times import Columns, columns_of, length_of
from tracekit.frames import Numbers, quantiles
from tracekit.schema import GROUPS, check, frame

MORE = 2.0  # times the slow ones to be expected, from which on a group stands out


def groups(operations: pd.DataFrame, membership: pd.DataFrame) -> pd.DataFrame:
    """Table GROUPS of operations as `timed_operations` gives them, with who they had to do with (`membership`).

    API commands are not alike, so a group's slow operations are compared with what the rest of the same commands
    would let expect. A group with fewer than LEAST compared operations, or with fewer of the others, has no `p`.
    Groups with more slow operations than to be expected come first, API commands that took most time, hours in their
    order.
    """
    columns = {name: operations[name].to_numpy() for name in ("failed", "compared", "slow", "seconds", "operation")}
    columns["command"] = pd.factorize(operations["command"], sort=True)[0]
    named = membership.reindex(operations["operation"])
    rows: list[dict[str, Any]] = []
    for by in GROUPED:
        number, names = pd.factorize(named[by], sort=True)
        made = [{"by": by, **row} for row in compared(columns, number, list(map(str, names)))]
        odd = unlikely(np.array([row["p"] for row in made], dtype=np.float64))
        for row, rare in zip(made, odd, strict=True):
            row["odd"] = bool(rare) and row["slow"] >= max(MORE * row["expected"], LEAST)
        if by != "hour":
            made.sort(
                key=lambda row: (-row["total"] if by == "command" else row["expected"] - row["slow"], row["name"])
            )
        rows += made
    table = columns_of(rows, GROUPS)
    for name in ("median", "p95", "worst", "total"):
        table[name] = length_of(table[name])
    return check(frame(GROUPS, table), GROUPS, "groups")


def compared(columns: Columns, number: Numbers, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The groups of one name each, in the order of their names; `number` is that of each operation's name, or -1."""
    known = np.flatnonzero(columns["compared"] & (number >= 0))
    strata = strata_of(number[known], columns["command"][known], columns["slow"][known])
    timed = np.flatnonzero(~np.isnan(columns["seconds"]) & (number >= 0))
    timed = timed[np.argsort(number[timed], kind="stable")]
    bounds = np.searchsorted(number[timed], np.arange(len(names) + 1)).tolist()
    there = number >= 0
    every, failed, alike, slow = (
        np.bincount(number[there & chosen], minlength=len(names)).tolist()
        for chosen in (there, columns["failed"], columns["compared"], columns["compared"] & columns["slow"])
    )
    for place, (name, mine) in enumerate(zip(names, map(slice, bounds, bounds[1:]), strict=False)):
        times, stratum, count = columns["seconds"][timed[mine]], strata.get(place, []), alike[place]
        median, p95, worst = quantiles(times, (0.5, 0.95, 1.0))
        yield {
            "name": name,
            "count": every[place],
            "failed": failed[place],
            "compared": count,
            "slow": slow[place],
            "expected": expected(stratum)[0],
            "rest": len(known) - count,
            "median": median,
            "p95": p95,
            "worst": worst,
            "total": times.sum(),
            "slowest": columns["operation"][timed[mine][times.argmax()]] if len(times) else None,
            "p": excess_test(stratum) if min(count, len(known) - count) >= LEAST else np.nan,
        }


def strata_of(name: Numbers, command: Numbers, slow: Numbers) -> dict[int, list[tuple[int, int, int, int]]]:
    """For each name the commands it has: operations and slow ones of the command, of these those of the name."""
    many = int(command.max(initial=-1)) + 1
    every = list(zip(*(np.bincount(command[rows], minlength=many).tolist() for rows in (..., slow)), strict=True))
    pair = name * many + command
    sizes = np.bincount(pair)
    hits = np.bincount(pair[slow], minlength=len(sizes))
    made: dict[int, list[tuple[int, int, int, int]]] = {}
    for at in np.flatnonzero(sizes).tolist():
        who, what = divmod(at, many)
        made.setdefault(who, []).append((*every[what], int(sizes[at]), int(hits[at])))
    return made
