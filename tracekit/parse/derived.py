"""The derived patterns of all rules, kept: deriving them takes longer than reading a small log.

They are taken from the user's cache folder; what it lacks is put there, out of the package, into which
`tracekit/parse/build_hook.py` writes what its grammars give, or else derived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tracekit.parse.grammar import Derived, Grammar, Messages, code_digest
from tracekit.prepared import prepared, shipped


def derived_rules(messages: Messages) -> list[Derived]:
    """Patterns of every message rule."""
    return [rule for grammar in messages.grammars for rule in patterns(grammar)]


def derived_headers(grammars: Sequence[Grammar]) -> Mapping[str, Derived]:
    """The pattern of each line grammar's `header`, by the grammar's name."""
    return {grammar.name: rule for grammar in grammars for rule in patterns(grammar) if rule.name == "header"}


def patterns(grammar: Grammar) -> list[Derived]:
    """Patterns of the public rules of one grammar, in their order."""
    name, key = f"grammar-{Path(grammar.name).stem}", f"{grammar.digest} {reader_digest()}"
    return rules_of(prepared(name, key, lambda: brought(grammar) or [tuple(rule) for rule in grammar.derive()]))


def brought(grammar: Grammar) -> Sequence[Sequence[Any]] | None:
    """What the package brings of a grammar, by the very same code."""
    if shipped().get("code") != code_digest():
        return None
    found: Sequence[Sequence[Any]] | None = shipped()["grammars"].get(grammar.digest)
    return found


def reader_digest() -> str:
    """Tells what derives patterns from other versions of it."""
    return f"{code_digest()} {lark_digest()}"


@cache
def lark_digest() -> str:
    """Tells this release of Lark from others by its first file, which names it; to import it takes longer."""
    spec = find_spec("lark")
    if spec is None or spec.origin is None:
        raise ImportError("lark is not installed: install tracekit again")
    loader: Any = spec.loader
    return hashlib.sha256(loader.get_data(spec.origin)).hexdigest()


def rules_of(rows: Sequence[Sequence[Any]]) -> list[Derived]:
    """Rules out of the rows that are kept of them."""
    return [Derived(row[0], row[1], tuple(row[2]), tuple(row[3]), row[4], row[5]) for row in rows]
