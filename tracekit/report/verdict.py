"""One sentence about one operation, as an engineer would write it, and which operation is the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracekit import frames
from tracekit.report.causes import causes
from tracekit.report.every import Every
from tracekit.report.log import Log
from tracekit.report.spans import Interval
from tracekit.report.words import between, duration, known, listed, seconds, text, words

FAILED = ("failed", "cancelled")
BAD = (*FAILED, "unfinished")
CLAUSES = 3  # said at most
MOST = 0.6  # of the wall time; causes that cost less leave something to tell
SAME = 0.03  # two times that differ by less are one
WORK, UNLOGGED = "execution", "unlogged"
CLAUSE_SHARE = 0.03  # of the wall time; shorter parts are not worth a clause


class _Part(NamedTuple):
    """What intervals of a ledger are added up by."""

    category: str
    owner: str
    host: str
    command: str


def ranked(every: Every) -> list[int]:
    """Places of operations, worst first: failed and slow ones in turn, each from the longest down.

    What failed as a job comes before what was refused at once. What has not ended counts from its beginning to the end
    of the log, and as slow only: most logs end while something is under way.
    """
    slow = np.argsort(-every.elapsed, kind="stable")
    bad = slow[every.among(FAILED)[slow]]
    bad = bad[np.argsort(~every.with_job[bad], kind="stable")].tolist()
    order: dict[int, None] = {}
    for turn, longest in enumerate(slow.tolist()):
        if turn < len(bad):
            order.setdefault(bad[turn])
        order.setdefault(longest)
    return list(order)


def elapsed(operation: Any, end_of_log: object) -> float:
    """Seconds that an operation took, or has taken when the log ends; 0 where not even that is known."""
    wall = seconds(operation.wall)
    if wall is None and str(operation.status) == "unfinished":
        wall = between(operation.submitted, end_of_log)
    return wall or 0.0


def answer_time(command: Any) -> float | None:
    """Seconds from sending a command to its answer; None where one of the two is not known."""
    return between(command.sent, command.answered if known(command.answered) else command.received)


def answer_times(commands: pd.DataFrame) -> frames.Fractions:
    """The same of a table of COMMANDS, NaN where it is not known."""
    return frames.lengths(commands["answered"].fillna(commands["received"]) - commands["sent"])


def subject(operation: Any) -> str:
    """What an operation is called: Deploy of i-2-3-VM, or its command as the API names it."""
    command, entity = text(operation.command, 60), called(text(operation.entity, 80))
    if not command:
        return text(operation.operation, 60) + (f" ({entity})" if entity else "")
    if entity and command in words().commands:
        return f"{words().commands[command]} of {entity}"
    return f"{command} ({entity})" if entity else command


def called(entity: str) -> str:
    """The name that its owner gave a machine, before the one that CloudStack gave it: web01 (i-2-3-VM)."""
    instance, bracket, name = entity.partition(" (")
    return f"{name[:-1]} ({instance})" if bracket and name.endswith(")") else entity


def sentence(
    operation: Any,
    ledger: Sequence[Interval],
    commands: Sequence[Any],
    findings: Sequence[Any],
    end_of_log: object,
    log: Log,
) -> str:
    """The verdict. `ledger`, `commands` and `findings` are the rows of this operation."""
    took = elapsed(operation, end_of_log)
    told = causes(findings, commands, took, log)
    said = [cause.said for cause in told]
    costs = [cause.cost for cause in told]
    # A named cause says more than the interval that it explains; what it leaves unexplained is told as well.
    if not told or (not known(operation.error) and sum(costs) < MOST * took):
        most = 1 if known(operation.error) else CLAUSES - len(told)
        rest = [row for row in ledger if not any(cause.tells_of(row) for cause in told)]
        said += clauses(rest, commands, took, costs)[: max(most, 0)]
    return log.names.short("; ".join([_outcome(operation, end_of_log), *said])) + "."


def clauses(ledger: Sequence[Interval], commands: Sequence[Any], wall: float, told: Sequence[float] = ()) -> list[str]:
    """What the wall time went into, longest first, one clause per owner; without those that took a time of `told`."""
    parts = _parts(ledger, commands)
    said: list[str] = []
    for part, (took, owner) in sorted(parts.items(), key=lambda item: (-item[1][0], item[0])):
        # That the server works for the rest of the time is what one expects.
        expected = part.category == WORK and (said or told)
        small = took <= 0 or took < CLAUSE_SHARE * wall
        if small or expected or any(abs(took - other) < SAME * took for other in told):
            continue
        form = "command" if part.category == "agent" and part.host and part.command else part.category
        clause = words().clauses[form]
        said.append(
            clause.format(time=duration(took), owner=owner, host=part.host, command=part.command).replace(" ()", "")
        )
    return said


def _parts(ledger: Sequence[Interval], commands: Sequence[Any]) -> dict[_Part, tuple[float, str]]:
    """Seconds of each part of a ledger, and the owner of its longest interval."""
    by_span = {int(row.span): row for row in commands if known(row.span)}
    sums: dict[_Part, float] = {}
    longest: dict[_Part, tuple[float, str]] = {}
    for row in ledger:
        owner, took = listed(row.owner), row.took
        command = by_span.get(row.span)
        host, name = (text(command.host_name, 60), listed(command.command)) if command is not None else ("", "")
        # What no line tells of has no owner that could be added up.
        part = _Part(UNLOGGED, "", "", "") if row.category == UNLOGGED else _Part(row.category, owner, host, name)
        sums[part] = sums.get(part, 0.0) + took
        longest[part] = max(longest.get(part, (0.0, "")), (took, owner))
    return {part: (sums[part], longest[part][1]) for part in sums}


def _outcome(operation: Any, end_of_log: object) -> str:
    status = str(operation.status)
    about, wall, error = (
        subject(operation),
        duration(seconds(operation.wall)),
        text(operation.error, 160).rstrip(".;: "),
    )
    if status == "failed":
        after = "failed" if not known(operation.wall) else f"failed after {wall}"
        return f"{about} {after}" + (f": {error}" if error else "")
    if status == "cancelled":
        return f"{about} was cancelled" + (f" after {wall}" if known(operation.wall) else "")
    if status == "unfinished":
        since = between(operation.submitted, end_of_log)
        return f"{about} has no end in this log" + (f", {duration(since)} after its beginning" if since else "")
    if status == "unknown":
        return f"{about}: no line says how it ended" + (f"; it took {wall}" if known(operation.wall) else "")
    return f"{about} took {wall}" if known(operation.wall) else f"{about} succeeded; how long it took is unknown"
