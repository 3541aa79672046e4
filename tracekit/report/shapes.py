"""What the templates receive for the drawings and lists beside the timeline: finished strings, nothing to compute."""

from __future__ import annotations

from typing import NamedTuple


class Segment(NamedTuple):
    """One piece of a stacked bar."""

    css: str  # c-<category>
    x: str
    width: str
    title: str = ""


class Tick(NamedTuple):
    """A mark on the time axis."""

    x: str
    label: str
    anchor: str  # start, middle, end
    minor: bool = False  # left out on narrow screens


class PathStep(NamedTuple):
    """One stretch of the critical path."""

    css: str
    name: str
    host: str
    start: str
    time: str
    share: str
    saves: str  # what the operation would have been shorter by without this step and all below it
    lines: str


class CriticalPath(NamedTuple):
    """The steps that held an operation up, in order."""

    steps: tuple[PathStep, ...]
    rest: str  # what is not in `steps`, "" when all are
    total: str


class Party(NamedTuple):
    """Who takes part in a sequence diagram."""

    x: str
    label: str
    title: str


class Message(NamedTuple):
    """One arrow of a sequence diagram, or a note where `x1` and `x2` are the same."""

    x1: str
    x2: str
    middle: str
    y: int
    points: str  # right, left, none
    css: str  # call, answer, bad, slow
    time: str
    label: str
    anchor: str
    title: str


class Flow(NamedTuple):
    """Who asked whom for what: a sequence diagram."""

    height: int
    parties: tuple[Party, ...]
    messages: tuple[Message, ...]
    left_out: str
    mermaid: str


class StateChange(NamedTuple):
    """One change of a state."""

    time: str
    entity: str
    before: str
    after: str
    event: str
    lines: str


class HostSide(NamedTuple):
    """The time of agent commands on the way, in the agent's queue, before a router's lock, and at work."""

    times: tuple[str, ...]  # "" where it is not told
    segments: tuple[Segment, ...]
    said: str


class CommandTime(NamedTuple):
    """All sendings of one agent command."""

    name: str
    sent: str
    failed: str
    median: str
    p95: str
    p99: str
    longest: str
    total: str


class Heat(NamedTuple):
    """One cell of the heat map."""

    css: str  # h0 (nothing) to h5
    said: str
    title: str


class HeatMap(NamedTuple):
    """Hosts by commands: median time of each."""

    hosts: tuple[tuple[str, str], ...]  # short, full
    rows: tuple[tuple[str, tuple[Heat, ...]], ...]
    left_out: str


class Step(NamedTuple):
    """How many operations were under way in one stretch of the time axis."""

    x: str
    width: str
    y: int
    height: int


class Concurrency(NamedTuple):
    """Operations under way over time."""

    height: int
    steps: tuple[Step, ...]
    most: str
    description: str


class Cause(NamedTuple):
    """All findings of one rule and what they are about."""

    severity: str
    title: str
    operations: str
    cost: str
    href: str  # of the operation that it cost most
    named: str


class Unfound(NamedTuple):
    """A rule that found nothing."""

    title: str
    why: str


class Causes(NamedTuple):
    """The findings of the whole input."""

    found: tuple[Cause, ...]
    clear: tuple[str, ...]
    unknown: tuple[Unfound, ...]


class Ticket(NamedTuple):
    """One operation as text for a ticket."""

    markdown: str
    mermaid: str


class Change(NamedTuple):
    """One thing before and after."""

    name: str
    before: str  # "" where it is not there
    after: str
    change: str
    css: str  # slower, faster, same, new, gone
    before_width: str  # per cent of the largest of its table
    after_width: str


class Changes(NamedTuple):
    """One table of a comparison."""

    title: str
    caption: str
    head: str  # of the first column
    rows: tuple[Change, ...]


class Parameter(NamedTuple):
    """Something said of both operations that is not the same."""

    name: str
    before: str
    after: str


class GroupRow(NamedTuple):
    """The operations of one host, pool, ... compared with the rest."""

    name: str
    title: str  # the full name
    css: str  # odd where it stands out
    operations: str
    failed: str
    slow: str  # of how many
    expected: str
    median: str
    p95: str
    longest: str
    href: str  # of the slowest operation
    named: str


class GroupTable(NamedTuple):
    """All groups of one kind."""

    head: str
    caption: str
    rows: tuple[GroupRow, ...]
    left_out: str


class Half(NamedTuple):
    """One command in both halves of the time."""

    what: str
    name: str
    css: str
    before: str
    before_count: str
    after: str
    after_count: str


class Together(NamedTuple):
    """Operations that stood still together."""

    time: str
    duration: str
    operations: str
    waited: str
    names: str
    lines: str


class FleetView(NamedTuple):
    """All operations compared."""

    said: tuple[str, ...]  # what stands out
    note: str  # what was compared, and what was not
    groups: tuple[GroupTable, ...]
    halves: tuple[Half, ...]
    halves_left_out: str
    together: tuple[Together, ...]
    together_left_out: str
