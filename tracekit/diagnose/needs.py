"""What a rule needs to be able to say anything, and what of it this input lacks."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cached_property

from tracekit.diagnose.rules import Rule
from tracekit.diagnose.tables import Tables

DEBUG = "debug"  # lines of jobs at DEBUG
WILD = frozenset("*?[")  # one of them makes a name a pattern
HOSTS = "host times"  # when hosts took and answered commands, from an agent's log at DEBUG


class Needs:
    """Asks one input for what rules need.

    A need is `debug`, `host times`, or the name of a statement (a pattern, too), with the words for it behind a `=`.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @cached_property
    def debug(self) -> bool:
        """Whether jobs write at DEBUG."""
        records = self.tables.records
        return bool((records["level"].isin(["DEBUG", "TRACE"]) & records["job"].notna()).any())

    @cached_property
    def hosts(self) -> bool:
        """Whether an agent's log tells when a command arrived."""
        return bool(self.tables.commands["host_received"].notna().any())

    def missing(self, rule: Rule) -> list[str]:
        """What the input lacks, in words for the reader; empty where the rule's silence means that all is well."""
        made = []
        for need in rule.needs:
            wanted, _, words = need.partition("=")
            if wanted == DEBUG:
                known, words = self.debug, "lines at DEBUG"
            elif wanted == HOSTS:
                known, words = self.hosts, "the hosts' agent.log at DEBUG"
            else:
                known = self.printed(wanted)
            if not known:
                made.append(words or f"statements of the kind {wanted}")
        return made

    def printed(self, wanted: str) -> bool:
        """Whether a statement of this name is in the input."""
        if wanted in self.tables.rules_by_name:
            return True
        # What is no pattern fits no other name.
        return not WILD.isdisjoint(wanted) and any(map(re.compile(translate(wanted)).match, self.tables.events))
