"""The first screen's ten questions, answered in words for the worst operation and for the whole input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tracekit.frames import median
from tracekit.report import ledger as ledgers
from tracekit.report.every import Every
from tracekit.report.log import Log
from tracekit.report.machines import Host
from tracekit.report.model import Answer, Coverage
from tracekit.report.spans import Interval
from tracekit.report.summary import spread
from tracekit.report.verdict import BAD
from tracekit.report.words import count, duration, known, listed, seconds, text

WAITING = ("queue", "executor", "lock")
ENOUGH = 3  # operations of one command, to call one of them slow compared with the rest


def covered(coverage: Coverage) -> Answer:
    """1: what the input is."""
    return Answer("What is covered?", coverage.sentence, coverage.facts[-1].value)


def how_many(every: Every) -> Answer:
    """2: operations, their ends and their times."""
    status = Counter(every.status)
    ended = ", ".join(f"{status[name]:,} {name}" for name in ("succeeded", *BAD, "unknown") if status[name])
    times = every.walls()
    median, p95, longest = spread(times)
    said = f"median {median}, 95 % within {p95}, longest {longest}" if times else "no wall time is known"
    return Answer("How many, how long, how many failed?", f"{count(len(every.status), 'operation')}: {ended}", said)


def compared(every: Every, worst: Any, href: str) -> Answer:
    """3: the worst against the others of its command."""
    question = "Is it slow compared with the rest?"
    wall, command = seconds(worst.wall), text(worst.command, 60)
    if wall is None or not command:
        return Answer(question, "unknown: its wall time or its command is not in the log")
    alike = (every.table["command"] == worst.command) & (every.table["operation"] != worst.operation)
    others = every.walls(alike.to_numpy())
    if len(others) < ENOUGH:
        return Answer(question, f"too few other {command} to tell ({len(others)})")
    middle = median(others)
    slower = sum(value >= wall for value in others)
    factor = f"{wall / middle:.1f} times the median" if middle > 0 else "the median is 0"
    rank = "the slowest of them" if slower == 0 else f"{slower:,} took as long or longer"
    return Answer(question, f"{factor} of {len(others):,} other {command} ({duration(middle)})", rank, href)


def where_went(ledger: Sequence[Interval], href: str) -> Answer:
    """4: the ledger of the worst in per cent."""
    question = "Where did its time go?"
    ledger = ledgers.within(ledger)
    lengths = [row.took for row in ledger]
    if sum(lengths) <= 0:
        return Answer(question, "unknown: its beginning or its end is not in the log")
    shares = ledgers.sums([row.category for row in ledger], lengths)
    said = sorted(shares, key=lambda share: -float(share.percent.split()[0]))
    parts = ", ".join(f"{share.label} {share.percent}" for share in said)
    return Answer(question, parts, "adds up to 100 % of its wall time", href)


def longest_step(ledger: Sequence[Interval], commands: Sequence[Any], log: Log) -> Answer:
    """5: the longest interval of the worst, with host, command and lines."""
    question = "Which single step is the longest?"
    ledger = ledgers.within(ledger)
    if not ledger:
        return Answer(question, "unknown: there is no ledger")
    row = max(ledger, key=lambda row: row.took)
    owner = listed(row.owner) or row.category
    command = next((c for c in commands if known(c.span) and c.span == row.span), None)
    host = text(command.host_name, 60) if command is not None else ""
    at = f" on {host}" if host and host not in owner else ""
    return Answer(
        question, f"{owner}{at}: {duration(row.took)} ({row.category})", log.span(row.first_record, row.last_record)
    )


def waited(ledger: Sequence[Interval]) -> Answer:
    """6: queues, executors and locks of the worst."""
    question = "Did it wait its turn, behind what?"
    if not ledger:
        return Answer(question, "unknown: there is no ledger")
    sums: dict[str, float] = {}
    for row in ledger:
        if row.category in WAITING:
            owner = text(row.owner, 100) or row.category
            sums[owner] = sums.get(owner, 0.0) + row.took
    if not sums:
        return Answer(question, "no wait in a queue, for a thread or for a lock is logged")
    longest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:2]
    said = "; ".join(f"{owner} {duration(value)}" for owner, value in longest)
    return Answer(question, f"yes, {duration(sum(sums.values()))}: {said}")


def first_bad(worst: Any, log: Log) -> Answer:
    """7: the first line of the worst that warns."""
    question = "What is its first warning or error?"
    record = log.first_bad(str(worst.operation))
    if record is None:
        return Answer(question, "none: no line of it is at WARN or above")
    line = log.line(record, 160)
    return Answer(question, f"{line.level} {line.text}", f"{line.where} at {line.time}")


def hosts(every: Iterable[Host], slow: Sequence[str]) -> Answer:
    """8: the host that most agent time was spent on; `slow` has a sentence for each command that is slow at one."""
    question = "Is one host behind it?"
    times: dict[str, list[float]] = {}
    for host in every:
        if host.times:
            times.setdefault(text(host.name, 60), []).extend(host.times)
    if not times:
        return Answer(question, "unknown: no answered command names its host")
    top, *others = sorted(times, key=lambda name: (-sum(times[name]), name))
    total = sum(map(sum, times.values()))
    if slow:
        return Answer(question, f"yes: {slow[0]}", f"and {count(len(slow) - 1, 'other command')}" if slow[1:] else "")
    if not others:
        return Answer(question, f"only {top} answered commands, {duration(total)} together")
    number = sum(map(len, times.values()))
    part = f"{sum(times[top]) / total * 100:.0f} %" if total else "0 %"
    rest = median([value for name in others for value in times[name]])
    said = f"median {duration(median(times[top]))} a command, the others {duration(rest)}"
    return Answer(question, f"{top} has {part} of the agent time, {len(times[top]):,} of {number:,} commands", said)


def stalled(said: Sequence[str]) -> Answer:
    """9: the moment at which most operations stood still together; `said` has a sentence for each, the worst first."""
    question = "Did many stand still at one instant?"
    if not said:
        return Answer(question, "no: no moment is logged at which several waited inside the server together")
    return Answer(question, said[0], f"and {count(len(said) - 1, 'other moment')}" if len(said) > 1 else "")


def see_it(worst: Any) -> Answer:
    """10: the command that shows the lines, and what is hidden in them."""
    return Answer(
        "How do I see it myself?",
        f"tracekit lines LOG {text(worst.operation, 60)}",
        "values of passwords, keys, signatures, session keys and tokens are masked as ***",
    )
