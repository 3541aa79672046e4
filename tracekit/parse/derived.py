"""The derived patterns of all rules, kept between runs: deriving them takes longer than a small log."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from lark import __version__ as lark_version

from tracekit.parse.grammar import Derived, Grammar, Messages


def derived_rules(messages: Messages) -> list[Derived]:
    """Patterns of every message rule, from the user's cache folder where those of the same grammars are there."""
    return kept(messages.digest, messages.grammars)


def derived_headers(grammars: Sequence[Grammar]) -> Mapping[str, Derived]:
    """The pattern of each line grammar's `header`, by the grammar's name; from the cache folder as well."""
    texts = hashlib.sha256("\0".join(f"{grammar.name}\0{grammar.text}" for grammar in grammars).encode())
    made = kept(texts.hexdigest(), grammars)
    headers = [rule for rule in made if rule.name == "header"]
    return dict(zip((grammar.name for grammar in grammars), headers, strict=True))


def kept(digest: str, grammars: Iterable[Grammar]) -> list[Derived]:
    """Patterns of the public rules of `grammars`, which `digest` tells from others."""
    # What the patterns depend on: the grammars, the code that derives them, the library that reads the grammars.
    code = (files("tracekit.parse") / "grammar.py").read_bytes()
    whole = hashlib.sha256(digest.encode() + code + lark_version.encode()).hexdigest()
    path = cache_folder() / f"grammar-{whole[:32]}.json"
    known = load(path)
    if known is not None:
        return known
    made = [rule for grammar in grammars for rule in grammar.derive()]
    save(path, made)
    return made


def cache_folder() -> Path:
    """Where this user's caches are: $XDG_CACHE_HOME/tracekit, else ~/.cache/tracekit."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tracekit"


def load(path: Path) -> list[Derived] | None:
    """Rules of a cache file; None where there is none or it is damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Derived(row[0], row[1], tuple(row[2]), tuple(row[3]), row[4], row[5]) for row in rows]
    except (OSError, ValueError, IndexError, TypeError):
        return None


def save(path: Path, rules: Iterable[Derived]) -> None:
    """Write whole or not at all; a folder that cannot be written to costs time, nothing else."""
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps([list(rule) for rule in rules]), encoding="utf-8")
        draft.replace(path)
    except OSError:
        return
