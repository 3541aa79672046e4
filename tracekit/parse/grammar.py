"""From `.lark` files to flat patterns: the grammar is the only source, everything that touches a line is derived.

A *rule* is a lower-case name without a leading underscore; it reads one log statement. Its named terminals are the
columns of the event, hidden terminals (`_X`) and strings are structure, hidden rules (`_x`) are shared pieces.

The derived pattern says exactly what Lark's LALR parser with its contextual lexer says: each terminal is an atomic
group, for the lexer never gives back what it took, and where several terminals may follow they are tried in the
lexer's order, a later one only where the earlier ones do not match. ``tests/test_grammar.py`` holds the two together.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources.abc import Traversable
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import prepared, read_toml, source_digest

if TYPE_CHECKING:  # a log is read by the derived patterns alone: what reads grammars is imported where it is needed
    from lark import Lark
    from lark.grammar import Rule as Production, Symbol
    from lark.lexer import TerminalDef

COMMON = ("terminals.lark",)
PARTS = "lines/parts.lark"  # what every header grammar may use
LITERAL = "str"  # type of Lark's patterns that are strings
WRAP = "tk_"  # `tk_<rule>: <rule> [_TAIL]` accepts what may stand behind any message: an exception and its trace


class Derived(NamedTuple):
    """What the scanner needs of one rule."""

    name: str
    pattern: str
    fields: tuple[str, ...]  # column of each group of the pattern; a column may have several groups
    prefixes: tuple[str, ...]  # literal beginnings, one of which a message must have; "" where there is none
    literal: str  # longest string that every message of the rule contains
    weight: int  # literal characters: the rule with more of them is asked first


@dataclass(frozen=True)
class Grammar:
    """One `.lark` text with its rules, as Lark reads it, and the patterns derived from it."""

    name: str
    text: str
    rules: tuple[str, ...] = field(default=())

    @cached_property
    def _lark(self) -> Lark:
        return self._read(parser="lalr", cache=False)

    @cached_property
    def _loaded(self) -> Lark:
        """The grammar without a parse table, which is what takes long."""
        return self._read(parser=None, lexer="basic")

    def _read(self, **options: Any) -> Lark:
        """The grammar as Lark reads it. Raises GrammarError where it cannot."""
        from lark import Lark
        from lark.exceptions import LarkError

        try:
            return Lark(self.text, start=list(self.rules), maybe_placeholders=False, g_regex_flags=re.ASCII, **options)
        except LarkError as error:
            raise GrammarError(f"grammars: {self.name}: {str(error).splitlines()[0]}") from error

    def parse(self, rule: str, text: str) -> dict[str, str] | None:
        """Columns that Lark itself reads with `rule`, or None where it refuses `text`."""
        from lark.exceptions import LarkError

        try:
            tree = self._lark.parse(text, start=rule)
        except LarkError:
            return None
        tokens: list[Any] = list(tree.scan_values(lambda _: True))
        return {column(token.type): str(token) for token in tokens if not token.type.startswith("_")}

    @cached_property
    def digest(self) -> str:
        """Tells this grammar from others, whatever it is called."""
        return hashlib.sha256("\0".join((self.text, *self.rules)).encode()).hexdigest()

    def derive(self) -> list[Derived]:
        """The flat pattern of every rule. Raises GrammarError where a rule cannot be flat."""
        return Deriver(self._loaded.rules, self._loaded.terminals, self.name).all(self.rules)


def line_grammar(root: Traversable, name: str) -> Grammar:
    """The grammar of record headers in the file `name` under `root`, with the pieces that all of them share."""
    text = "\n".join((root / path).read_text(encoding="utf-8") for path in (PARTS, name))
    return Grammar(name, text, ("record", "header"))


def column(terminal: str) -> str:
    """The column that a named terminal fills: `ERROR__QUOTED` is another form of what stands in ERROR."""
    return terminal.partition("__")[0]


def rule_names(text: str) -> list[str]:
    """Public rules of a grammar text, in the order in which they stand."""
    return re.findall(r"^([a-z][a-z0-9_]*)\s*:", text, re.M)


def message_grammar(name: str, common: str, text: str) -> Grammar:
    """The grammar of one area: shared terminals, the area's rules, and a wrapper that allows a tail behind each."""
    names = rule_names(text)
    wrapped = "\n".join(f"{WRAP}{rule}: {rule} [_TAIL]" for rule in names)
    return Grammar(name, f"{common}\n{text}\n{wrapped}\n", tuple(WRAP + rule for rule in names))


class Deriver:
    """Patterns of the rules of one loaded grammar."""

    def __init__(self, rules: Sequence[Production], terminals: Iterable[TerminalDef], name: str) -> None:
        self.terminals = {terminal.name: terminal for terminal in terminals}
        self.productions: dict[str, list[Sequence[Symbol]]] = {}
        for rule in rules:
            self.productions.setdefault(str(rule.origin.name), []).append(rule.expansion)
        self.name = name
        self.fields: list[str] = []
        self.open: list[str] = []

    def all(self, names: Iterable[str]) -> list[Derived]:
        return [self.one(name) for name in names]

    def one(self, name: str) -> Derived:
        self.fields = []
        pattern = self._rule(name)
        literals = self._literals(name)
        return Derived(
            name.removeprefix(WRAP),
            pattern,
            tuple(self.fields),
            tuple(sorted(self._prefixes(name))),
            max(literals, key=len, default=""),
            sum(map(len, literals)),
        )

    def _rule(self, name: str) -> str:
        if name in self.open:
            raise GrammarError(f"grammars: {self.name}: {name} contains itself; a statement's rule must be flat")
        self.open.append(name)
        pattern = self._branch([list(expansion) for expansion in self.productions[name]])
        self.open.pop()
        return pattern

    def _branch(self, tails: list[list[Symbol]]) -> str:
        """Alternatives as a tree of common beginnings, in the order in which the lexer would try them; ways that go on
        alike go on as one.
        """
        groups: dict[Symbol, list[list[Symbol]]] = {}
        for tail in tails:
            if tail:
                groups.setdefault(tail[0], []).append(tail[1:])
        symbols = sorted(groups, key=self._order)
        for symbol in (symbols[0], symbols[-1]) if len(symbols) > 1 else ():
            without = [tail for tail in tails if not tail or tail[0] != symbol]
            if frozen(groups[symbol]) == frozen(without):
                made = self._optional(symbol, symbols) + self._branch(without)
                break
        else:
            made = self._choice([list(run) for _, run in groupby(symbols, lambda one: frozen(groups[one]))], groups)
        return f"(?:{made}|)" if made and [] in tails else made  # `re` is quicker with this than with `?`

    def _optional(self, symbol: Symbol, symbols: list[Symbol]) -> str:
        """A symbol that may be left out; it is the first or the last of those that the lexer would try here."""
        others = [other for other in symbols if other != symbol and self._overlap(other, symbol)]
        if symbol == symbols[0]:
            return f"(?:{self._symbol(symbol)}|{self._barrier([symbol]) if others else ''})"
        return f"(?:{self._barrier(others)}{self._symbol(symbol)}|)"

    def _choice(self, runs: list[list[Symbol]], groups: Mapping[Symbol, list[list[Symbol]]]) -> str:
        """Alternatives; what follows the symbols of one run is the same."""
        made, close = "", ""
        passed: list[Symbol] = []  # tried before, but not yet excluded where the next one is tried
        for run in runs:
            if any(self._overlap(other, symbol) for other in passed for symbol in run):
                # All that follows stands behind the barrier: each terminal is asked about once, not for each other.
                made += f"|{self._barrier(passed)}(?:"
                close, passed = close + ")", []
            elif made:
                made += "|"
            each = self._symbol(run[0]) if len(run) == 1 else self._choice([[one] for one in run], {})
            made += each + self._branch(groups.get(run[0], []))
            passed += run
        return f"(?:{made}{close})" if len(runs) > 1 else made

    def _barrier(self, symbols: Iterable[Symbol]) -> str:
        return "".join(f"(?!{self._bare(symbol)})" for symbol in symbols)

    def _symbol(self, symbol: Symbol) -> str:
        if not symbol.is_term:
            return f"(?:{self._rule(str(symbol.name))})"
        bare = self._bare(symbol)
        if symbol.name.startswith("_") or getattr(symbol, "filter_out", False):
            return bare
        self.fields.append(column(symbol.name))
        return f"({bare})"

    def _bare(self, symbol: Symbol) -> str:
        if not symbol.is_term:
            return self._bare_rule(str(symbol.name))
        pattern = self.terminals[symbol.name].pattern
        if pattern.type == LITERAL:
            return re.escape(pattern.value)
        return f"(?>{pattern.to_regexp()})"

    def _bare_rule(self, name: str) -> str:
        """What a rule can begin with, for a barrier: its first terminals without groups."""
        firsts = dict.fromkeys(self._bare(expansion[0]) for expansion in self.productions[name] if expansion)
        return f"(?:{'|'.join(firsts)})" if len(firsts) > 1 else "".join(firsts)

    def _order(self, symbol: Symbol) -> tuple[Any, ...]:
        if not symbol.is_term:
            firsts = [self._order(expansion[0]) for expansion in self.productions[str(symbol.name)] if expansion]
            return min(firsts)
        terminal = self.terminals[symbol.name]
        return (-terminal.priority, -terminal.pattern.max_width, -len(terminal.pattern.value), terminal.name)

    def _overlap(self, one: Symbol, two: Symbol) -> bool:
        a, b = self._first_literals(one), self._first_literals(two)
        if a is None or b is None:
            return True
        return any(x.startswith(y) or y.startswith(x) for x in a for y in b)

    def _first_literals(self, symbol: Symbol) -> list[str] | None:
        if not symbol.is_term:
            found: list[str] = []
            for expansion in self.productions[str(symbol.name)]:
                first = self._first_literals(expansion[0]) if expansion else None
                if first is None:
                    return None
                found += first
            return found
        pattern = self.terminals[symbol.name].pattern
        return [pattern.value] if pattern.type == LITERAL else None

    def _prefixes(self, name: str) -> set[str]:
        found: set[str] = set()
        for expansion in self.productions[name]:
            found |= self._sequence_prefixes(list(expansion))
        return found

    def _sequence_prefixes(self, symbols: list[Symbol]) -> set[str]:
        """Literal beginnings of a sequence: strings and shared rules that begin with strings, until a class."""
        made = {""}
        for symbol in symbols:
            if not symbol.is_term:
                return {a + b for a in made for b in self._prefixes(str(symbol.name))}
            pattern = self.terminals[symbol.name].pattern
            if pattern.type != LITERAL:
                return made
            made = {a + pattern.value for a in made}
        return made

    def _literals(self, name: str) -> list[str]:
        """Strings that stand in every expansion of a rule."""
        each: list[list[str]] = []
        for expansion in self.productions[name]:
            strings: list[str] = []
            for symbol in expansion:
                if not symbol.is_term:
                    strings += self._literals(str(symbol.name))
                elif (pattern := self.terminals[symbol.name].pattern).type == LITERAL:
                    strings.append(pattern.value)
            each.append(strings)
        shortest = min(each, key=len, default=[])
        return [s for s in shortest if all(s in strings for strings in each)]


def frozen(tails: Iterable[list[Symbol]]) -> frozenset[tuple[Symbol, ...]]:
    """Alternatives, to be compared with others."""
    return frozenset(map(tuple, tails))


class Meaning(NamedTuple):
    """What a rule's TOML says about its statement; the file beside the `.lark` file of its area."""

    where: str  # Class.method of the statement in CloudStack's sources
    means: str | None  # a word of the build step's vocabulary: job.submit, command.send, ...
    role: str | None  # begin, end, both or point: first or last line of its method; null: not known
    stage: str | None
    releases: str


Sample = Mapping[str, Any]  # `line` and the `fields` that its rule reads in it


def meanings(text: str, name: str) -> dict[str, Meaning]:
    """Rule name to meaning, from the text of one TOML file. Raises GrammarError with the file's name."""
    made = {}
    for rule, row in read_toml(text, name).items():
        if not isinstance(row, dict) or "where" not in row:
            raise GrammarError(f"grammars: {name}: [{rule}] does not say `where`, the Class.method of the statement")
        made[rule] = Meaning(
            row["where"], row.get("means"), row.get("role"), row.get("stage"), row.get("releases", "?")
        )
    return made


def samples(text: str, name: str) -> dict[str, tuple[Sample, ...]]:
    """Rule name to its samples, from the text of one TOML file."""
    return {rule: tuple(row.get("samples", ())) for rule, row in read_toml(text, name).items()}


@dataclass(frozen=True)
class Messages:
    """All message rules: their meanings and the columns they fill; grammars and samples are made when asked for."""

    files: Mapping[str, bytes]  # what they hold, by name
    meanings: Mapping[str, Meaning]
    columns: Mapping[str, str]  # terminal name -> dtype
    digest: str

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The text of each file."""
        return texts_of(self.files)

    @cached_property
    def grammars(self) -> tuple[Grammar, ...]:
        """The grammar of each area."""
        common = common_of(self.texts)
        return tuple(message_grammar(area, common, self.texts[f"{area}.lark"]) for area in areas(self.texts))

    @cached_property
    def samples(self) -> Mapping[str, tuple[Sample, ...]]:
        """The samples of each rule."""
        made: dict[str, tuple[Sample, ...]] = {}
        for area in areas(self.texts):
            made |= samples(self.texts[f"{area}.toml"], f"messages/{area}.toml")
        return made

    def grammar_of(self, rule: str) -> Grammar:
        """The area that holds `rule`."""
        return next(grammar for grammar in self.grammars if WRAP + rule in grammar.rules)


@cache
def code_digest() -> str:
    """Tells this code from other versions of it."""
    return source_digest(__spec__)


def load_messages(root: Traversable) -> Messages:
    """Read `grammars/messages`. Raises GrammarError where a rule has no meaning or a meaning no rule."""
    paths = sorted((root / "messages").iterdir(), key=lambda path: path.name)
    files = {path.name: path.read_bytes() for path in paths if path.name.endswith((".lark", ".toml"))}
    digest = hashlib.sha256(b"\0".join(part for name in files for part in (name.encode(), files[name]))).hexdigest()
    said, columns = prepared("messages", f"{digest} {code_digest()}", lambda: said_of(texts_of(files)))
    return Messages(files, dict(zip(said, map(Meaning._make, said.values()), strict=True)), columns, digest)


def texts_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The texts of some files. They are not needed where all that is made of them is kept."""
    return {name: content.decode("utf-8") for name, content in files.items()}


def said_of(texts: Mapping[str, str]) -> tuple[dict[str, tuple[Any, ...]], dict[str, str]]:
    """The meaning of each rule and the dtype of each column. Raises GrammarError."""
    columns = read_toml(texts["columns.toml"], "messages/columns.toml")
    known: dict[str, tuple[Any, ...]] = {}
    for area in areas(texts):
        says = meanings(texts[f"{area}.toml"], f"messages/{area}.toml")
        rules = set(rule_names(texts[f"{area}.lark"]))
        if rules != set(says):
            raise GrammarError(
                f"grammars: messages/{area}: without meaning or without rule: {sorted(rules ^ set(says))[:5]}"
            )
        if twice := rules & set(known):
            raise GrammarError(f"grammars: messages/{area}: rules of another area, too: {sorted(twice)[:5]}")
        known.update({rule: tuple(meaning) for rule, meaning in says.items()})
    return known, {name: row["dtype"] for name, row in columns.items()}


def areas(texts: Mapping[str, str]) -> list[str]:
    """The areas of the message rules, each with a grammar of its own."""
    return [name.removesuffix(".lark") for name in texts if name.endswith(".lark") and name not in COMMON]


def common_of(texts: Mapping[str, str]) -> str:
    """What all areas share."""
    return "\n".join(texts[name] for name in COMMON)
