"""What the grammar sees in one line, said by Lark itself, and the lint of all grammars by their own samples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tracekit.parse.dialect import Dialect, collisions, detect, load_dialects
from tracekit.parse.grammar import WRAP, Derived, Messages, load_messages
from tracekit.parse.scan import Dispatch, dispatch_of
from tracekit.resources import grammars


def explain(line: str) -> list[tuple[str, str]]:
    """Names and values of one line: its layout, header columns, rule, what the statement is, message columns."""
    dialects, messages = load_dialects(grammars()), load_messages(grammars())
    dialect, _ = detect(line.encode(), dialects)
    fields = dialect.grammar.parse("record", line) if dialect else None
    if dialect is None or fields is None:
        return [("layout", "none that tracekit knows"), *explain_message(line, messages)]
    message = fields.pop("MESSAGE", "")
    return [("layout", dialect.title), *fields.items(), *explain_message(message, messages)]


def explain_message(message: str, messages: Messages) -> list[tuple[str, str]]:
    """Rule, Class.method, releases, meaning and columns of a message."""
    dispatch = dispatch_of(messages)
    # The derived pattern says the rule, so that Lark prepares one grammar and not all that may read the message.
    taken = dispatch.find(message.encode())
    rule = dispatch.rules[taken[0]].name if taken else None
    fields = messages.grammar_of(rule).parse(WRAP + rule, message) if rule else None
    if rule is None or fields is None:
        return [("rule", "none: the statement is not in the grammars"), ("message", message)]
    said = messages.meanings[rule]
    known = [("rule", rule), ("statement", said.where), ("releases", said.releases)]
    return known + ([("means", said.means)] if said.means else []) + list(fields.items())


def check() -> Iterator[str]:
    """Everything that is wrong in the grammars, one line each: samples that their rule does not read as stated."""
    messages = load_messages(grammars())
    dispatch = dispatch_of(messages)
    for rule, samples in messages.samples.items():
        if not samples:
            yield f"{rule}: no sample"
        for sample in samples:
            yield from check_sample(rule, sample, messages, dispatch)
    dialects = load_dialects(grammars())
    for dialect in dialects:
        yield from check_dialect(dialect)
    yield from collisions(dialects)


def check_sample(rule: str, sample: Mapping[str, Any], messages: Messages, dispatch: Dispatch) -> Iterator[str]:
    """The scanner takes the sample for `rule`, and reads the stated fields as Lark does."""
    line, stated = sample["line"], dict(sample["fields"])
    raw = line.encode()
    taken = dispatch.find(raw)
    name = dispatch.rules[taken[0]].name if taken else None
    if name != rule:
        yield f"{rule}: its sample is read by {name}: {line[:100]}"
        return
    derived = typed(fields_of(dispatch.rules[taken[0]], raw) if taken else {}, messages.columns)
    if derived != stated:
        yield f"{rule}: reads {derived}, its sample says {stated}"
    reference = typed(messages.grammar_of(rule).parse(WRAP + rule, line) or {}, messages.columns)
    if reference != derived:
        yield f"{rule}: Lark reads {reference}, the derived pattern {derived}"


def fields_of(rule: Derived, message: bytes) -> dict[str, str]:
    """Columns that the derived pattern reads in `message`; {} where it does not match."""
    found = re.fullmatch(rule.pattern.encode(), message)
    if found is None:
        return {}
    return {
        name: value.decode("utf-8", "replace")
        for name, value in zip(rule.fields, found.groups(), strict=True)
        if value is not None
    }


def typed(fields: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Any]:
    """Values of number columns as numbers."""
    return {name: int(value) if columns[name] == "Int64" else value for name, value in fields.items()}


def check_dialect(dialect: Dialect) -> Iterator[str]:
    """Each sample of a dialect is read as it says, by Lark and by the derived header."""
    for sample in dialect.samples:
        if "fields" not in sample:  # of a component: only who writes it is stated
            continue
        line, stated = sample["line"], dict(sample["fields"])
        reference = dialect.grammar.parse("record", line)
        if reference != stated:
            yield f"{dialect.id}: reads {reference}, its sample says {stated}"
        found = dialect.header.match(line.encode())
        derived = (
            {}
            if found is None
            else {
                name: value.decode()
                for name, value in zip(dialect.fields, found.groups(), strict=True)
                if value is not None
            }
        )
        rest = line.encode()[found.end() :].decode() if found else ""
        if rest:
            derived["MESSAGE"] = rest
        if derived != stated:
            yield f"{dialect.id}: the derived header reads {derived}, its sample says {stated}"
