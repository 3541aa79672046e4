"""Durations that can be compared with others of their kind: of operations, and of agent commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.fleet.chance import LEAST, Ranked, unlikely
from tracekit.frames import NEVER, Fractions, Numbers, among, instants, lengths, median, places, quantiles
from tracekit.schema import COMMAND_TIMES, check, frame

Columns = Mapping[str, npt.NDArray[Any]]

LOST = ("failed", "cancelled")
BAD_ANSWERS = ("false", "failed", "timed out")
SLOWER = 2.0  # times what is usual for the command
LONGER = 1.0  # and seconds more, from which on an operation is slow
ODD_SLOWER = 1.5  # times the other hosts' median
ODD_LONGER = 0.5  # and seconds more, from which on a host stands out
SHARES = {"median": 0.5, "p95": 0.95, "p99": 0.99, "worst": 1.0}


def timed_operations(operations: pd.DataFrame) -> pd.DataFrame:
    """Operations with `start` (datetime64[us]), `failed`, `seconds`, `usual`, `compared` and `slow`, and their index.

    `usual` is the median of those of the same API command that succeeded, NaN for fewer than LEAST; without it nothing
    is compared. The `seconds` of one that failed in less are NaN: had it gone on it would have taken longer.
    """
    seconds, failed = lengths(operations["wall"]), among(operations["status"], LOST)
    command, names = pd.factorize(operations["command"])
    good = np.where(among(operations["status"], ["succeeded"]), seconds, np.nan)
    usual = usual_of(good, command, len(names), LEAST)
    seconds = np.where(~failed | np.isnan(usual) | (seconds >= usual), seconds, np.nan)
    compared = ~np.isnan(seconds) & ~np.isnan(usual)
    slow = compared & (seconds >= SLOWER * usual) & (seconds >= usual + LONGER)
    made = {"operation": operations["operation"], "command": operations["command"], "start": operations["submitted"]}
    more = {"failed": failed, "seconds": seconds, "usual": usual, "compared": compared, "slow": slow}
    return pd.DataFrame({**made, **more}, index=operations.index, copy=False)


def usual_of(seconds: Fractions, number: Numbers, many: int, least: int) -> Fractions:
    """For each row the median of those that have its number, below `many`; NaN where fewer than `least` are known."""
    at = np.flatnonzero((number >= 0) & ~np.isnan(seconds))
    at = at[np.lexsort((seconds[at], number[at]))]
    count = np.bincount(number[at], minlength=many)
    told = np.flatnonzero(count >= least)
    begin = (np.cumsum(count) - count)[told]
    low, high = (seconds[at[begin + half]] for half in ((count[told] - 1) // 2, count[told] // 2))
    made = np.full(many + 1, np.nan)  # the last one is of rows without a number
    made[told] = (low + high) / 2
    return np.asarray(made[number])


def timed_commands(commands: pd.DataFrame) -> pd.DataFrame:
    """Answered agent commands: `command`, `host` (null where unknown), `start`, `seconds`, `failed` and `compared`.

    As with operations a failure is compared only when it took as long as is usual: refusals are answered at once.
    """
    sent, answered, received = (instants(commands[name]) for name in ("sent", "answered", "received"))
    end = np.where(answered == NEVER, received, answered)
    at = np.flatnonzero((sent != NEVER) & (end != NEVER))
    seconds = (end[at] - sent[at]) / 1e6
    failed = places(commands["result"], BAD_ANSWERS)[at] >= 0
    command = commands["command"].array.take(at).fillna("unknown")
    number, names = pd.factorize(command)
    usual = usual_of(np.where(failed, np.nan, seconds), number, len(names), 1)
    made = {
        "operation": commands["operation"].array.take(at),
        "command": command,
        "host": commands["host_name"].array.take(at),
        "start": commands["sent"].array.take(at),
        "seconds": seconds,
        "failed": failed,
        "compared": ~failed | np.isnan(usual) | (seconds >= usual),
    }
    return pd.DataFrame(made, copy=False)


def command_times(timed: pd.DataFrame) -> pd.DataFrame:
    """Table COMMAND_TIMES of agent commands as `timed_commands` gives them, by command and host.

    Commands stand by the time they took together; first that of all hosts, then each host against the others.
    """
    host, hosts = pd.factorize(timed["host"], sort=True)
    columns = {"host": host, **{name: timed[name].to_numpy() for name in ("seconds", "compared", "failed")}}
    rows: list[dict[str, Any]] = []
    for command, at in by_time(timed["command"], columns["seconds"]):
        mine = {name: values[at] for name, values in columns.items()}
        rows.append({"command": command, **spread_of(mine), "rest": 0})
        rows += ({"command": command, **row} for row in by_host(mine, hosts))
    made = columns_of(rows, COMMAND_TIMES)
    median, rest, p = (np.array(made[name], dtype=np.float64) for name in ("median", "rest_median", "p"))
    made["odd"] = unlikely(p) & (median >= ODD_SLOWER * rest) & (median >= rest + ODD_LONGER)
    for name in ("median", "p95", "p99", "worst", "total", "rest_median"):
        made[name] = length_of(made[name])
    return check(frame(COMMAND_TIMES, made), COMMAND_TIMES, "command times")


def columns_of(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    """Some columns of rows, None where a row does not have one."""
    return {name: [row.get(name) for row in rows] for name in names}


def by_time(commands: Any, seconds: Fractions) -> Iterator[tuple[str, Numbers]]:
    """Each command with the places of its rows, those that took most time together first."""
    number, names = pd.factorize(commands, sort=True)
    spent = np.bincount(number, np.rint(seconds * 1e6), len(names))  # of whole numbers equal sums are equal
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(len(names) + 1)).tolist()
    for place in np.argsort(-spent, kind="stable").tolist():
        yield str(names[place]), order[bounds[place] : bounds[place + 1]]


def by_host(mine: Columns, hosts: Any) -> Iterator[dict[str, Any]]:
    """Each host's times of one command against those of all other hosts that are known; nothing for a single one.

    Column `host` is the place of a name among `hosts`, -1 where it is not known.
    """
    there = mine["host"] >= 0
    columns = {name: values[there] for name, values in mine.items()}
    number = columns["host"]
    present = np.flatnonzero(np.bincount(number)).tolist()
    if len(present) < 2:
        return
    seconds, owner = columns["seconds"][columns["compared"]], number[columns["compared"]]
    ranked = Ranked.of(seconds)
    for at in present:
        own = owner == at
        rest = seconds[~own]
        part = {name: values[number == at] for name, values in columns.items()}
        yield {
            "host": hosts[at],
            **spread_of(part),
            "rest": len(rest),
            "rest_median": median(rest),
            "p": ranked.test(own),
        }


def spread_of(part: Columns) -> dict[str, Any]:
    """Counts of all and of failed ones, quantiles of what is compared, sum of all."""
    shares = quantiles(part["seconds"][part["compared"]], SHARES.values())
    counts = {"count": len(part["seconds"]), "failed": int(part["failed"].sum())}
    return {**counts, **dict(zip(SHARES, shares, strict=True)), "total": float(part["seconds"].sum())}


def length_of(seconds: Sequence[float | None]) -> npt.NDArray[np.timedelta64]:
    """Seconds as durations to the nearest microsecond, NaT where unknown."""
    exact = np.array(seconds, dtype=np.float64) * 1e6
    made = np.full(len(exact), np.timedelta64("NaT"), dtype="m8[us]")
    known = ~np.isnan(exact)
    made[known] = np.rint(exact[known]).astype("m8[us]")
    return made
