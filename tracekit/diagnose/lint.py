"""What is wrong in rules, shipped or a user's own: one line an error, with its file, its rule, and what to do.

`shape.py` looks at keys and values; here names are looked up: statements, columns, rules, what a title may say.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from tracekit.diagnose.checks import CHECKS
from tracekit.diagnose.needs import DEBUG, HOSTS
from tracekit.diagnose.rules import Beside, Match, Rule, Select, load_rules, rule_files, rule_of
from tracekit.diagnose.select import STATEMENTS
from tracekit.diagnose.shape import hint, shape
from tracekit.diagnose.tables import VIEWS, Tables
from tracekit.errors import GrammarError, UsageError
from tracekit.parse.derived import derived_rules
from tracekit.parse.events import Events
from tracekit.parse.grammar import Messages, load_messages
from tracekit.resources import grammars
from tracekit.schema import CHOICES, COMMANDS, JOBS, LEDGER, OPERATIONS, RECORDS, SPANS, frame

SHIPPED = "grammars/rules"
GIVEN = ("cost", "count", "longest")  # what every title may say besides columns of its row
OF_ROW = ("low", "high", "seconds")  # columns that every select adds
NAMED = re.compile(r"<(\w+)>")  # a message rule in a sample


class Known(NamedTuple):
    """The names that rules may use."""

    statements: Mapping[str, frozenset[str]]  # rules of the message grammars, with the columns that they fill
    words: Mapping[str, frozenset[str]]  # every name of a statement, with the rules that it stands for
    tables: Mapping[str, frozenset[str]]  # columns of each table
    rules: frozenset[str]

    @classmethod
    def of(cls, messages: Messages, rules: Iterable[str]) -> Known:
        """What the grammars name, and ids of rules."""
        fields = {rule.name: frozenset(rule.fields) for rule in derived_rules(messages)}
        words: dict[str, set[str]] = {}
        for name, meaning in messages.meanings.items():
            for word in {name, meaning.means, meaning.where} - {None, ""}:
                words.setdefault(str(word), set()).add(name)
        sets = {word: frozenset(names) for word, names in words.items()}
        return cls(
            {name: fields.get(name, frozenset()) for name in messages.meanings},
            sets,
            columns(messages),
            frozenset(rules),
        )

    def columns(self, select: Select) -> frozenset[str]:
        """Columns that the rows of a select have; of statements only those that one of them fills."""
        if select.table not in ("events", "pairs"):
            return self.tables[select.table] | set(OF_ROW)
        return self.said(select.begin) | set(OF_ROW)

    def said(self, words: Iterable[str]) -> frozenset[str]:
        """Columns of the rows of some statements."""
        filled = (self.statements[rule] for word in words for rule in self.words.get(word, ()))
        return self.tables["events"].union(*filled)


def columns(messages: Messages) -> Mapping[str, frozenset[str]]:
    """Columns of each table that rules choose from, as it is without rows."""
    records, spans, operations, jobs, commands, ledger = (
        frame(schema, {}) for schema in (RECORDS, SPANS, OPERATIONS, JOBS, COMMANDS, LEDGER)
    )
    made = Tables(records, spans, operations, jobs, commands, ledger, Events(messages), messages.meanings)
    tables = {name: made.table(name) for name in (*VIEWS, *CHECKS)} | {"events": made.statements(())}
    return {name: table.names for name, table in tables.items()}


def check_rules(folders: Sequence[Path]) -> Iterator[str]:
    """Everything that is wrong in the shipped rules and in those of `folders`.

    Raises UsageError for a folder without rules.
    """
    for _, line in problems(folders):
        yield line


def problems(folders: Sequence[Path]) -> Iterator[tuple[bool, str]]:
    """As `check_rules`, each line with whether it is about a user's own rule."""
    shipped: tuple[bool, str, Traversable] = (False, SHIPPED, grammars() / "rules")
    places = [shipped, *((True, str(folder), folder) for folder in folders)]
    files = [(own, place, file) for own, place, folder in places for file in files_of(folder)]
    known = Known.of(load_messages(grammars()), (id_of(file) for *_, file in files))
    seen: dict[str, str] = {}
    for own, place, file in files:
        where = f"{place}/{file.name}: {id_of(file)}"
        if id_of(file) in seen:
            yield own, f"{where}: {seen[id_of(file)]} has a rule of this id; give the file another name"
        seen.setdefault(id_of(file), place)
        for wrong in check_rule(file, known):
            yield own, f"{where}: {wrong}"


def own_rules(folders: Sequence[Path]) -> tuple[Rule, ...]:
    """The rules of a user's folders. Raises GrammarError with the first that is wrong, UsageError for no rules."""
    wrong = [line for own, line in problems(folders) if own]
    if wrong:
        more = f" (and {len(wrong) - 1} more: tracekit check --rules says all)" if len(wrong) > 1 else ""
        raise GrammarError(f"{wrong[0]}{more}")
    return tuple(rule for folder in folders for rule in load_rules(folder))


def files_of(folder: Traversable) -> Sequence[Traversable]:
    """The rule files of a folder. Raises UsageError where there are none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no folder; --rules takes one with a file NAME.toml for each rule")
    files = rule_files(folder)
    if not files:
        raise UsageError(f"{folder}: holds no rule; write NAME.toml as grammars/rules/README.md says")
    return files


def id_of(file: Traversable) -> str:
    """A rule's id: the name of its file."""
    return file.name.removesuffix(".toml")


def check_rule(file: Traversable, known: Known) -> Iterator[str]:
    """What is wrong in one file. Names are looked up only where keys and values are as they must be."""
    try:
        row = tomllib.loads(file.read_text(encoding="utf-8"))
        wrong = list(shape(row))
        rule = None if wrong else rule_of(id_of(file), row)
    except UnicodeDecodeError as error:
        yield f"is no UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
    except (tomllib.TOMLDecodeError, ValueError) as error:
        yield f"{error}; correct the file"
    else:
        yield from wrong
        if rule is not None:
            yield from check_names(rule, known)


def check_names(rule: Rule, known: Known) -> Iterator[str]:
    """Names in a rule that mean nothing."""
    for number, match in enumerate(rule.matches, 1):
        place = f"match[{number}]" if len(rule.matches) > 1 else "match"
        yield from check_match(match, place, known)
        yield from check_title(rule, match, place, known)
    if isinstance(rule.cost, Select):
        yield from check_select(rule.cost, "cost", known)
    if rule.holder is not None:
        yield from check_holder(rule, known)
    for need in rule.needs:
        word = need.partition("=")[0]
        if word not in (DEBUG, HOSTS) and not any(fnmatchcase(name, word) for name in known.words):
            yield f"needs {word!r} is no statement{hint(word, known.words)}; write {DEBUG}, {HOSTS} or a statement"
    for other in rule.together:
        if other not in known.rules:
            yield f"together names {other}, which is no rule{hint(other, known.rules)}; name rules by their file"
    for word in dict.fromkeys(NAMED.findall(rule.sample)):
        if word not in known.statements:
            yield f"sample names <{word}>, which no message rule is called{hint(word, known.statements)}"


def check_match(match: Match, place: str, known: Known) -> Iterator[str]:
    """Names in one way to see the cause."""
    yield from check_select(match.rows, place, known)
    mine = known.columns(match.rows)
    for key, names in (("alike", match.alike), ("by", match.by)):
        yield from unknown_columns(names, mine, f"{place}.{key}")
    if match.alike and match.usual is None:
        yield f"{place}.alike without usual changes nothing; add usual, the seconds that are healthy"
    if match.by and match.together < 2:
        yield f"{place}.by without together changes nothing; add together, how many at once"
    for key, others in (("also", match.also), ("unless", match.unless)):
        for other in others:
            yield from check_beside(other, mine, f"{place}.{key}", known)


def check_beside(other: Beside, mine: Iterable[str], place: str, known: Known) -> Iterator[str]:
    """Names in what goes with a row."""
    yield from check_select(other.rows, place, known)
    yield from unknown_columns([key for key, _ in other.keys], mine, f"{place}.with")
    yield from unknown_columns([key for _, key in other.keys], known.columns(other.rows), f"{place}.with")


def check_select(select: Select, place: str, known: Known) -> Iterator[str]:
    """Statements and columns of one select."""
    for key, words in (("begin", select.begin), ("end", select.end)):
        for word in words:
            if word not in known.words:
                yield f"{place}.{key} {word!r} is no statement{hint(word, known.words)}; see tracekit explain"
    statements = select.table in ("events", "pairs")
    if select.table == "pairs" and not (select.begin and select.end):
        yield f"{place}: a pair needs begin and end; name the statements"
    if select.table == "events" and not (select.begin or select.text):
        yield f"{place}: events needs begin or text; name the statements"
    if not statements and (select.begin or select.end or select.text or select.same or select.reach):
        yield f"{place}: the table {select.table} has no statements; use events or pairs"
    mine = known.columns(select)
    yield from unknown_columns(select.between or (), mine, f"{place}.between")
    yield from unknown_columns(select.same, mine & known.said(select.end) if select.end else mine, f"{place}.same")
    for condition in select.where:
        yield from unknown_columns([condition.column], mine, f"{place}.where")
        yield from check_value(condition.column, condition.comparison, condition.value, f"{place}.where", known)


def check_value(column: str, comparison: str, value: Any, place: str, known: Known) -> Iterator[str]:
    """Constants that the column can never have."""
    if comparison not in ("is", "not"):
        return
    words = value if isinstance(value, tuple) else (value,)
    allowed: Iterable[str] = known.words if column in STATEMENTS else CHOICES.get(column, ())
    for word in words if allowed else ():
        if word not in allowed:
            yield f"{place}.{column} is never {word!r}{hint(str(word), allowed)}; write one of its values"


def unknown_columns(names: Iterable[str], columns: Iterable[str], place: str) -> Iterator[str]:
    """Names that are no columns."""
    have = sorted(columns)
    for name in names:
        if name not in have:
            yield f"{place}: there is no column {name}{hint(name, have)}; these rows have {', '.join(have)}"


def check_title(rule: Rule, match: Match, place: str, known: Known) -> Iterator[str]:
    """Placeholders of the title that nothing fills."""
    title = match.title or rule.title
    where = f"{place}.title" if match.title else "title"
    allowed = {*known.columns(match.rows), *GIVEN}
    allowed |= {"usual"} if match.usual is not None else set()
    allowed |= {"holder"} if rule.holder is not None else set()
    yield from placeholders(title, allowed, where)


def placeholders(said: str, allowed: Iterable[str], place: str) -> Iterator[str]:
    """What stands in braces and is no name of a column or of what every title may say."""
    have = sorted(allowed)
    try:
        parts = list(string.Formatter().parse(said))
    except ValueError as error:
        yield f"{place}: {error}; write {{{{ and }}}} for braces"
        return
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion:
            yield f"{place}: {{{name}}} has a form behind its name; write the name alone"
        if name not in have:
            yield f"{place}: nothing fills {{{name}}}{hint(name, have)}; these rows have {', '.join(have)}"


def check_holder(rule: Rule, known: Known) -> Iterator[str]:
    """Names in `[holder]`."""
    holder = rule.holder
    if holder is None:
        return
    every = [known.columns(match.rows) for match in rule.matches]
    if holder.beside is None:
        have = frozenset().union(*every)
        yield from unknown_columns([holder.column], have, "holder.column")
        yield from placeholders(holder.name, {"holder", *have}, "holder.name")
        return
    for mine in every:
        yield from check_beside(holder.beside, mine, "holder", known)
    yield from placeholders(holder.name, known.columns(holder.beside.rows), "holder.name")
