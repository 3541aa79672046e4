"""Which host, pool, router, template, account, hour and command each operation had to do with: one of each at most.

One, for an operation that tries again names more of everything; if it counted for all of them, all would look slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.errors import GrammarError
from tracekit.prepared import toml_of
from tracekit.schema import ENTITY_KINDS

if TYPE_CHECKING:
    from tracekit.trace import Trace

FILE = "members.toml"
GROUPED = ("host", "pool", "router", "template", "account", "hour", "command")
MOST = 24  # stretches that a log is cut into where hours are too long for it
STRETCHES = ("1min", "5min", "10min", "30min")
LONG = pd.Timedelta(hours=3)


@dataclass(frozen=True)
class Member:
    """How lines of an operation name something: statements, and what to read in their text."""

    by: str
    kind: str | None  # of the entity whose name is shown
    statements: tuple[str, ...]  # rules of the message grammars
    reads: re.Pattern[bytes]  # with a group id, uuid or name
    samples: tuple[Mapping[str, Any], ...]


def load_members(root: Traversable) -> tuple[Member, ...]:
    """Read `grammars/members.toml`. GrammarError where it cannot be understood."""
    try:
        rows = toml_of(root / FILE)["member"]
        return tuple(
            Member(
                row["by"],
                row.get("kind"),
                tuple(row["statements"]),
                re.compile(row["reads"].encode()),
                tuple(row["samples"]),
            )
            for row in rows
        )
    except (KeyError, re.error) as error:
        raise GrammarError(f"grammars: {FILE}: {error}") from error


def check_members(members: Sequence[Member], statements: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong in members.toml, one line each; `statements` has a key for each rule of the message grammars."""
    for member in members:
        name = f"{FILE}: {member.by}"
        if member.by not in GROUPED:
            yield f"{name}: `by` is none of {', '.join(GROUPED)}"
        if member.kind not in (None, *ENTITY_KINDS):
            yield f"{name}: `kind` {member.kind} is none of {', '.join(ENTITY_KINDS)}"
        for strange in sorted(set(member.statements) - set(statements)):
            yield f"{name}: no rule of the message grammars is called {strange}"
        if not member.samples:
            yield f"{name}: no sample"
        for sample in member.samples:
            found = member.reads.search(sample["text"].encode())
            said = {key: value.decode() for key, value in found.groupdict().items()} if found else {}
            if said != {key: str(value) for key, value in sample.items() if key != "text"}:
                yield f"{name}: reads {said}, its sample says otherwise: {sample['text'][:100]}"


def membership(trace: Trace, timed: pd.DataFrame, members: Sequence[Member]) -> pd.DataFrame:
    """For each operation (index) the name of its host, pool, ... in columns named as GROUPED; null where unknown.

    `timed` are the agent commands as `times.timed_commands` gives them.
    """
    operations = trace.operations.set_index("operation")
    made = {name: pd.Series(None, index=operations.index, dtype="object") for name in GROUPED}
    made["host"] = busiest(timed).reindex(operations.index)
    made["account"] = operations["account"].astype("object")
    made["hour"] = stretches(operations["submitted"])
    made["command"] = operations["command"].astype("object").fillna("unknown command")
    for member in members:
        made[member.by] = made[member.by].fillna(first_named(trace, member).reindex(operations.index))
    return pd.DataFrame(made)


def busiest(timed: pd.DataFrame) -> pd.Series[Any]:
    """The host that each operation spent most time at."""
    spent = timed.groupby(["operation", "host"])["seconds"].sum().sort_values(kind="stable").reset_index()
    last = spent.drop_duplicates("operation", keep="last")
    return pd.Series(last["host"].to_numpy(), index=last["operation"].to_numpy(), dtype="object")


def stretches(times: pd.Series[Any]) -> pd.Series[Any]:
    """Hours as `11-22 17:00`; in a log of less than LONG shorter stretches, at most MOST of them."""
    whole = times.max() - times.min()
    short = next((step for step in STRETCHES if whole / pd.Timedelta(step) <= MOST), "h")
    begun = times.dt.floor("h" if pd.isna(whole) or whole >= LONG else short)
    said: pd.Series[Any] = begun.dt.strftime("%m-%d %H:%M").astype("object")
    return said


def first_named(trace: Trace, member: Member) -> pd.Series[Any]:
    """What each operation's lines name first, under the name that the input gives to it."""
    records = trace.records
    event, operation, source = (records[name].cat for name in ("event", "operation", "source"))
    tells = np.append(event.categories.isin(member.statements), False)  # the last one is what no rule reads
    at = np.flatnonzero(tells[event.codes.to_numpy()] & (operation.codes.to_numpy() >= 0))
    sources = [trace.sources[path] for path in source.categories]
    columns = (operation.codes, source.codes, records["offset"], records["length"])
    names = NameOf(member, trace.entities)
    made: dict[int, str] = {}
    for number, place, offset, length in zip(*(column.to_numpy()[at].tolist() for column in columns), strict=True):
        if number not in made:
            found = member.reads.search(sources[place].slice(offset, length))
            if found:
                made[number] = names.of(found)
    return pd.Series({operation.categories[number]: name for number, name in made.items()}, dtype="object")


class NameOf:
    """Names of one kind of entity by id and uuid."""

    def __init__(self, member: Member, entities: pd.DataFrame) -> None:
        self.kind = member.kind or member.by
        known = entities[(entities["kind"] == self.kind) & entities["name"].notna()]
        self.names: dict[str, str] = {}
        for key in ("id", "uuid"):
            part = known[known[key].notna()]
            self.names |= dict(zip(part[key].astype("object").map(str), part["name"], strict=True))

    def of(self, found: re.Match[bytes]) -> str:
        """The name, else the kind with the id, else the uuid."""
        said = {key: value.decode("utf-8", "replace") for key, value in found.groupdict().items() if value}
        key = said.get("id") or said.get("uuid") or ""
        return said.get("name") or self.names.get(key) or (f"{self.kind} {key}" if "id" in said else key)
