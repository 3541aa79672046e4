"""Which machine wrote each file, and the records of all machines in one order.

A management server is known by the number that its commands bear (`MgmtId`), by the host that a shipper names in
front of each line, or by its folder; an agent by the host that its requests name. Several files of one machine are
chained, several machines are merged by time with (source, line) as the tie.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import NEVER, Numbers, instants
from tracekit.parse.chain import BACK, SECOND, Layout
from tracekit.parse.dialect import SERVER
from tracekit.parse.events import Events

SENT = ("command.send", "command.wait", "command.execute")
ON_HOST = ("host.request", "host.answer", "host.ready")
NOBODY = "-1"  # a message made before its sender knew its number
# Pieces of a log in one file, in another order than that of time: how far the clock steps back from one to the next, by
# how much at most one begins behind the end of the one before it, records that each of them has.
STEP, ADJOINING, PIECE = 10 * SECOND, 600 * SECOND, 20


def name_servers(records: pd.DataFrame, events: Events, layouts: Sequence[Layout]) -> pd.DataFrame:
    """`records` with `server` filled in and `component`; the sources stand in the order of `layouts`."""
    ids = message_ids(records, events)
    component = pd.Series([layout.dialect.component for layout in layouts], index=sources_of(layouts))
    prefix = first_of(records["source"], records["server"])
    names: dict[str, str | None] = {}
    for source in component.index[component == SERVER]:
        names[source] = prefix.get(source) or ids.get(source)
    fill_in(names, layouts)
    hosts = host_names(records, events) if (component == "agent").any() else {}
    for source in component.index[component != SERVER]:
        if component[source] == "agent":
            names[source] = hosts.get(source) or prefix.get(source) or os.path.basename(source)
        else:
            names[source] = neighbour(source, names, records, component)
    return records.assign(
        server=filled(records["server"], by_source(records, names)),
        component=by_source(records, {str(path): name for path, name in component.items()}),
    )


def filled(known: pd.Series[Any], other: pd.Series[Any]) -> pd.Series[Any]:
    """One category column, and where it is null another: by codes, for a large log has millions of rows."""
    names = pd.Index([*known.cat.categories, *other.cat.categories], dtype="str")
    code = known.cat.codes.to_numpy().astype(np.int32)
    rest = other.cat.codes.to_numpy().astype(np.int32)
    code = np.where(code < 0, np.where(rest < 0, -1, rest + len(known.cat.categories)), code)
    taken = np.flatnonzero(np.bincount(code[code >= 0], minlength=len(names)))
    used = sorted({str(names[at]) for at in taken})
    table = np.array([*(used.index(name) if name in used else -1 for name in names), -1], dtype=np.int32)
    return pd.Series(pd.Categorical.from_codes(table[code], pd.Index(used, dtype="str")), index=known.index)


def by_source(records: pd.DataFrame, values: Mapping[str, str | None]) -> pd.Series[Any]:
    """The value of each record's source, as a category."""
    wanted = [values.get(str(source)) for source in records["source"].cat.categories]
    names = pd.Index(sorted({value for value in wanted if value is not None}), dtype="str")
    code = names.get_indexer(pd.Index(wanted, dtype="object"))
    made = pd.Categorical.from_codes(code[records["source"].cat.codes.to_numpy()], names)
    return pd.Series(made, index=records.index)


def sources_of(layouts: Sequence[Layout]) -> pd.Index[str]:
    """Paths of the sources."""
    return pd.Index([layout.source.path for layout in layouts], dtype="str")


def message_ids(records: pd.DataFrame, events: Events) -> dict[str, str]:
    """The number of the server that wrote each source: the one that most of the commands it sends bear."""
    sent = events.meaning(*SENT, columns=["MGMT"])[["record", "MGMT"]].dropna()
    sent = sent[sent["MGMT"] != NOBODY]
    source = records["source"].iloc[sent["record"]].astype("str").to_numpy()
    return most(pd.Series(source), sent["MGMT"].reset_index(drop=True))


def host_names(records: pd.DataFrame, events: Events) -> dict[str, str]:
    """Name of the host that wrote each agent's log: by the host's number in its requests, which the servers name."""
    named = events.meaning(*SENT, columns=["HOST", "HOST_NAME"])[["HOST", "HOST_NAME"]].dropna()
    names = most(named["HOST"], named["HOST_NAME"])
    told = events.meaning(*ON_HOST, columns=["HOST", "HOST_NAME"]).dropna(subset=["HOST"])
    source = pd.Series(records["source"].iloc[told["record"]].astype("str").to_numpy(), index=told.index)
    numbers = most(source, told["HOST"])
    own = told.dropna(subset=["HOST_NAME"])
    says = most(source[own.index], own["HOST_NAME"])
    return {path: says.get(path) or names.get(number) or f"host {number}" for path, number in numbers.items()}


def most(keys: pd.Series[Any], values: pd.Series[Any]) -> dict[Any, Any]:
    """For each key the value that stands beside it most often."""
    if not len(keys):
        return {}
    counts = pd.DataFrame({"key": keys.to_numpy(), "value": values.to_numpy()}).value_counts(["key", "value"])
    table = counts.reset_index().drop_duplicates("key")
    return dict(zip(table["key"], table["value"], strict=True))


def first_of(keys: pd.Series[Any], values: pd.Series[Any]) -> dict[str, str]:
    """For each key the first value that is not null."""
    known = values.notna()
    rows = pd.DataFrame({"key": keys[known].astype("str"), "value": values[known].astype("str")})
    rows = rows.drop_duplicates("key")
    return dict(zip(rows["key"], rows["value"], strict=True))


def fill_in(names: dict[str, str | None], layouts: Sequence[Layout]) -> None:
    """Servers of the files that do not say whose they are: a server of the same folder, or else the only one there
    is, provided that it wrote no other file at that time; else one of their own, called after the folder.
    """
    spans = {layout.source.path: (layout.first, layout.last) for layout in layouts}
    for path in [path for path, name in names.items() if name is None]:
        known = dict.fromkeys(name for name in names.values() if name)
        near = dict.fromkeys(
            name for other, name in names.items() if name and os.path.dirname(other) == os.path.dirname(path)
        )
        busy = {name for other, name in names.items() if name and overlap(spans[path], spans[other])}
        fit = [name for name in near or known if name not in busy]
        if len(fit) == 1:
            names[path] = fit[0]
        elif known or any(overlap(spans[path], spans[other]) for other in names if other != path):
            folder = os.path.basename(os.path.dirname(path))
            names[path] = path if not folder or folder in known else folder


def overlap(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """Whether two files were written at the same time."""
    return bool(min(one[1], other[1]) - max(one[0], other[0]) > BACK)


def neighbour(
    source: str, names: Mapping[str, str | None], records: pd.DataFrame, component: pd.Series[Any]
) -> str | None:
    """The management server to which a log without agents belongs: the one whose contexts it shares, else that of
    its folder, else the only one.
    """
    servers = {name for path, name in names.items() if component[path] == SERVER and name}
    if len(servers) <= 1:
        return next(iter(servers), None)
    mine = set(records.loc[records["source"] == source, "ctx"].dropna())
    shared = {
        path: len(mine & set(records.loc[records["source"] == path, "ctx"].dropna()))
        for path in names
        if component[path] == SERVER
    }
    best = max(shared, key=lambda path: (shared[path], os.path.dirname(path) == os.path.dirname(source)))
    return names[best]


def merge_order(records: pd.DataFrame, layouts: Sequence[Layout]) -> npt.NDArray[np.int64] | None:
    """Row numbers of `records` in the order of time; None where they stand in it already.

    Each piece's own order is kept: a step back in time counts as the time before it.
    """
    times = instants(records["ts"])
    source = records["source"].cat.codes.to_numpy()
    number = {str(path): code for code, path in enumerate(records["source"].cat.categories)}
    every = [np.flatnonzero(source == number[layout.source.path]) for layout in layouts]
    parts = [part for rows in every if len(rows) for part in pieces(times, rows)]
    if len(parts) < 2:
        return None
    if len(parts) > len(every):
        parts.sort(key=lambda rows: int(times[rows[0]]))
    key = np.empty(len(records), dtype=np.int64)
    reached: list[tuple[str, str, int]] = []  # component and server of a chain, and the time that it has reached
    for rows in parts:
        mine = (str(records["component"].iloc[rows[0]]), str(records["server"].iloc[rows[0]]))
        rising = np.maximum.accumulate(times[rows])
        chain = next(
            (i for i, (*who, end) in enumerate(reached) if tuple(who) == mine and follows(rising[0], end)), None
        )
        if chain is not None:
            rising = np.maximum(rising, reached[chain][2])
            reached[chain] = (*mine, int(rising[-1]))
        else:
            reached.append((*mine, int(rising[-1])))
        key[rows] = rising
    order = np.argsort(key, kind="stable")
    return None if (np.diff(order) == 1).all() else order


def pieces(times: Numbers, rows: Numbers) -> list[Numbers]:
    """The rows of a file as pieces that were put behind one another in another order than that of time, as files are in
    the order of their names. They are none where one does not begin about when another ends: the clock was set back.
    """
    own = times[rows]
    cuts = 1 + np.flatnonzero(own[1:] < own[:-1] - STEP)
    if not len(cuts) or (own == NEVER).any():
        return [rows]
    parts = np.split(rows, cuts)
    spans = sorted((int(times[part].min()), int(times[part].max())) for part in parts)
    adjoin = all(-SECOND <= begin - end <= ADJOINING for (_, end), (begin, _) in pairwise(spans))
    return parts if adjoin and min(map(len, parts)) >= PIECE else [rows]


def follows(first: int, end: int) -> bool:
    """Whether a file that begins at `first` goes on where one ended."""
    return first >= end - SECOND
