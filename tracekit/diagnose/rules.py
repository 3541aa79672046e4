"""Findings as data: reads and lints `grammars/rules/*.toml`.

One file is one cause; its name is the rule's id. `grammars/rules/README.md` describes every key. Nothing here knows
what CloudStack prints: rules name statements by the rules of `grammars/messages/`, by what they mean or by their
`Class.method`.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import read_together
from tracekit.schema import SEVERITIES

CERTAINTIES = ("certain", "likely", "possible")
ROLES = ("wait", "failure", "echo", "after")
SCOPES = ("operation", "log")
PLATFORMS = ("ubuntu", "el")
COMPARISONS = ("is", "not", "has", "lacks", "above", "below", "least", "most", "known", "within", "like")
REACHES = ("before", "after")
COSTS = ("rows", "none")


class Condition(NamedTuple):
    """One column compared with a constant; `within` is a whole number of times a unit, give or take a tolerance."""

    column: str
    comparison: str
    value: Any


class Select(NamedTuple):
    """Rows of one table: those that meet every condition."""

    table: str
    between: tuple[str, str] | None  # time columns that bound the row, where the table offers several
    begin: tuple[str, ...]  # statements; tables `events` (which) and `pairs` (where one begins)
    text: tuple[str, ...]  # table `events`: the record holds one of these; without `begin` of what no rule reads
    end: tuple[str, ...]  # statements where a pair ends
    same: tuple[str, ...]  # columns that both statements of a pair share
    reach: (
        str | None
    )  # table `events`: `before` or `after`, a statement with the time to its thread's neighbouring line
    open: bool  # whether a pair without an end counts until its operation ends
    where: tuple[Condition, ...]


class Beside(NamedTuple):
    """Rows of a select that go with a given row: equal in some columns, overlapping it where `during` says so."""

    rows: Select
    keys: tuple[tuple[str, str], ...]  # column of the given row, column of the select's rows
    during: bool


@dataclass(frozen=True)
class Match:
    """One way in which a cause shows itself."""

    rows: Select
    usual: float | None  # seconds that are healthy for a row
    alike: tuple[str, ...]  # columns that make rows comparable
    least: float  # seconds per operation below which nothing is said
    count: int  # rows per operation below which nothing is said
    severity: str | None  # instead of the rule's
    certainty: str | None
    together: int  # rows that must be under way at the same time
    by: tuple[str, ...]  # columns in which these agree
    also: tuple[Beside, ...]  # what must go with a row
    unless: tuple[Beside, ...]  # what must not
    title: str | None  # instead of the rule's


class Holder(NamedTuple):
    """Who held what was waited for: a column of the row, or an overlapping row of another select."""

    column: str  # empty where rows beside it tell
    beside: Beside | None
    name: str


class Rule(NamedTuple):
    """One cause of slowness or failure."""

    id: str
    name: str  # what it is, for a list of causes
    title: str  # one sentence about a place where it was found
    severity: str
    certainty: str
    role: str
    scope: str
    rest: bool  # whether it explains only what no other rule does
    cost: str | Select  # `rows`: the time they cover; `none`; or the time that other rows cover
    needs: tuple[str, ...]
    matches: tuple[Match, ...]
    holder: Holder | None
    settings: Mapping[str, str]  # setting -> default
    advice: Mapping[str, str]  # any, ubuntu, el -> what to do
    proof: tuple[str, ...]  # other files that would prove it
    references: tuple[str, ...]
    sample: str  # log that fires it, in the notation of tests/rule_samples.py
    together: tuple[str, ...]  # rules that the sample fires, too


def columns_asked(rules: Iterable[Rule]) -> frozenset[str]:
    """Columns that rows need for the conditions of `rules`; what titles name may be missing."""
    made: set[str] = set()
    for rule in rules:
        selects = [rule.cost] if isinstance(rule.cost, Select) else []
        others = [rule.holder.beside] if rule.holder and rule.holder.beside else []
        for match in rule.matches:
            made.update(match.alike, match.by)
            selects.append(match.rows)
            others += [*match.also, *match.unless]
        for other in others:
            made.update(name for pair in other.keys for name in pair)
            selects.append(other.rows)
        for select in selects:
            made.update(select.same, select.between or (), (condition.column for condition in select.where))
    return frozenset(made)


def load_rules(root: Traversable) -> tuple[Rule, ...]:
    """Every rule of the folder `root`, by id. Raises GrammarError where a file does not say what it must."""
    rows = read_together({file.name: text_of(file) for file in rule_files(root)}, "rules")
    return tuple(read_rule(name, row) for name, row in rows.items())


def rule_files(root: Traversable) -> list[Traversable]:
    """The files of a folder that hold a rule each, by name."""
    return sorted(
        (entry for entry in root.iterdir() if entry.name.endswith(".toml") and not entry.name.startswith("_")),
        key=lambda entry: entry.name,
    )


def text_of(file: Traversable) -> str:
    """The text of a rule's file. Raises GrammarError."""
    try:
        return file.read_bytes().decode()
    except ValueError as error:
        raise GrammarError(f"grammars: rules/{file.name}: {error}") from error


def read_rule(file: str, row: dict[str, Any]) -> Rule:
    """The rule of one file. Raises GrammarError."""
    try:
        return rule_of(file.removesuffix(".toml"), row)
    except KeyError as error:
        raise GrammarError(f"grammars: rules/{file}: {error} is missing") from error
    except ValueError as error:
        raise GrammarError(f"grammars: rules/{file}: {error}") from error


def rule_of(name: str, row: dict[str, Any]) -> Rule:
    """A rule from its parsed file. Raises KeyError and ValueError."""
    made = Rule(
        id=name,
        name=row.pop("name"),
        title=row.pop("title"),
        severity=one_of(row.pop("severity"), SEVERITIES),
        certainty=one_of(row.pop("certainty"), CERTAINTIES),
        role=one_of(row.pop("role", "wait"), ROLES),
        scope=one_of(row.pop("scope", "operation"), SCOPES),
        rest=row.pop("rest", False),
        cost=cost_of(row.pop("cost", "rows")),
        needs=tuple(row.pop("needs")),
        matches=tuple(match_of(part) for part in row.pop("match")),
        holder=holder_of(row.pop("holder", None)),
        settings=row.pop("settings", {}),
        advice=row.pop("advice"),
        proof=tuple(row.pop("proof", ())),
        references=tuple(row.pop("references", ())),
        sample=row.pop("sample"),
        together=tuple(row.pop("together", ())),
    )
    unknown(row)
    unknown(dict.fromkeys(set(made.advice) - {"any", *PLATFORMS}))
    if "any" not in made.advice:
        raise KeyError("advice.any")
    list(string.Formatter().parse(made.title))
    return made


def cost_of(value: Any) -> str | Select:
    """`cost`: a word, or a select."""
    return select_of(value) if isinstance(value, dict) else one_of(value, COSTS)


def match_of(row: dict[str, Any]) -> Match:
    """One `[[match]]`."""
    return Match(
        usual=row.pop("usual", None),
        alike=tuple(row.pop("alike", ())),
        least=row.pop("at_least", 0.0),
        count=row.pop("count", 1),
        severity=one_of(row.pop("severity"), SEVERITIES) if "severity" in row else None,
        certainty=one_of(row.pop("certainty"), CERTAINTIES) if "certainty" in row else None,
        together=row.pop("together", 1),
        by=tuple(row.pop("by", ())),
        also=tuple(beside_of(part) for part in row.pop("also", ())),
        unless=tuple(beside_of(part) for part in row.pop("unless", ())),
        title=row.pop("title", None),
        rows=select_of(row),
    )


def select_of(row: dict[str, Any]) -> Select:
    """The keys that choose rows."""
    between = row.pop("between", None)
    if between is not None and len(between) != 2:
        raise ValueError("between takes two columns")
    made = Select(
        table=row.pop("table"),
        between=tuple(between) if between else None,
        begin=tuple(row.pop("begin", ())),
        text=tuple(row.pop("text", ())),
        end=tuple(row.pop("end", ())),
        same=tuple(row.pop("same", ())),
        reach=one_of(row.pop("reach"), REACHES) if "reach" in row else None,
        open=row.pop("open", False),
        where=tuple(conditions(row.pop("where", {}))),
    )
    unknown(row)
    return made


def beside_of(row: dict[str, Any], keys: tuple[str, ...] = ("operation",), during: bool = False) -> Beside:
    """A select with `with`, the columns it shares with a row (`a=b` where they have two names), and `during`."""
    shared = [key.partition("=") for key in row.pop("with", keys)]
    return Beside(
        keys=tuple((mine, other or mine) for mine, _, other in shared),
        during=row.pop("during", during),
        rows=select_of(row),
    )


def conditions(row: Mapping[str, Any]) -> Iterator[Condition]:
    """`column = value`, `column = [values]` or `column = { comparison = value, ... }`."""
    for column, value in row.items():
        if isinstance(value, dict):
            for comparison, operand in value.items():
                yield Condition(column, one_of(comparison, COMPARISONS), constant(operand))
        else:
            yield Condition(column, "is", constant(value))


def constant(value: Any) -> Any:
    """A value that can be compared and hashed."""
    return tuple(value) if isinstance(value, list) else value


def holder_of(row: dict[str, Any] | None) -> Holder | None:
    """`[holder]`: a column, or a select with a name."""
    if row is None:
        return None
    name = row.pop("name", "{holder}")
    if "column" in row:
        made = Holder(row.pop("column"), None, name)
        unknown(row)
        return made
    return Holder("", beside_of(row, (), True), name)


def one_of(word: str, words: tuple[str, ...]) -> str:
    """`word` itself. Raises ValueError when it is none of `words`."""
    if word not in words:
        raise ValueError(f"{word!r} is none of {', '.join(words)}")
    return word


def unknown(row: Mapping[str, Any]) -> None:
    """Raises ValueError when keys are left over."""
    if row:
        raise ValueError(f"unknown {', '.join(sorted(row))}")
