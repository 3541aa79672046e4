"""What the end of the page lists: messages that no rule reads, and the ids, uuids and names of everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tracekit.frames import rows
from tracekit.report.words import count, known, number, text

if TYPE_CHECKING:
    import pandas as pd

MAX_TEMPLATES = 40
MAX_ENTITIES = 400
HINT = "tracekit check --unknown LOG"
EXPORT = "tracekit export LOG --to csv -o FOLDER"


class Template(NamedTuple):
    """Messages that no rule reads and that differ in words only."""

    template: str
    messages: str
    level: str
    logger: str
    where: str
    example: str


class Unknown(NamedTuple):
    """What the grammars do not know."""

    summary: str
    rows: tuple[Template, ...]
    left_out: str
    hint: str  # the command that drafts rules


class Entity(NamedTuple):
    """One thing that lines name."""

    kind: str
    id: str
    uuid: str
    name: str
    times: str


class Entities(NamedTuple):
    """The ids, uuids and names of the input."""

    summary: str
    rows: tuple[Entity, ...]
    left_out: str


def unknown(table: pd.DataFrame) -> Unknown | None:
    """The templates of UNKNOWN, those of most messages first; None where every message was read."""
    if table.empty:
        return None
    every = rows(table)
    ranked = sorted(every, key=lambda row: (-row.count, str(row.template)))
    shown, rest = ranked[:MAX_TEMPLATES], ranked[MAX_TEMPLATES:]
    lost = f"{count(len(rest), 'rarer template')} of {_messages(rest)} left out; {EXPORT} writes all to unknown.csv"
    return Unknown(
        summary=f"{_messages(ranked)} in {count(len(ranked), 'template')}",
        rows=tuple(_template(row) for row in shown),
        left_out=lost if rest else "",
        hint=HINT,
    )


def _messages(templates: Sequence[Any]) -> str:
    return count(sum(int(row.count) for row in templates), "message")


def _template(row: Any) -> Template:
    where, example = text(row.where, 120), text(row.example, 300)
    return Template(text(row.template, 300), f"{row.count:,}", text(row.level), text(row.logger, 80), where, example)


def entities(table: pd.DataFrame) -> Entities | None:
    """The rows of ENTITIES that lines name most, in the table's order; None where no line names anything."""
    if table.empty:
        return None
    named = np.flatnonzero(table["uuid"].notna() | table["name"].notna())
    kept = named[np.argsort(-table["count"].to_numpy()[named], kind="stable")][:MAX_ENTITIES]
    kinds = sorted(Counter(table["kind"].iloc[named]).items())
    lost = len(named) - len(kept)
    nameless = len(table) - len(named)
    notes = [f"{count(lost, 'entity', 'entities')} that fewer lines name left out"] if lost else []
    notes += [f"{count(nameless, 'number')} without a uuid or a name left out"] if nameless else []
    return Entities(
        summary=", ".join(f"{kind} {times:,}" for kind, times in kinds),
        rows=tuple(
            Entity(
                str(row.kind),
                number(row.id),
                text(row.uuid, 60),
                text(row.name, 120) if known(row.name) else "",
                f"{row.count:,}",
            )
            for row in rows(table.iloc[np.sort(kept)])
        ),
        left_out=f"{'; '.join(notes)}; {EXPORT} writes all to entities.csv" if notes else "",
    )
