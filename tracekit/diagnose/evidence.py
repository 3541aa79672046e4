"""What a rule needs to be able to say anything, and what of it this input lacks."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tracekit.diagnose.rules import Rule
from tracekit.diagnose.tables import Tables, named

DEBUG = "debug"  # lines of jobs at DEBUG
HOSTS = "host times"  # when hosts took and answered commands, from an agent's log at DEBUG


def missing(rule: Rule, tables: Tables) -> list[str]:
    """What the input lacks, in words for the reader; empty where the rule's silence means that all is well.

    A need is `debug`, `host times`, or the name of a statement (a pattern, too), with the words for it behind a `=`.
    """
    made = []
    for need in rule.needs:
        wanted, _, words = need.partition("=")
        if wanted == DEBUG:
            known = bool((tables.records["level"].isin(["DEBUG", "TRACE"]) & tables.records["job"].notna()).any())
            words = "lines at DEBUG"
        elif wanted == HOSTS:
            known = bool(tables.commands["host_received"].notna().any())
            words = "the hosts' agent.log at DEBUG"
        else:
            known = any(named(name, tables.meanings, [wanted]) or fnmatchcase(name, wanted) for name in tables.events.rows)
        if not known:
            made.append(words or f"statements of the kind {wanted}")
    return made
