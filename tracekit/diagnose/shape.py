"""What the file of a rule may say: its keys, and for each what its value must look like.

`grammars/rules/README.md` says what they mean. Everything that is wrong is told at once, for people who write rules;
`rules.py` reads those that are sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tracekit.diagnose.checks import CHECKS
from tracekit.diagnose.rules import CERTAINTIES, COMPARISONS, COSTS, PLATFORMS, REACHES, ROLES, SCOPES
from tracekit.diagnose.tables import VIEWS
from tracekit.schema import SEVERITIES

Check = Callable[[Any, str], Iterator[str]]  # of a value at a place: what is wrong with it
TABLES = (*VIEWS, "events", "pairs", *CHECKS)


class Key(NamedTuple):
    """One key of a table of TOML."""

    check: Check
    needed: str = ""  # what to write where it is missing; empty: it may be


def shape(row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the keys and values of a rule's file, one sentence each: what, and what to do."""
    yield from table(RULE)(row, "")


def table(keys: Mapping[str, Key]) -> Check:
    """A table with these keys."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is no table; write it with keys: {', '.join(keys)}"
            return
        inside = f"{place}." if place else ""
        for name in value:
            if name not in keys:
                yield f"unknown key {inside}{name}{hint(name, keys)}; see grammars/rules/README.md"
        for name, key in keys.items():
            if name in value:
                yield from key.check(value[name], f"{inside}{name}")
            elif key.needed:
                yield f"{inside}{name} is missing; write {key.needed}"

    return check


def hint(word: str, words: Iterable[str]) -> str:
    """` (did you mean ...?)` where one of `words` is near."""
    import difflib  # seldom needed

    near = difflib.get_close_matches(word, list(words), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def one_of(words: Iterable[str]) -> Check:
    """One of some words."""
    known = tuple(words)

    def check(value: Any, place: str) -> Iterator[str]:
        if value not in known:
            yield f"{place} {value!r} is none of {', '.join(known)}{hint(str(value), known)}"

    return check


def text(value: Any, place: str) -> Iterator[str]:
    """A text that says something."""
    if not isinstance(value, str) or not value.strip():
        yield f"{place} says nothing; write a text in quotes"


def texts(value: Any, place: str) -> Iterator[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        yield f'{place} is no list of texts; write ["..."]'


def flag(value: Any, place: str) -> Iterator[str]:
    """True or false."""
    if not isinstance(value, bool):
        yield f"{place} is {value!r}; write true or false"


def number(least: float, *, whole: bool = False, above: bool = False) -> Check:
    """A number from `least` on, or above it."""

    def check(value: Any, place: str) -> Iterator[str]:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < least or (above and value == least):
            kind = "a whole number" if whole else "a number"
            yield f"{place} is {value!r}; write {kind} {'above' if above else 'from'} {least:g}{'' if above else ' on'}"

    return check


def bounds(value: Any, place: str) -> Iterator[str]:
    """Two names of columns."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(one, str) for one in value):
        yield f'{place} takes two columns of times; write ["sent", "received"]'


def conditions(value: Any, place: str) -> Iterator[str]:
    """`column = value`, a list of values, or comparisons."""
    if not isinstance(value, dict):
        yield f"{place} is no table; write {{ column = value }}"
        return
    for column, said in value.items():
        if isinstance(said, dict):
            for name, operand in said.items():
                yield from one_of(COMPARISONS)(name, f"{place}.{column}: comparison")
                if name in OPERANDS:
                    yield from OPERANDS[name](operand, f"{place}.{column}.{name}")


def unit(value: Any, place: str) -> Iterator[str]:
    """A unit and a tolerance that is smaller."""
    numbers = isinstance(value, list) and len(value) == 2 and all(isinstance(one, (int, float)) for one in value)
    if not numbers or not 0 <= value[1] < value[0]:
        yield f"{place} is {value!r}; write [unit, tolerance], the tolerance smaller than the unit"


def anything(value: Any, place: str) -> Iterator[str]:
    """A number, which may be negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f"{place} is {value!r}; write a number"


def several(check: Check) -> Check:
    """A list of tables, one at least."""

    def every(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list) or not value:
            yield f"{place} is no list of tables; write [[{place}]] or {place} = [{{ ... }}]"
            return
        for number, one in enumerate(value, 1):
            yield from check(one, f"{place}[{number}]" if len(value) > 1 else place)

    return every


def word_or_select(value: Any, place: str) -> Iterator[str]:
    """`cost`: a word, or a select."""
    yield from (table(SELECT) if isinstance(value, dict) else one_of(COSTS))(value, place)


def holder(value: Any, place: str) -> Iterator[str]:
    """`[holder]`: a column, or a select with columns in common and a name."""
    by_column = isinstance(value, dict) and "column" in value
    yield from table({"column": Key(text), "name": Key(text)} if by_column else {**BESIDE, "name": Key(text)})(
        value, place
    )


def settings(value: Any, place: str) -> Iterator[str]:
    """Names with their defaults."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        yield f'{place}: a default is no text; write "name" = "default"'


OPERANDS: Mapping[str, Check] = {
    **dict.fromkeys(("above", "below", "least", "most"), anything),
    "known": flag,
    "within": unit,
}
SELECT: Mapping[str, Key] = {
    "table": Key(one_of(TABLES), f"one of {', '.join(TABLES)}"),
    "between": Key(bounds),
    "begin": Key(texts),
    "text": Key(texts),
    "end": Key(texts),
    "same": Key(texts),
    "reach": Key(one_of(REACHES)),
    "open": Key(flag),
    "where": Key(conditions),
}
BESIDE: Mapping[str, Key] = {**SELECT, "with": Key(texts), "during": Key(flag)}
MATCH: Mapping[str, Key] = {
    **SELECT,
    "usual": Key(number(0, above=True)),
    "alike": Key(texts),
    "at_least": Key(number(0)),
    "count": Key(number(1, whole=True)),
    "severity": Key(one_of(SEVERITIES)),
    "certainty": Key(one_of(CERTAINTIES)),
    "together": Key(number(2, whole=True)),
    "by": Key(texts),
    "also": Key(several(table(BESIDE))),
    "unless": Key(several(table(BESIDE))),
    "title": Key(text),
}
RULE: Mapping[str, Key] = {
    "name": Key(text, "the cause in a few words"),
    "title": Key(text, "one sentence about a place where it was found"),
    "severity": Key(one_of(SEVERITIES), f"one of {', '.join(SEVERITIES)}"),
    "certainty": Key(one_of(CERTAINTIES), f"one of {', '.join(CERTAINTIES)}"),
    "role": Key(one_of(ROLES)),
    "scope": Key(one_of(SCOPES)),
    "rest": Key(flag),
    "cost": Key(word_or_select),
    "needs": Key(texts, "what the input must have, [] for nothing"),
    "match": Key(several(table(MATCH)), "one [[match]] or more: which rows of which table"),
    "holder": Key(holder),
    "settings": Key(settings),
    "advice": Key(
        table({"any": Key(text, "what to do, whatever the hosts run"), **{name: Key(text) for name in PLATFORMS}}),
        "what to do",
    ),
    "proof": Key(texts),
    "references": Key(texts),
    "sample": Key(text, "lines that fire it, in the notation of tests/rule_samples.py"),
    "together": Key(texts),
}
