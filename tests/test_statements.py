"""Every statement of the deploy path, as each of 20 releases prints it, and the rule that reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from statements import HERE, Statement, lines, says_something, statements
from tracekit.parse.grammar import load_messages
from tracekit.parse.scan import dispatch_of
from tracekit.resources import grammars

SHARE = 0.95  # cells of DEBUG statements that must have a rule

Reader = Callable[[str], str | None]


@pytest.fixture(scope="module")
def rule_of() -> Reader:
    """The rule that reads a message, as the scanner finds it."""
    messages = load_messages(grammars())
    dispatch = dispatch_of(messages)

    @cache
    def find(text: str) -> str | None:
        raw = text.encode()
        found = dispatch.find(raw)
        return dispatch.rules[found[0]].name if found else None

    return find


def unread(statement: Statement, rule_of: Reader) -> list[str]:
    """Releases whose wording of a statement no rule reads."""
    return [release for release, text in lines(statement) if rule_of(text) is None]


def accepted() -> set[tuple[str, ...]]:
    """Rows of unread.tsv: class, method, level, template."""
    rows = (HERE / "unread.tsv").read_text(encoding="utf-8").splitlines()
    return {tuple(row.split("\t")) for row in rows if row and not row.startswith("#")}


def test_no_statement_at_info_and_above_is_without_a_rule(rule_of: Reader) -> None:
    missing = [
        (statement.where, statement.template, releases[-1])
        for statement in statements()
        if statement.level != "DEBUG"
        and says_something(statement.template)
        and (releases := unread(statement, rule_of))
    ]
    assert missing == []


def test_nearly_every_debug_statement_has_a_rule(rule_of: Reader) -> None:
    cells = Counter(
        rule_of(text) is not None
        for statement in statements()
        if statement.level == "DEBUG" and says_something(statement.template)
        for _, text in lines(statement)
    )
    assert cells[True] > 10_000
    assert cells[True] / cells.total() >= SHARE


def test_the_statements_without_a_rule_are_the_ones_that_are_listed(rule_of: Reader) -> None:
    found = {
        (statement.cls, statement.method, statement.level, statement.template)
        for statement in statements()
        if says_something(statement.template) and unread(statement, rule_of)
    }
    assert found == accepted()


def test_a_statement_without_words_of_its_own_is_all_variable() -> None:
    assert not says_something("<errorMessage>")
    assert not says_something("<a>: <b|<c>>")
    assert says_something("Unable to find <vm>")


def test_every_hole_is_filled() -> None:
    texts = [text for statement in statements() for _, text in lines(statement)]
    assert len(texts) > 40_000
    assert not [text for text in texts if "{}" in text]
