"""Table ENTITIES: what different lines say of one thing, of its kind, id, uuid and name, put together.

A rendering often has one or two of the three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tracekit.frames import by_source
from tracekit.parse.named import Named, Part
from tracekit.schema import ENTITIES, check, frame


def read_parts(records: pd.DataFrame) -> list[Part]:
    """Each source with the bytes of it that were read."""
    return [
        (path, int(part["offset"].min()), int((part["offset"] + part["length"]).max()))
        for path, part in by_source(records, "offset", "length")
    ]


def united(named: Mapping[Named, int]) -> list[tuple[Named, int]]:
    """What was said of one thing put together: by its id, else by its uuid. The text that stands most often wins."""
    by_uuid: dict[tuple[str, str | None], int] = {}
    for said in sorted(named, key=named.__getitem__):
        if said.uuid is not None and said.id is not None:
            by_uuid[said.kind, said.uuid] = said.id
    things: dict[tuple[str, Any], tuple[Counter[str], Counter[str], Counter[int]]] = {}
    for said, count in named.items():
        number = said.id if said.id is not None else by_uuid.get((said.kind, said.uuid))
        key = (said.kind, number if number is not None else said.uuid or said.name)
        uuids, names, counts = things.setdefault(key, (Counter(), Counter(), Counter()))
        counts[0] += count
        if said.uuid:
            uuids[said.uuid] += count
        if said.name and said.name != "null":
            names[said.name] += count
    return [
        (Named(kind, key if isinstance(key, int) else None, most(uuids), most(names)), counts[0])
        for (kind, key), (uuids, names, counts) in things.items()
    ]


def most(texts: Counter[str]) -> str | None:
    """The most frequent one."""
    return texts.most_common(1)[0][0] if texts else None


def entity_table(named: Mapping[Named, int]) -> pd.DataFrame:
    """The table of what was named so often, in the order of kinds and ids."""
    last = 1 << 62
    order = sorted(
        united(named), key=lambda row: (row[0].kind, last if row[0].id is None else row[0].id, row[0].name or "")
    )
    made = {name: [getattr(said, name) for said, _ in order] for name in Named._fields}
    return check(frame(ENTITIES, made | {"count": [count for _, count in order]}), ENTITIES, "entities")


def with_host_names(commands: pd.DataFrame, entities: pd.DataFrame) -> pd.DataFrame:
    """`commands` with host_name from what other lines call the host, where the lines of the command do not say it."""
    hosts = entities[(entities["kind"] == "host") & entities["id"].notna() & entities["name"].notna()]
    known = dict(zip(hosts["id"], hosts["name"], strict=True))
    told = commands["host"].astype("object").map(known, na_action="ignore").astype("str")
    return commands.assign(host_name=commands["host_name"].fillna(told))
