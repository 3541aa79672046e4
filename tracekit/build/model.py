"""What build must know about CloudStack beyond single statements: `grammars/model.toml` and the tables beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import toml_of


class StageRule(NamedTuple):
    """One event that opens a stage."""

    name: str
    run: str  # kind of the run in which the event must stand
    opens: frozenset[str]  # statements by rule, meaning or Class.method
    closes: frozenset[str]
    after: frozenset[str]  # stages of which one must be open; empty: any, or none
    command: str | None  # class of the agent command that the event must be about


class Holder(NamedTuple):
    """Statements by which the holder of a lock is found."""

    column: str  # names the locked thing
    taken: str  # meanings
    freed: str


class Gap(NamedTuple):
    """A pair of consecutive statements of one thread whose interval is explained."""

    id: str  # number in the table of gaps
    category: str
    owner: str
    after: frozenset[str]  # rules, meanings or `Class.method`s of the first line; empty: any
    before: frozenset[str]  # of the second line
    weak: bool  # claims only what nothing else claims: the thread waits for what other threads do
    firm: bool  # the category is certain, whatever was measured of such pairs
    least: int  # microseconds below which it explains nothing
    holder: Holder | None

    def explains(self, first: frozenset[str], second: frozenset[str]) -> bool:
        """Whether the pair is of this kind; each line is given by all its names."""
        return (not self.after or bool(self.after & first)) and (not self.before or bool(self.before & second))


class Model(NamedTuple):
    """Polls, stages, gaps and API commands."""

    poll_command: str
    poll_parameter: str
    start_method: str
    stages: tuple[StageRule, ...]
    gaps: tuple[Gap, ...]
    api_commands: Mapping[str, str]  # command class -> API command


def load_model(root: Traversable) -> Model:
    """Read the files. Raises GrammarError where one lacks what the build step asks for."""
    row = toml_of(root / "model.toml")
    gaps = toml_of(root / "gaps.toml")
    try:
        stages = tuple(
            StageRule(
                s["name"],
                s["run"],
                frozenset(s["opens"]),
                frozenset(s.get("closes", ())),
                frozenset(s.get("after", ())),
                s.get("command"),
            )
            for s in row["stage"]
        )
        made = tuple(_gap(g) for g in gaps["gap"] if "by" not in g)
        return Model(
            row["poll"]["command"], row["poll"]["parameter"], row["start"]["method"], stages, made, _api_commands(root)
        )
    except KeyError as error:
        raise GrammarError(f"grammars: model.toml or gaps.toml: {error} is missing") from error


def _gap(row: Mapping[str, Any]) -> Gap:
    holder = row.get("holder")
    return Gap(
        row["id"],
        row["category"],
        row["owner"],
        frozenset(row.get("after", ())),
        frozenset(row.get("before", ())),
        row.get("weak", False),
        row.get("firm", False),
        row.get("least", 0) * 1000,
        Holder(holder["column"], holder["taken"], holder["freed"]) if holder else None,
    )


def _api_commands(root: Traversable) -> dict[str, str]:
    lines = (root / "api-commands.tsv").read_text(encoding="utf-8").splitlines()
    head, *rows = csv.reader(lines, delimiter="\t")
    name, api = head.index("class"), head.index("api")
    return {row[name]: row[api] for row in rows}
