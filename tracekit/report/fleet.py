"""All operations compared, for the page: who stands out, every group, both halves of the time, what stood still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tracekit.fleet import Fleet
from tracekit.fleet.chance import LEAST
from tracekit.fleet.stalls import SILENT
from tracekit.fleet.times import LONGER, SLOWER
from tracekit.frames import rows
from tracekit.report.log import Log
from tracekit.report.shapes import FleetView, GroupRow, GroupTable, Half, Together
from tracekit.report.words import clock, count, duration, known, listed, seconds, text

MAX_GROUPS, MAX_HALVES, MAX_STALLS = 24, 24, 12
NAMES = 6  # operations of one stall that are named
HEADS = {
    "host": ("Host", "Operations by the host that most of their agent time was spent at"),
    "pool": ("Pool", "Operations by the storage pool that the first plan of their VM chose"),
    "router": ("Router", "Operations by the virtual router that their commands name first"),
    "template": ("Template", "Operations by the template that was asked for"),
    "account": ("Account", "Operations by account"),
    "hour": ("From", "Operations by the time of their beginning"),
}
SLOW = f"slow: at least {SLOWER:g} times the median of its API command, and {LONGER:g} s more"
NOTE = (
    f"An operation is {SLOW}. What is expected is what the other operations of the same API commands have. A name "
    f"stands out when chance would hardly give it so many; with fewer than {LEAST} operations alike nothing is said."
)
TOO_FEW = f"Too few operations of one kind to compare: it takes {LEAST} alike, and {LEAST} others."
NOTHING = "No host, pool, router, template, account or hour differs from the rest by more than chance explains."


def view(made: Fleet, hrefs: Mapping[str, str], log: Log) -> FleetView:
    """Everything that the comparison says. `hrefs` has the places of the operations that are shown in full."""
    groups, changes, stalls = (rows(table, plain=True) for table in (made.groups, made.changes, made.stalls))
    said = outliers(groups, slow_hosts(made.commands), changes, stalls)
    return FleetView(
        said=tuple(map(log.names.short, said)) or (NOTHING if compared(made) else TOO_FEW,),
        note=NOTE,
        groups=tuple(_tables(groups, hrefs, log)),
        halves=tuple(_half(row) for row in changes[:MAX_HALVES]),
        halves_left_out=_left_out(len(changes) - MAX_HALVES, "command"),
        together=tuple(_together(row, log) for row in stalls[:MAX_STALLS]),
        together_left_out=_left_out(len(stalls) - MAX_STALLS, "moment"),
    )


def compared(made: Fleet) -> bool:
    """Whether there was enough of anything to compare it."""
    return any(table["p"].notna().any() for table in (made.groups, made.commands, made.changes))


def outliers(groups: Sequence[Any], hosts: Sequence[str], changes: Sequence[Any], stalls: Sequence[Any]) -> list[str]:
    """A sentence for each group, host (they are ready), change and stall that stands out."""
    said = [
        f"{'from' if row.by == 'hour' else row.by} {text(row.name, 80)}: {row.slow:,} of "
        f"{count(row.compared, 'operation')} slow, {row.expected:.1f} expected from the other {row.rest:,}"
        for row in groups
        if row.odd
    ]
    said += hosts
    said += [
        f"{listed(row.command)}: median {duration(seconds(row.before_median) or 0.0)} in the first half of the time, "
        f"{duration(seconds(row.after_median) or 0.0)} in the second (n = {row.before:,} and {row.after:,})"
        for row in changes
        if row.odd
    ]
    return said + [stood_still(row) for row in stalls[:1]]


def slow_hosts(commands: pd.DataFrame) -> list[str]:
    """A sentence for each agent command that takes longer at one host than at the others."""
    return [
        f"{listed(row.command)} at {text(row.host, 120)}: median {duration(seconds(row.median) or 0.0)}, elsewhere "
        f"{duration(seconds(row.rest_median) or 0.0)} (n = {row.count:,} and {row.rest:,})"
        for row in rows(commands[commands["odd"]], plain=True)
    ]


def stood_still(row: Any) -> str:
    """One stall as a sentence."""
    took = f"for {duration(seconds(row.duration) or 0.0)} at {clock(row.start)}"
    if row.waited == SILENT:
        return f"the whole server stood still {took}, with {count(row.operations, 'operation')} under way"
    return (
        f"{row.operations:,} of {count(row.under_way, 'operation')} under way stood still together {took} "
        f"({text(row.waited, 100)})"
    )


def _tables(groups: Sequence[Any], hrefs: Mapping[str, str], log: Log) -> Sequence[GroupTable]:
    made = []
    parts: dict[str, list[Any]] = {}
    for row in groups:
        parts.setdefault(row.by, []).append(row)
    for by, (head, caption) in HEADS.items():
        part = parts.get(by, [])
        if len(part) > 1:
            shown = tuple(_group(row, hrefs, log) for row in part[:MAX_GROUPS])
            made.append(GroupTable(head, caption, shown, _left_out(len(part) - MAX_GROUPS, by)))
    return made


def _group(row: Any, hrefs: Mapping[str, str], log: Log) -> GroupRow:
    full = text(row.name, 120)
    median, p95, longest = (
        "" if value is None else duration(value) for value in map(seconds, (row.median, row.p95, row.worst))
    )
    return GroupRow(
        log.names.short(full) if row.by == "host" else full,
        full,
        "odd" if row.odd else "",
        f"{row.count:,}",
        f"{row.failed:,}" if row.failed else "",
        f"{row.slow:,} of {row.compared:,}",
        f"{row.expected:.1f}" if known(row.p) else "too few",
        median,
        p95,
        longest,
        hrefs.get(str(row.slowest), ""),
        text(row.slowest, 60),
    )


def _half(row: Any) -> Half:
    return Half(
        str(row.what),
        listed(row.command),
        "odd" if row.odd else "",
        duration(seconds(row.before_median) or 0.0),
        f"{row.before:,}",
        duration(seconds(row.after_median) or 0.0),
        f"{row.after:,}",
    )


def _together(row: Any, log: Log) -> Together:
    more = f", and {row.operations - NAMES} more" if row.operations > NAMES else ""
    return Together(
        clock(row.start),
        duration(seconds(row.duration) or 0.0),
        f"{row.operations:,} of {row.under_way:,}",
        text(row.waited, 120),
        ", ".join(text(name, 40) for name in row.names[:NAMES]) + more,
        log.span(row.first_record, row.last_record),
    )


def _left_out(number: int, thing: str) -> str:
    return f"{count(number, f'more {thing}')} left out; tracekit operations --by shows all" if number > 0 else ""
