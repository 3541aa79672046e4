"""The component flow of one operation: a sequence diagram of what was logged, as a drawing and as Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from tracekit.report import verdict
from tracekit.report.log import Log
from tracekit.report.names import middle
from tracekit.report.scale import percent
from tracekit.report.shapes import Flow, Message, Party, StateChange
from tracekit.report.spans import Interval, Span
from tracekit.report.words import between, clock, count, duration, known, listed, number, seconds, text, words

HEAD, ROW = 34, 26  # pixels down
NOMINAL, CHARACTER, SHORTEST = 1200.0, 7.2, 9  # pixels across, of one letter of a head; letters of one at least
MAX_HOSTS, MAX_STATES = 4, 40
SEEN = 0.01  # of the wall time; what the database took less for is in the ledger alone
SLOW = 0.2  # of the wall time; an answer that took so long is marked
CLIENT, API, QUEUE, JOB, WORK = "client", "API", "job queue", "API job", "work job"
ROUTER, STORAGE, DATABASE, OTHER = "router", "storage", "database", "other hosts"
ORDER = (CLIENT, API, QUEUE, JOB, WORK)
BEHIND = (OTHER, ROUTER, STORAGE, DATABASE)
EXECUTOR = "executor"  # the queue span of a job that has no thread yet
ARROWS = {"call": "->>", "answer": "-->>", "bad": "--x", "slow": "-->>", "note": "->>"}


class Arrow(NamedTuple):
    """A message before it has its place."""

    at: Any
    sender: str
    receiver: str
    label: str
    css: str = "call"
    title: str = ""
    rank: int = 0  # of messages at one instant
    pair: int = 0  # number of a command, shared by its answer; 0: always shown
    took: float = 0.0  # seconds of the command


def view(
    operation: Any, spans: Sequence[Span], ledger: Sequence[Interval], commands: Sequence[Any], log: Log, most: int
) -> Flow | None:
    """The sequence diagram of one operation, of `most` messages; None where fewer than two are known."""
    hosts = _hosts(commands)
    arrows = [
        *_client(operation, spans),
        *_jobs(operation, spans),
        *_commands(commands, spans, hosts, seconds(operation.wall) or 0.0, log),
        *_database(ledger, spans, seconds(operation.wall) or 0.0),
    ]
    arrows = sorted((arrow for arrow in arrows if known(arrow.at)), key=lambda arrow: (arrow.at, arrow.rank))
    if len(arrows) < 2:
        return None
    shown = arrows if len(arrows) <= most else _longest(arrows, most)
    taking = {name for arrow in shown for name in (arrow.sender, arrow.receiver)}
    parties = [name for name in (*ORDER, *hosts[:MAX_HOSTS], *BEHIND) if name in taking]
    at = {name: (i + 0.5) / len(parties) * 100 for i, name in enumerate(parties)}
    # What a host passes on stands in the line of the command.
    lines = list(accumulate((int(bool(arrow.label)) for arrow in shown[1:]), initial=0))
    characters = max(int(NOMINAL / len(parties) / CHARACTER) - 1, SHORTEST)
    lost = len(arrows) - len(shown)
    return Flow(
        height=HEAD + ROW * max(lines) + 38,
        parties=tuple(Party(percent(at[name]), middle(log.names.short(name), characters), name) for name in parties),
        messages=tuple(_message(arrow, at, HEAD + ROW * line + 20) for arrow, line in zip(shown, lines, strict=True)),
        left_out=f"{count(lost, 'message')} left out, those of the shortest commands" if lost else "",
        mermaid=mermaid(shown, parties, log),
    )


def states(spans: Sequence[Span], log: Log) -> tuple[StateChange, ...]:
    """The changes of state of VMs, volumes, networks and routers, in order; the first MAX_STATES."""
    rows = sorted((row for row in spans if row.kind == "state"), key=lambda row: (row.begin, row.span))
    made = []
    for row in rows[:MAX_STATES]:
        attributes = row.attributes
        before, _, after = text(row.name, 80).partition(" → ")
        said = [f"{key} {text(attributes[key], 60)}" for key in ("volume", "network", "router") if key in attributes]
        entity = text(attributes.get("vm"), 80) or ", ".join(said) or "not named"
        event = text(attributes.get("event"), 60)
        lines = log.span(row.first_record, row.last_record)
        made.append(StateChange(clock(row.start), entity, before, after, event, lines))
    return tuple(made)


def mermaid(arrows: Sequence[Arrow], parties: Sequence[str], log: Log) -> str:
    """The messages as a Mermaid sequence diagram."""
    ids = {name: f"P{i}" for i, name in enumerate(parties)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {ids[name]} as {_plain(log.names.short(name))}" for name in parties]
    for arrow in arrows:
        label = _plain(f"{arrow.label or 'passed on'} ({clock(arrow.at)})")
        lines.append(f"    {ids[arrow.sender]}{ARROWS[arrow.css]}{ids[arrow.receiver]}: {label}")
    return "\n".join(lines) + "\n"


def _plain(said: str) -> str:
    """A text that Mermaid cannot take for syntax."""
    return re.sub(r"[^\w .,:()\[\]/+≤→…-]", " ", said).replace(";", ",").strip() or "?"


def _longest(arrows: Sequence[Arrow], most: int) -> list[Arrow]:
    """What is no command, and as many commands as there is room for: failed ones first, then the longest.

    A command stands with its answer or not at all.
    """
    pairs: dict[int, list[Arrow]] = {}
    for arrow in arrows:
        pairs.setdefault(arrow.pair, []).append(arrow)
    room = most - len(pairs.get(0, ()))
    kept = {0}
    ranked = sorted(
        (number for number in pairs if number),
        key=lambda number: (all(arrow.css != "bad" for arrow in pairs[number]), -pairs[number][0].took, number),
    )
    for pair in ranked:
        room -= len(pairs[pair])
        if room < 0:
            break
        kept.add(pair)
    return [arrow for arrow in arrows if arrow.pair in kept]


def _hosts(commands: Sequence[Any]) -> list[str]:
    """Hosts by the time that they took, most first."""
    spent: dict[str, float] = {}
    for row in commands:
        if known(row.host_name):
            host = text(row.host_name, 120)
            spent[host] = spent.get(host, 0.0) + (verdict.answer_time(row) or 0.0)
    return sorted(spent, key=lambda host: (-spent[host], host))


def _client(operation: Any, spans: Sequence[Span]) -> Iterable[Arrow]:
    command = text(operation.command, 60) or "request"
    yield Arrow(operation.submitted, CLIENT, API, command, rank=-3)
    took = between(operation.submitted, operation.returned)
    back = f"job {number(operation.job)}" if known(operation.job) else "answer"
    yield Arrow(operation.returned, API, CLIENT, f"{back} after {duration(took)}", "answer", rank=3)
    own = int(operation.request) if known(operation.request) else -1
    polls = [row for row in spans if row.kind == "request" and row.span != own]
    if known(operation.client_seen):
        asked = f"asked {count(len(polls), 'time')}: ended" if polls else "asked: ended"
        yield Arrow(operation.client_seen, API, CLIENT, asked, "answer", rank=9)


def _jobs(operation: Any, spans: Sequence[Span]) -> Iterable[Arrow]:
    if known(operation.job):
        yield Arrow(operation.started, API, JOB, f"job {number(operation.job)} starts", rank=-1)
        end = "failed" if str(operation.status) == "failed" else str(operation.status)
        yield Arrow(operation.completed, JOB, API, end, "bad" if end == "failed" else "answer", rank=8)
    for row in spans:
        if row.kind not in ("queue", "work"):
            continue
        job = f"job {number(row.attributes['job'])}" if known(row.attributes.get("job")) else "job"
        name = text(row.name, 60)
        if row.kind == "queue":
            if name != EXECUTOR:
                yield Arrow(row.start, JOB, QUEUE, f"{job} to {name}", rank=-1)
            if not row.is_open:
                waited = duration(row.took) + (" for a thread" if name == EXECUTOR else "")
                yield Arrow(row.end, QUEUE, WORK, f"{job} waited {waited}", "slow" if _slow(row, operation) else "call")
        elif not row.is_open:
            took = f"{job} {'failed' if row.status == 'error' else 'done'} after {duration(row.took)}"
            yield Arrow(row.end, WORK, JOB, took, "bad" if row.status == "error" else "answer", rank=7)


def _slow(row: Span, operation: Any) -> bool:
    return row.took >= SLOW * (seconds(operation.wall) or float("inf"))


def _commands(
    commands: Sequence[Any], spans: Sequence[Span], hosts: Sequence[str], wall: float, log: Log
) -> Iterable[Arrow]:
    """Each command and its answer; consecutive ones of one host and name together."""
    failed = {row.span for row in spans if row.status == "error"}
    sender = WORK if any(row.kind == "work" for row in spans) else JOB
    sent = sorted((row for row in commands if known(row.sent)), key=lambda row: (row.sent, row.seq))
    runs = groupby(sent, key=lambda row: (row.host_name, row.command))
    for pair, ((host_name, name), members) in enumerate(runs, start=1):
        group = list(members)
        took = sum(verdict.answer_time(row) or 0.0 for row in group)
        host = text(host_name, 120) if known(host_name) else OTHER
        host = host if host in hosts[:MAX_HOSTS] else OTHER
        said = listed(name, 1) + (f" [{len(group)}x]" if len(group) > 1 else "")
        yield Arrow(group[0].sent, sender, host, said, title=text(name, 400), pair=pair, took=took)
        behind = _behind(text(name, 400))
        if behind:
            yield Arrow(group[0].sent, host, behind, "", rank=1, pair=pair, took=took)
        answered = group[-1].answered if known(group[-1].answered) else group[-1].received
        bad = any(known(row.span) and int(row.span) in failed for row in group)
        css = "bad" if bad else "slow" if wall and took >= SLOW * wall else "answer"
        details = log.names.short(text(group[-1].details, 60)) if bad else ""
        yield Arrow(answered, host, sender, f"{details or 'answer'} after {duration(took)}", css, "", 5, pair, took)


def _behind(names: str) -> str:
    """Where a command ends behind its host."""
    classes = set(names.split(", "))
    if words().start in classes:
        return ""
    return ROUTER if classes & words().router else STORAGE if classes & words().storage else ""


def _database(ledger: Sequence[Interval], spans: Sequence[Span], wall: float) -> Iterable[Arrow]:
    """Waits for a lock, and what the database took a share of the wall time for that can be seen."""
    sender = WORK if any(row.kind == "work" for row in spans) else API
    for row in ledger:
        if row.category not in ("lock", "database"):
            continue
        lock = row.category == "lock"
        if lock or row.took >= SEEN * wall:
            said = f"{text(row.owner, 40)}: {duration(row.took)}"
            yield Arrow(row.start, sender, DATABASE, said, "slow" if lock else "call")


def _message(arrow: Arrow, at: dict[str, float], y: int) -> Message:
    begin, end = at[arrow.sender], at[arrow.receiver]
    low, high = min(begin, end), max(begin, end)
    # At the left end of the arrow, so that it stands on the paper also where the arrow is short.
    anchor, x = ("end", high) if low > 62 else ("start", low)
    return Message(
        x1=percent(begin),
        x2=percent(end),
        middle=percent(x),
        y=y,
        points="right" if end >= begin else "left",
        css=arrow.css,
        time=clock(arrow.at) if arrow.label else "",
        label=arrow.label,
        anchor=anchor,
        title=" · ".join(part for part in (f"{arrow.sender} → {arrow.receiver}", arrow.title or arrow.label) if part),
    )
