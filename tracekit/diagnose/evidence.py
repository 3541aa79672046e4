"""What a rule needs to be able to say anything, and what of it this input lacks."""

from __future__ import annotations

from tracekit.diagnose.rules import Rule
from tracekit.diagnose.tables import Tables, named

DEBUG = "debug"
AGENT = "agent"
PEER = "peer"


def missing(rule: Rule, tables: Tables) -> list[str]:
    """What the input lacks, in words for the reader; empty where the rule's silence means that all is well."""
    made = []
    for need in rule.needs:
        if need == DEBUG:
            if not (tables.records["level"].isin(["DEBUG", "TRACE"]) & tables.records["job"].notna()).any():
                made.append("lines at DEBUG")
        elif need == AGENT:
            if not tables.commands["host_received"].notna().any():
                made.append("the agent's log at DEBUG")
        elif need == PEER:
            made.append("the log of the other management servers")
        elif not any(named(rule, tables.meanings, [need]) for rule in tables.events.rows):
            made.append(f"statements of the kind {need}")
    return made
