"""Questions about all operations of an input at once: who is slow, what stood still together, what changed.

Every answer compares like with like: a duration is slow or not only against others of its own command. Nothing is
said to stand out by the size of a figure alone; it must also be unlikely to have come about by chance, however many
things were compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tracekit.diagnose.clock import silences
from tracekit.fleet.changes import changes
from tracekit.fleet.groups import groups
from tracekit.fleet.members import load_members, membership
from tracekit.fleet.stalls import stalls
from tracekit.fleet.times import command_times, timed_commands, timed_operations
from tracekit.resources import grammars

if TYPE_CHECKING:
    from tracekit.trace import Trace


class Fleet(NamedTuple):
    """The tables of schema.py about an input as a whole."""

    groups: pd.DataFrame
    commands: pd.DataFrame
    stalls: pd.DataFrame
    changes: pd.DataFrame


def fleet(trace: Trace) -> Fleet:
    """Every comparison of the operations of a trace. Raises GrammarError where grammars/members.toml is wrong."""
    operations = timed_operations(trace.operations)
    commands = timed_commands(trace.commands)
    return Fleet(
        groups=groups(operations, membership(trace, commands, load_members(grammars()))),
        commands=command_times(commands),
        stalls=stalls(trace.ledger, trace.operations, silences(trace.records, trace.events)),
        changes=changes(operations, commands),
    )
