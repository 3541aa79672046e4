"""Table ENTITIES: what lines call things, and what of it other tables lack."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tracekit.parse.named import Named
from tracekit.schema import ENTITIES, check, frame


def entity_table(things: Sequence[tuple[Named, int]]) -> pd.DataFrame:
    """The table of things and of how often they are named."""
    made = {name: [getattr(said, name) for said, _ in things] for name in Named._fields}
    return check(frame(ENTITIES, made | {"count": [count for _, count in things]}), ENTITIES, "entities")


def with_host_names(commands: pd.DataFrame, entities: pd.DataFrame) -> pd.DataFrame:
    """`commands` with host_name from what other lines call the host, where the lines of the command do not say it."""
    hosts = entities[(entities["kind"] == "host") & entities["id"].notna() & entities["name"].notna()]
    known = dict(zip(hosts["id"], hosts["name"], strict=True))
    told = commands["host"].astype("object").map(known, na_action="ignore").astype("str")
    return commands.assign(host_name=commands["host_name"].fillna(told))
