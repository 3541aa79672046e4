"""The operating system of the hosts, for which the remedies are written."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import NamedTuple

from tracekit.diagnose.rules import PLATFORMS, Rule
from tracekit.diagnose.tables import Tables
from tracekit.errors import GrammarError
from tracekit.prepared import read_toml

FILE = "_platforms.toml"
STARTUP = ("host.startup",)
TITLES = {"ubuntu": "Ubuntu", "el": "EL"}


class Marks(NamedTuple):
    """Texts that tell one platform."""

    startup: tuple[str, ...]  # in the line by which a host connects
    others: tuple[str, ...]  # in any line that no message rule reads


def load_marks(root: Traversable) -> Mapping[str, Marks]:
    """The marks of each platform. Raises GrammarError where the file does not say what it must."""
    try:
        rows = read_toml((root / FILE).read_text(encoding="utf-8"), f"rules/{FILE}")
        return {name: Marks(tuple(rows[name]["startup"]), tuple(rows[name]["marks"])) for name in PLATFORMS}
    except KeyError as error:
        raise GrammarError(f"grammars: rules/{FILE}: {error}") from error


def platform_of(tables: Tables, marks: Mapping[str, Marks]) -> str | None:
    """The platform that the hosts of this input name; None where none or several do."""
    lines = b"\x00".join(tables.texts(tables.statements(STARTUP)["record"]))
    named = {name for name, mark in marks.items() if any(text.encode() in lines for text in mark.startup)}
    if not named and tables.sources is not None:
        named = {
            name for name, mark in marks.items() if len(tables.unread.holding(text.encode() for text in mark.others))
        }
    return named.pop() if len(named) == 1 else None


def advice_for(rule: Rule, platform: str | None) -> str:
    """What to do, in the words of one platform; of every platform where it is not known."""
    parts = [rule.advice["any"].strip()]
    names = [name for name in PLATFORMS if name in rule.advice and platform in (None, name)]
    parts += [f"{TITLES[name]}: {rule.advice[name].strip()}" for name in names]
    if rule.settings:
        parts.append(
            "Settings: " + ", ".join(f"{name} (default {value})" for name, value in rule.settings.items()) + "."
        )
    if rule.proof:
        parts.append("To prove it: " + "; ".join(rule.proof) + ".")
    return "\n".join(parts)
