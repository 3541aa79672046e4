"""The operating system of the hosts, for which the remedies are written."""

from __future__ import annotations

from tracekit.diagnose.rules import PLATFORMS, Rule
from tracekit.diagnose.tables import Tables

TITLES = {"ubuntu": "Ubuntu", "el": "EL"}


def platform_of(tables: Tables) -> str | None:
    """The platform that every host of the log names; None where none or several do."""
    return None


def advice_for(rule: Rule, platform: str | None) -> str:
    """What to do, in the words of one platform; of every platform where it is not known."""
    parts = [rule.advice["any"].strip()]
    for name in PLATFORMS:
        if name in rule.advice and platform in (None, name):
            parts.append(rule.advice[name].strip() if platform else f"{TITLES[name]}: {rule.advice[name].strip()}")
    if rule.settings:
        parts.append("Settings: " + ", ".join(f"{name} (default {value})" for name, value in rule.settings.items()) + ".")
    if rule.proof:
        parts.append("To prove it: " + "; ".join(rule.proof) + ".")
    return "\n".join(parts)
