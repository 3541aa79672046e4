"""Findings as clauses of a sentence, and which stretches of time they have told of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tracekit.report.log import Log
from tracekit.report.spans import Interval
from tracekit.report.words import duration, known, listed, seconds, text, words

MOST = 3  # causes in a sentence
SHARE = 0.03  # of the wall time; what costs less is not worth a clause
UNITS = ("ms", "s", "min", "h")
LIMIT = "up to "  # before the usual time in the brackets of a title


class Cause(NamedTuple):
    """One finding in a sentence."""

    said: str
    cost: float  # seconds
    begin: datetime | None  # the stretch between its first and last line of evidence
    end: datetime | None

    def tells_of(self, row: Interval) -> bool:
        """Whether most of an interval lies in the stretch that this cause is about."""
        if self.begin is None or self.end is None or not self.cost:
            return False
        middle = row.start + (row.end - row.start) / 2
        return bool(self.begin <= middle <= self.end)


def causes(findings: Sequence[Any], commands: Sequence[Any], wall: float, log: Log) -> list[Cause]:
    """What the findings of one operation say about it, the dearest first; of a note only what costs something."""
    by_span = {int(row.span): row for row in commands if known(row.span)}
    chosen = [row for row in findings if str(row.verdict) == "found" and _told(row, wall)]
    made = [_cause(row, by_span.get(int(row.span)) if known(row.span) else None, log) for row in chosen]
    errors = [cause for row, cause in zip(chosen, made, strict=True) if str(row.severity) == "error"]
    others = [cause for row, cause in zip(chosen, made, strict=True) if str(row.severity) != "error"]
    told: list[Cause] = []
    for cause in [*errors, *sorted(others, key=lambda cause: -cause.cost)]:
        if cause.said not in [other.said for other in told] and not _inside(cause, told):
            told.append(cause)
    return told[:MOST]


def _told(row: Any, wall: float) -> bool:
    cost = seconds(row.cost) or 0.0
    if str(row.severity) == "note":
        return str(row.rule) in words().causes and wall > 0 and cost >= SHARE * wall
    return str(row.severity) == "error" or not known(row.cost) or cost >= SHARE * wall


def _inside(cause: Cause, told: Sequence[Cause]) -> bool:
    """Whether a cause is a part of one that is told already."""
    if cause.begin is None or cause.end is None:
        return False
    return any(
        other.begin is not None
        and other.end is not None
        and other.begin <= cause.begin
        and cause.end <= other.end
        and other.cost >= cause.cost
        for other in told
    )


def _cause(row: Any, command: Any, log: Log) -> Cause:
    evidence = row.evidence if known_list(row.evidence) else ()
    times = [time for time in (log.time(int(record)) for record in evidence) if time is not None]
    return Cause(
        log.names.short(_said(row, command)),
        seconds(row.cost) or 0.0,
        min(times, default=None),
        max(times, default=None),
    )


def known_list(value: object) -> bool:
    """Whether a cell of records holds any."""
    return isinstance(value, list | tuple) and len(value) > 0


def _said(row: Any, command: Any) -> str:
    """The clause of its rule where all its blanks are known, else the title with the cost it does not name."""
    title = text(row.title, 300)
    cost = seconds(row.cost)
    form = words().causes.get(str(row.rule))
    if form and cost:
        blanks = {
            "time": duration(cost),
            "host": text(command.host_name, 80) if command is not None else "",
            "command": listed(command.command) if command is not None else "",
            "holder": text(getattr(row, "holder", None), 80),
            "usual": _usual(title),
        }
        if all(value or f"{{{name}}}" not in form for name, value in blanks.items()):
            return form.format(**blanks)
    names_time = any(word.strip(".,:;()") in UNITS for word in title.split())
    said = title[:1].lower() + title[1:] if title[1:2].islower() and " " in title and not _named(title) else title
    return f"{said} ({duration(cost)})" if cost and not names_time else said


def _named(title: str) -> bool:
    """Whether a title begins with the name of a command or host, which keeps its capital."""
    first = title.split(" ", 1)[0]
    return first != first.capitalize()


def _usual(title: str) -> str:
    """The time that a title calls usual, in its last brackets."""
    last = title.rpartition(LIMIT)[2].rstrip(")") if title.endswith(")") and LIMIT in title else ""
    return last.replace(".0 s", " s")
