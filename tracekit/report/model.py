"""What the templates receive: finished strings and numbers, nothing to compute.

Widths and positions are per cent of the drawing they stand in, as text ("12.5"), so a drawing fits any width without
a script. Every text here is masked and visible already (tracekit.redact); Jinja escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tracekit.report.boxes import Topology
from tracekit.report.canvas import Canvas
from tracekit.report.glossary import Entities, Unknown
from tracekit.report.shapes import (
    Causes,
    CommandTime,
    Concurrency,
    CriticalPath,
    FleetView,
    Flow,
    HeatMap,
    HostSide,
    Segment,
    StateChange,
    Tick,
    Ticket,
)  # fmt: skip
from tracekit.report.words import Category


class Bar(NamedTuple):
    """One span in a timeline."""

    css: str
    x: str
    width: str
    y: int
    height: int
    label: str
    place: str  # in, after, before, none: where the label stands
    label_x: str  # of a label outside its bar
    title: str
    open_end: bool = False
    failed: bool = False
    edge: bool = True  # whether its beginning is marked


class Lane(NamedTuple):
    """Rows of a timeline that belong together."""

    label: str
    label_y: int
    y: int
    height: int
    bars: tuple[Bar, ...]
    note: str = ""  # what was left out


class Timeline(NamedTuple):
    """Synchronous and asynchronous part of one operation on one axis."""

    title: str
    description: str
    height: int
    ticks: tuple[Tick, ...]
    phases: tuple[Bar, ...]  # sync and async, in the axis
    bands: tuple[Segment, ...]  # unlogged intervals, through all lanes
    marks: tuple[Tick, ...]  # returned, completed
    lanes: tuple[Lane, ...]
    left_out: str = ""  # what only a script draws


class Share(NamedTuple):
    """One category in the sum of a ledger."""

    css: str
    label: str
    time: str
    percent: str
    intervals: str


class Interval(NamedTuple):
    """One interval of a ledger."""

    css: str
    category: str
    owner: str
    start: str
    end: str
    time: str
    percent: str
    lines: str  # the two lines that bound it


class Ledger(NamedTuple):
    """Where the wall time of one operation went."""

    segments: tuple[Segment, ...]
    shares: tuple[Share, ...]
    total: str
    intervals: tuple[Interval, ...]
    rest: str  # what is not in `intervals`, "" when all are
    after: str  # what follows the end, "" when nothing does


class Stage(NamedTuple):
    """One stage of a start attempt."""

    name: str
    start: str
    end: str
    time: str
    detail: str
    slowest: bool
    failed: bool


class Node(NamedTuple):
    """One call, or several consecutive ones of one name, in a call tree drawn from flat tokens."""

    name: str
    folded: str  # "[5x]" or ""
    kind: str
    time: str
    own: str
    x: str  # its place in the operation's time
    width: str
    note: str
    lines: str
    failed: bool


class Token(NamedTuple):
    """A step of writing the tree: a leaf, a branch that opens, or the end of one."""

    step: str  # leaf, open, shut, close
    node: Node | None = None


class Tree(NamedTuple):
    """A call tree."""

    tokens: tuple[Token, ...]
    left_out: str
    before: bool = False  # whether an end is only known as before


class Command(NamedTuple):
    """One agent command."""

    name: str
    host: str
    host_full: str
    seq: str
    sent: str
    waited: str  # from scheduled to sent
    time: str  # from sent to the answer
    on_host: HostSide | None
    result: str
    failed: bool


class Commands(NamedTuple):
    """The agent commands of one operation."""

    rows: tuple[Command, ...]
    left_out: str
    total: HostSide | None = None  # of all of which an agent's log tells
    missing: tuple[str, ...] = ()  # what agents' logs would add


class LogLine(NamedTuple):
    """One record of the log as the page shows it."""

    where: str
    time: str
    level: str
    thread: str
    text: str
    css: str  # "", warn or error
    note: str  # what was cut off


class Lines(NamedTuple):
    """The records of one operation: the first and the last of them."""

    head: tuple[LogLine, ...]
    gap: str
    tail: tuple[LogLine, ...]
    total: str
    file: str  # that a line number alone is of


class Finding(NamedTuple):
    """A named cause."""

    severity: str
    title: str
    cost: str
    advice: tuple[str, ...]  # paragraphs
    evidence: tuple[LogLine, ...]
    certainty: str = ""
    holder: str = ""  # who or what it waited for


class Fact(NamedTuple):
    """A term and what it is."""

    term: str
    value: str


class Detail(NamedTuple):
    """One operation in full."""

    anchor: str
    operation: str
    command: str
    entity: str
    status: str
    sentence: str
    error: str
    facts: tuple[Fact, ...]
    timeline: Timeline | None
    canvas: Canvas | None
    ledger: Ledger | None
    no_ledger: str  # why there is none
    stages: tuple[Stage, ...]
    findings: tuple[Finding, ...]
    commands: Commands
    tree: Tree
    lines: Lines
    path: CriticalPath | None = None
    flow: Flow | None = None
    states: tuple[StateChange, ...] = ()
    ticket: Ticket | None = None
    doubts: tuple[str, ...] = ()  # joins for which there were several candidates


class Row(NamedTuple):
    """One operation in the table of all."""

    operation: str
    href: str  # "" when it is not shown in full
    command: str
    entity: str
    account: str
    submitted: str
    sync: str
    queue: str
    run: str
    wall: str
    segments: tuple[Segment, ...]
    split: str  # the same in words
    status: str
    error: str
    doubts: str = ""  # joins for which there were several candidates


class Table(NamedTuple):
    """All operations."""

    rows: tuple[Row, ...]
    left_out: str
    caption: str = ""


class Dot(NamedTuple):
    """One operation in the overview."""

    css: str
    x: str
    width: str
    y: int
    label: str
    anchor: str
    title: str
    href: str


class Overview(NamedTuple):
    """All operations over time: where they begin and end, and how long they took (logarithmic)."""

    title: str
    description: str
    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[tuple[int, str], ...]
    dots: tuple[Dot, ...]
    figure: Mapping[str, object]  # what Plotly draws in its place
    left_out: str = ""


class Answer(NamedTuple):
    """One of the questions that the first screen answers."""

    question: str
    answer: str
    note: str = ""
    href: str = ""


class Tile(NamedTuple):
    """One key number."""

    label: str
    value: str
    note: str
    css: str = ""
    href: str = ""


class SourceFile(NamedTuple):
    """One input file in the coverage statement."""

    path: str
    size: str
    lines: str
    first: str
    last: str
    dialect: str


class QualityRow(NamedTuple):
    """One counter of what was not understood."""

    severity: str
    counter: str
    times: str
    where: str
    example: str


class Coverage(NamedTuple):
    """What the page is made from."""

    sentence: str
    files: tuple[SourceFile, ...]
    files_left_out: str
    facts: tuple[Fact, ...]
    quality: tuple[QualityRow, ...]
    unknown: Unknown | None = None
    entities: Entities | None = None


class CommandStat(NamedTuple):
    """All operations of one API command."""

    command: str
    operations: str
    failed: str
    median: str
    p95: str
    longest: str


class Verdict(NamedTuple):
    """The first sentence of the page."""

    sentence: str
    status: str
    href: str
    segments: tuple[Segment, ...]
    shares: tuple[Share, ...]
    total: str


class PageContext(NamedTuple):
    """The page."""

    title: str
    generator: str
    verdict: Verdict
    tiles: tuple[Tile, ...]
    answers: tuple[Answer, ...]
    coverage: Coverage
    legend: tuple[Category, ...]
    overview: Overview | None
    stats: tuple[CommandStat, ...]
    table: Table
    masking: str
    in_full: tuple[str, ...] = ()  # places on the page where operations are shown in full
    details: tuple[Detail, ...] = ()  # these operations; none where their sections are made beside the rest
    causes: Causes | None = None
    command_times: tuple[CommandTime, ...] = ()
    heat: HeatMap | None = None
    concurrency: Concurrency | None = None
    fleet: FleetView | None = None
    topology: Topology | None = None
