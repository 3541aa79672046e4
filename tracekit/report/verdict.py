"""One sentence about one operation, as an engineer would write it, and which operation is the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.report.words import between, duration, known, listed, seconds, text, words

BAD = ("failed", "cancelled", "unfinished")
CAUSES, CLAUSES = 2, 3  # said at most
WORK = "execution"
CLAUSE_SHARE = 0.03  # of the wall time; shorter parts are not worth a clause


def ranked(operations: Sequence[Any], end_of_log: object) -> list[int]:
    """Places in `operations`, worst first: failed and slow ones in turn, each from the longest down.

    What failed as a job comes before what was refused at once; what never ended counts from its beginning to the end
    of the log.
    """
    took = [elapsed(row, end_of_log) for row in operations]
    slow = sorted(range(len(operations)), key=lambda i: (-took[i], i))
    bad = sorted(
        (i for i in slow if str(operations[i].status) in BAD), key=lambda i: (not known(operations[i].job), -took[i], i)
    )
    order: dict[int, None] = {}
    for turn in range(len(operations)):
        if turn < len(bad):
            order.setdefault(bad[turn])
        order.setdefault(slow[turn])
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


def subject(operation: Any) -> str:
    """What an operation is called: Deploy of i-2-3-VM, or its command as the API names it."""
    command, entity = text(operation.command, 60), text(operation.entity, 60)
    if not command:
        return text(operation.operation, 60) + (f" ({entity})" if entity else "")
    if entity and command in words().commands:
        return f"{words().commands[command]} of {entity}"
    return f"{command} ({entity})" if entity else command


def sentence(
    operation: Any, ledger: Sequence[Any], commands: Sequence[Any], findings: Sequence[Any], end_of_log: object
) -> str:
    """The verdict. `ledger`, `commands` and `findings` are the rows of this operation."""
    causes = [
        text(row.title, 160) + (f" ({duration(seconds(row.cost))})" if known(row.cost) else "")
        for row in findings
        if str(row.verdict) == "found" and str(row.severity) != "note"
    ][:CAUSES]
    # A named cause says more than the interval that it explains.
    most = CLAUSES if not known(operation.error) else 1
    said = causes or clauses(ledger, commands)[:most]
    return "; ".join([_outcome(operation, end_of_log), *said]) + "."


def clauses(ledger: Sequence[Any], commands: Sequence[Any]) -> list[str]:
    """What the wall time went into, longest first, one clause per owner."""
    by_span = {int(row.span): row for row in commands if known(row.span)}
    sums: dict[tuple[str, str, str, str], float] = {}
    for row in ledger:
        command = by_span.get(int(row.span)) if known(row.span) else None
        host = text(command.host_name, 60) if command is not None else ""
        name = listed(command.command) if command is not None else ""
        key = (str(row.category), listed(row.owner), host, name)
        sums[key] = sums.get(key, 0.0) + (between(row.start, row.end) or 0.0)
    total = sum(sums.values())
    said: list[str] = []
    for (category, owner, host, name), value in sorted(sums.items(), key=lambda item: (-item[1], item[0])):
        if value < CLAUSE_SHARE * total or value <= 0:
            break
        if category == WORK and said:  # that the server works for the rest of the time is what one expects
            continue
        form = "command" if category == "agent" and host and name else category
        clause = words().clauses[form].format(time=duration(value), owner=owner, host=host, command=name)
        said.append(clause.replace(" ()", ""))
    return said


def _outcome(operation: Any, end_of_log: object) -> str:
    status = str(operation.status)
    about, wall, error = subject(operation), duration(seconds(operation.wall)), text(operation.error, 160)
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
