"""Which host, pool, router, template, account, hour and command each operation had to do with: one of each at most.

One, for an operation that tries again names more of everything; if it counted for all of them, all would look slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.errors import GrammarError
from tracekit.frames import NEVER, among, instants, moment, numbers_of, objects
from tracekit.prepared import toml_of
from tracekit.schema import ENTITY_KINDS

if TYPE_CHECKING:
    from tracekit.trace import Trace

FILE = "members.toml"
GROUPED = ("host", "pool", "router", "template", "account", "hour", "command")
MOST = 24  # stretches that a log is cut into where hours are too long for it
STRETCHES = (1, 5, 10, 30)  # minutes
HOUR = 60
MINUTE = 60_000_000  # microseconds
LONG = 3 * HOUR * MINUTE


class Member(NamedTuple):
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
    operations = trace.operations
    names = pd.Index(operations["operation"])
    made = {name: np.full(len(names), None, dtype=object) for name in GROUPED}
    made["host"] = busiest(timed, names)
    made["account"] = objects(operations["account"])
    made["hour"] = stretches(operations["submitted"])
    made["command"] = operations["command"].fillna("unknown command").to_numpy(dtype=object)
    for member in members:
        column, named = made[member.by], first_named(trace, member)
        for place, name in zip(names.get_indexer(pd.Index(list(named))).tolist(), named.values(), strict=True):
            if place >= 0 and column[place] is None:
                column[place] = name
    return pd.DataFrame(made, index=names, copy=False)


def busiest(timed: pd.DataFrame, names: pd.Index[Any]) -> npt.NDArray[Any]:
    """The host that each of the operations `names` spent most time at, None where none is known."""
    operation, (host, hosts) = names.get_indexer(pd.Index(timed["operation"])), pd.factorize(timed["host"], sort=True)
    at = np.flatnonzero((operation >= 0) & (host >= 0))
    pairs, number = np.unique(operation[at] * len(hosts) + host[at], return_inverse=True)
    spent = np.bincount(number, np.rint(timed["seconds"].to_numpy()[at] * 1e6))
    pairs = pairs[np.argsort(spent, kind="stable")]
    made = np.full(len(names), None, dtype=object)
    made[pairs // max(len(hosts), 1)] = np.array(hosts, dtype=object)[pairs % max(len(hosts), 1)]  # the last one stays
    return made


def stretches(times: pd.Series[Any]) -> npt.NDArray[Any]:
    """Hours as `11-22 17:00`; in a log of less than LONG shorter stretches, at most MOST of them."""
    begin = instants(times)
    known = np.flatnonzero(begin != NEVER)
    whole = int(np.ptp(begin[known])) if len(known) else 0
    minutes = next((step for step in STRETCHES if whole <= MOST * step * MINUTE), HOUR) if whole < LONG else HOUR
    begun, number = np.unique(begin[known] // (minutes * MINUTE), return_inverse=True)
    said = [moment(step * minutes * MINUTE).strftime("%m-%d %H:%M") for step in begun.tolist()]
    made = np.full(len(begin), None, dtype=object)
    made[known] = np.array(said, dtype=object)[number]
    return made


def first_named(trace: Trace, member: Member) -> dict[str, str]:
    """What each operation's lines name first, under the name that the input gives to it."""
    records = trace.records
    operation, source = (records[name].array for name in ("operation", "source"))
    at = np.flatnonzero(among(records["event"], member.statements) & (operation.codes >= 0))
    texts = [trace.sources[path].data for path in source.categories]
    begin, length = (records[name].to_numpy()[at] for name in ("offset", "length"))
    columns = (operation.codes[at], source.codes[at], begin, begin + length)
    names = NameOf(member, trace.entities)
    made: dict[int, str] = {}
    for number, place, begins, ends in zip(*(column.tolist() for column in columns), strict=True):
        if number not in made:
            found = member.reads.search(texts[place][begins:ends])
            if found:
                made[number] = names.of(found)
    return {str(operation.categories[number]): name for number, name in made.items()}


class NameOf:
    """Names of one kind of entity by id and uuid."""

    def __init__(self, member: Member, entities: pd.DataFrame) -> None:
        self.kind = member.kind or member.by
        at = np.flatnonzero(among(entities["kind"], [self.kind]) & entities["name"].notna().to_numpy())
        named = entities["name"].to_numpy(dtype=object)[at]
        ids, uuids = numbers_of(entities["id"])[at].tolist(), entities["uuid"].to_numpy(dtype=object)[at]
        self.names: dict[str, str] = {str(one): name for one, name in zip(ids, named, strict=True) if one >= 0}
        self.names |= {one: name for one, name in zip(uuids, named, strict=True) if isinstance(one, str)}

    def of(self, found: re.Match[bytes]) -> str:
        """The name, else the kind with the id, else the uuid."""
        said = {key: value.decode("utf-8", "replace") for key, value in found.groupdict().items() if value}
        key = said.get("id") or said.get("uuid") or ""
        return said.get("name") or self.names.get(key) or (f"{self.kind} {key}" if "id" in said else key)
