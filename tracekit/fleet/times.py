"""Durations that can be compared with others of their kind: of operations, and of agent commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.fleet.chance import LEAST, Ranked, unlikely
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
    seconds = operations["wall"].dt.total_seconds()
    failed = operations["status"].isin(LOST)
    command = operations["command"].astype("object")
    good = seconds.where(operations["status"] == "succeeded")
    by_command = good.groupby(command)
    usual = by_command.transform("median").where(by_command.transform("count") >= LEAST).astype("float64")
    seconds = seconds.where(~failed | usual.isna() | (seconds >= usual))
    compared = seconds.notna() & usual.notna()
    slow = compared & (seconds >= SLOWER * usual) & (seconds >= usual + LONGER)
    made = {"operation": operations["operation"], "command": command, "start": operations["submitted"]}
    return pd.DataFrame(
        {**made, "failed": failed, "seconds": seconds, "usual": usual, "compared": compared, "slow": slow}
    )


def timed_commands(commands: pd.DataFrame) -> pd.DataFrame:
    """Answered agent commands: `command`, `host` (null where unknown), `start`, `seconds`, `failed` and `compared`.

    As with operations a failure is compared only when it took as long as is usual: refusals are answered at once.
    """
    end = commands["answered"].fillna(commands["received"])
    made = pd.DataFrame(
        {
            "operation": commands["operation"],
            "command": commands["command"].astype("object").fillna("unknown"),
            "host": commands["host_name"].astype("object"),
            "start": commands["sent"],
            "seconds": (end - commands["sent"]).dt.total_seconds(),
            "failed": commands["result"].astype("object").isin(BAD_ANSWERS),
        }
    )
    made = made[made["seconds"].notna()].reset_index(drop=True)
    usual = made["seconds"].where(~made["failed"]).groupby(made["command"]).transform("median")
    return made.assign(compared=~made["failed"] | usual.isna() | (made["seconds"] >= usual))


def command_times(timed: pd.DataFrame) -> pd.DataFrame:
    """Table COMMAND_TIMES of agent commands as `timed_commands` gives them, by command and host.

    Commands stand by the time they took together; first that of all hosts, then each host against the others.
    """
    columns = {name: timed[name].to_numpy() for name in ("host", "seconds", "compared", "failed")}
    rows: list[dict[str, Any]] = []
    for command, at in by_time(timed):
        mine = {name: values[at] for name, values in columns.items()}
        rows.append({"command": command, "host": None, **spread_of(mine), "rest": 0})
        rows += ({"command": command, **row} for row in by_host(mine))
    made = pd.DataFrame(rows, columns=[*COMMAND_TIMES])
    slower = made["median"] >= ODD_SLOWER * made["rest_median"]
    longer = made["median"] >= made["rest_median"] + ODD_LONGER
    made["odd"] = unlikely(made["p"].to_numpy(dtype=np.float64)) & slower & longer
    for name in ("median", "p95", "p99", "worst", "total", "rest_median"):
        made[name] = length_of(made[name])
    return check(frame(COMMAND_TIMES, {str(name): made[name] for name in made}), COMMAND_TIMES, "command times")


def by_time(timed: pd.DataFrame) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """Each command with the places of its rows, those that took most time together first."""
    groups = timed.groupby("command")
    places = groups.indices
    for command in groups["seconds"].sum().sort_values(ascending=False, kind="stable").index:
        yield str(command), np.asarray(places[command])


def by_host(mine: Columns) -> Iterator[dict[str, Any]]:
    """Each host's times of one command against those of all other hosts that are known; nothing for a single one."""
    there = ~pd.isna(mine["host"])
    hosts, number = np.unique(mine["host"][there].astype(str), return_inverse=True)
    if len(hosts) < 2:
        return
    columns = {name: values[there] for name, values in mine.items()}
    seconds, owner = columns["seconds"][columns["compared"]], number[columns["compared"]]
    ranked = Ranked.of(seconds)
    for at, host in enumerate(hosts.tolist()):
        own = owner == at
        rest = seconds[~own]
        median = float(np.median(rest)) if len(rest) else np.nan
        part = {name: values[number == at] for name, values in columns.items()}
        yield {"host": host, **spread_of(part), "rest": len(rest), "rest_median": median, "p": ranked.test(own)}


def spread_of(part: Columns) -> dict[str, Any]:
    """Counts of all and of failed ones, quantiles of what is compared, sum of all."""
    times = part["seconds"][part["compared"]]
    shares = np.quantile(times, list(SHARES.values())) if len(times) else np.full(len(SHARES), np.nan)
    quantiles = dict(zip(SHARES, shares.tolist(), strict=True))
    counts = {"count": len(part["seconds"]), "failed": int(part["failed"].sum())}
    return {**counts, **quantiles, "total": float(part["seconds"].sum())}


def length_of(seconds: pd.Series[Any]) -> pd.Series[Any]:
    """Seconds as durations."""
    return pd.to_timedelta(seconds.astype("float64").round(6), unit="s").astype("timedelta64[us]")
