"""Servers that do not belong together: each installation is built for itself, then the tables are put in one.

Servers of one cluster share a database: a job has one number and one uuid on all of them, so the job's logid is the
same in both logs. Where two servers know the same job number by different logids, they are of two installations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any

import pandas as pd

from tracekit.build.jobs import SHORT
from tracekit.frames import Numbers, distinct, look_up
from tracekit.parse import Parsed, frame
from tracekit.parse.dialect import SERVER

UNNAMED = "other server"
# Columns that hold a number of another table, by table: what they number.
REFERENCES: Mapping[str, Mapping[str, str]] = {
    "records": {"span": "span", "run": "run"},
    "spans": {"span": "span", "parent": "span", "first_record": "record", "last_record": "record"},
    "operations": {"request": "span"},
    "jobs": {},
    "commands": {"span": "span"},
    "ledger": {"span": "span", "first_record": "record", "last_record": "record"},
}


def installations(records: pd.DataFrame) -> pd.Series[Any] | None:
    """The installation of each record, by its server; None where there is only one."""
    own = (records["component"] == SERVER).to_numpy()
    if (distinct(records["server"].array.codes[own]) >= 0).sum() < 2:
        return None
    servers = records.loc[own, "server"].dropna().unique()
    known = {str(server): jobs_of(records[records["server"] == server]) for server in servers}
    group = {name: number for number, name in enumerate(known)}
    for one in known:
        for other in known:
            if together(known[one], known[other]):
                old, new = group[other], group[one]
                group = {name: new if number == old else number for name, number in group.items()}
    if len(set(group.values())) == 1:
        return None
    made = records["server"].astype("str").map(group)
    return made.fillna(host_groups(records, made)).fillna(next(iter(group.values()))).astype("int64")


def jobs_of(records: pd.DataFrame) -> pd.Series[Any]:
    """The logid of each API job that a server worked for, itself or by a work job: the one that most lines bear."""
    rows = records[records["job"].notna() & (records["logid"].str.len() == SHORT)]
    job = rows["origin"].fillna(rows["job"])
    counts = pd.DataFrame({"job": job, "logid": rows["logid"]}).value_counts().reset_index()
    return counts.drop_duplicates("job").set_index("job")["logid"]


def together(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Whether two servers are of one cluster: they agree on a job, or nothing says that they are not."""
    both = one.index.intersection(other.index)
    return bool(not len(both) or (one[both] == other[both]).any())


def host_groups(records: pd.DataFrame, group: pd.Series[Any]) -> pd.Series[Any]:
    """The installation of an agent's log: the one with whose logids its lines agree most."""
    unknown = records[group.isna() & records["logid"].notna()]
    of_logid = pd.DataFrame({"logid": records["logid"], "group": group}).dropna().drop_duplicates("logid")
    found = look_up(unknown["logid"], of_logid.set_index("logid")["group"])
    votes = pd.DataFrame({"source": unknown["source"].astype("str"), "group": found}).dropna().value_counts()
    best = votes.reset_index().drop_duplicates("source").set_index("source")["group"]
    return look_up(records["source"].astype("str"), best)


def part(parsed: Parsed, chosen: Numbers) -> Parsed:
    """The records of one installation, numbered anew, with their events."""
    records, events = frame.chosen(parsed.records, parsed.events, chosen)
    return parsed._replace(records=records, events=events)


def united(parts: Sequence[Mapping[str, pd.DataFrame]], chosen: Sequence[Numbers]) -> dict[str, pd.DataFrame]:
    """The tables of all installations as one of each: numbers counted on, operations of one name told apart."""
    made: dict[str, list[pd.DataFrame]] = {name: [] for name in REFERENCES}
    taken: dict[str, str] = {}
    start = {"span": 0, "run": 0}
    for tables, records in zip(parts, chosen, strict=True):
        servers = tables["operations"]["server"].astype("object").fillna(UNNAMED).astype("str").tolist()
        names = renamed(tables["operations"]["operation"].tolist(), servers, taken)
        taken |= dict(zip(names.values(), servers, strict=True))
        for name, columns in REFERENCES.items():
            table = tables[name].copy()
            for column, kind in columns.items():
                known = table[column].notna()
                numbers = table.loc[known, column].astype("int64").to_numpy()
                moved = records[numbers] if kind == "record" else numbers + start[kind]
                table[column] = (
                    pd.Series(moved, index=table.index[known]).reindex(table.index).astype(table[column].dtype)
                )
            old = table["operation"].astype("object")
            new = old.map(names)
            dtype: Any = str(table["operation"].dtype)  # a name: the dtype of a category holds the old operations
            table["operation"] = new.where(new.notna(), old).astype(dtype)
            made[name].append(table.set_index(records) if name == "records" else table)
        start["span"] += len(tables["spans"])
        start["run"] += int(tables["records"]["run"].max()) + 1
    whole = {name: concatenated(tables) for name, tables in made.items()}
    whole["records"] = whole["records"].sort_index()
    return {name: table.reset_index(drop=True) for name, table in whole.items()}


def renamed(operations: Sequence[str], servers: Sequence[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Names of operations by their old ones: told apart by server, on the same server counted: `job-43#2`.

    `servers` has the server of each; `taken` are the names that other parts have, with their servers.
    """
    made: dict[str, str] = {}
    for old, server in zip(operations, servers, strict=True):
        name = old if taken.get(old, server) == server else f"{old}@{server}"
        free = (f"{name}#{number}" for number in count(2))
        made[old] = next(free_name for free_name in chain([name], free) if free_name not in taken)
    return made


def concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables under one another, categories united."""
    for column in tables[0].select_dtypes("category").columns:
        names = list(dict.fromkeys(name for table in tables for name in table[column].cat.categories))
        for table in tables:
            table[column] = table[column].cat.set_categories(names)
    return pd.concat(tables)
