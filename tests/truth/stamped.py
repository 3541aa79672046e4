"""Logs whose tracer wrote down the span of every line: runs of threads with the frames that were open."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

from tracekit.parse import parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources

HEADER = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
STAMPED = re.compile(r"(?:[0-9a-f]{32}|-?) ([0-9a-f]{16}|-?) (\d{4}-\d\d-\d\d .*)", re.S)
RECORD = re.compile(r"(\S+ \S+) +\w+ +\[([^\]]+)\] \(([^:)]*):?([^)]*)\) (?:\(logid:\w*\) ?)?(.*)", re.S)
CONTEXT = re.compile(r"ctx-[0-9a-f]+")
ROOTS = {"qtp": "request", "API-Job-Executor": "job", "Work-Job-Executor": "work"}
KEY = 300  # characters by which a stamped line is found in the log
LOG, LINES, SPANS = "management-server.log", "lines-with-span.log", "spans.jsonl"


class Line(NamedTuple):
    """A stamped record."""

    number: int  # of its first line in the log, from 1
    span: str
    time: int  # microseconds
    logger: str
    thread: str
    context: str
    message: str


class Span(NamedTuple):
    """A span of the tracer; `name` is None where it is no method of CloudStack's."""

    name: str | None
    parent: str | None
    start: int  # microseconds
    end: int
    thread: str


class Matcher(Protocol):
    """Says which statement wrote a line."""

    def statements(self, log: Path, lines: list[Line]) -> Mapping[int, tuple[str, str]]:
        """Number of a line -> rule and Class.method, where they are known."""


@dataclass
class Run:
    """One thread's work for one request or job: parallel lists by line."""

    root: str
    names: dict[str, str]  # span -> Class.method
    spans: dict[str, tuple[int, int]]  # span -> start, end in microseconds
    times: list[int] = field(default_factory=list)
    events: list[str | None] = field(default_factory=list)
    methods: list[str | None] = field(default_factory=list)
    chains: list[tuple[str, ...]] = field(default_factory=list)  # open spans, outermost first
    lines: list[Line] = field(default_factory=list)

    def extent(self) -> tuple[dict[str, int], dict[str, int]]:
        """First and last line of every span."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for line, chain in enumerate(self.chains):
            for span in chain:
                first.setdefault(span, line)
                last[span] = line
        return first, last


class ParseMatcher:
    """tracekit's own parse step."""

    def statements(self, log: Path, lines: list[Line]) -> Mapping[int, tuple[str, str]]:
        with open_sources([str(log)]) as sources:
            parsed = parse(sources, Collector())
        where = {rule: meaning.where for rule, meaning in parsed.messages.meanings.items()}
        known = parsed.records[parsed.records["event"].notna()]
        pairs = zip(known["line"].tolist(), known["event"].astype(str).tolist(), strict=True)
        return {line: (rule, method) for line, rule in pairs if (method := where[rule])}


class StatementsMatcher:
    """A table of CloudStack's log statements: class, method, template with <placeholders>."""

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(1 << 30)
        self._by_start: dict[str, list[tuple[re.Pattern[str], str, str, int]]] = defaultdict(list)
        self._by_class: dict[str, list[tuple[re.Pattern[str], str, str, int]]] = defaultdict(list)
        self._found: dict[tuple[str, str], tuple[str, str] | None] = {}
        with opened(path) as handle:
            for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE):
                parts = re.split(r"<[^<>]*>", row["template"])
                literal = "".join(parts)
                if len(literal.strip()) < 3:
                    continue
                entry = (re.compile(".*?".join(map(re.escape, parts)), re.S), row["class"], row["method"], len(literal))
                if len(parts[0]) >= 6:
                    self._by_start[parts[0][:6]].append(entry)
                else:
                    self._by_class[row["class"]].append(entry)

    def statements(self, log: Path, lines: list[Line]) -> Mapping[int, tuple[str, str]]:
        made: dict[int, tuple[str, str]] = {}
        for line in lines:
            short = re.sub(r'\d+|"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "#", line.message[:600])[:120]
            key = (line.logger, short + line.message[:12])
            if key not in self._found:
                self._found[key] = self._find(line.logger, line.message[:2000])
            found = self._found[key]
            if found is not None:
                made[line.number] = found
        return made

    def _find(self, logger: str, message: str) -> tuple[str, str] | None:
        simple = logger.rpartition(".")[2].partition("$")[0]
        names = {simple, simple.replace("Clustered", "")}
        fitting = [entry for entry in self._by_start.get(message[:6], ()) if entry[0].match(message)]
        if not fitting:
            fitting = [entry for name in names for entry in self._by_class.get(name, ()) if entry[0].match(message)]
        if not fitting:
            return None
        pattern, cls, method, _ = max(fitting, key=lambda entry: (entry[1] in names, entry[3]))
        literal = re.sub(r"\\(.)", r"\1", pattern.pattern.replace(".*?", " ")).lower()
        words = re.sub(r"[^a-z0-9]+", "-", literal).strip("-")
        return f"{cls}.{method}/{words[:60]}", f"{cls}.{method}"


def opened(path: Path) -> TextIO:
    """`path`, or its packed form beside it, as text."""
    packed = path if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    if not path.exists() or path == packed:
        return gzip.open(packed, "rt", encoding="utf-8", errors="replace", newline="\n")
    return open(path, encoding="utf-8", errors="replace", newline="\n")


def folders(logs: Path) -> list[Path]:
    """Folders below `logs` with a tracer's spans and stamped lines."""
    stamped = {path.parent for path in logs.rglob(LINES + "*")}
    return sorted(folder for folder in stamped if list(folder.glob(SPANS + "*")))


def runs(folder: Path, matchers: Sequence[Matcher]) -> Iterator[Run]:
    """The runs of a folder's request and job threads; the first matcher that knows a line names its statement."""
    spans = load_spans(folder)
    lines = [line for line in load_lines(folder) if root_of(line.thread)]
    log = next(folder.glob(LOG + "*"))
    known: dict[int, tuple[str, str]] = {}
    for matcher in reversed(matchers):
        known.update(matcher.statements(log, lines))
    names = {number: span.name for number, span in spans.items() if span.name}
    times = {number: (span.start, span.end) for number, span in spans.items()}
    current: dict[str, tuple[str, Run]] = {}
    for line in lines:
        context, run = current.get(line.thread, (None, None))
        if run is None or context != line.context:
            if run is not None:
                yield run
            run = Run(root_of(line.thread), names, times)
            current[line.thread] = (line.context, run)
        event, method = known.get(line.number, (None, None))
        run.events.append(event)
        run.methods.append(method)
        run.times.append(line.time)
        run.chains.append(chain_of(line, spans))
        run.lines.append(line)
    yield from (run for _, run in current.values())


def root_of(thread: str) -> str:
    """Kind of the runs of a thread, "" for threads without requests and jobs."""
    return next((kind for start, kind in ROOTS.items() if thread.startswith(start)), "")


def chain_of(line: Line, spans: Mapping[str, Span]) -> tuple[str, ...]:
    """Spans of methods that were open in the line's own thread, outermost first."""
    chain: list[str] = []
    at: str | None = line.span
    while at is not None and at in spans and spans[at].thread == line.thread:
        if spans[at].name:
            chain.append(at)
        at = spans[at].parent
    return tuple(reversed(chain))


def load_spans(folder: Path) -> dict[str, Span]:
    """The tracer's spans. One that was only begun ends with its beginning."""
    spans: dict[str, Span] = {}
    with opened(folder / SPANS) as handle:
        for text in handle:
            row = json.loads(text)
            if "end_ns" not in row and row["span"] in spans:
                continue
            method = "code.function" in row["attrs"] and " " not in row["name"]
            spans[row["span"]] = Span(
                row["name"] if method else None,
                row.get("parent"),
                row["start_ns"] // 1000,
                row.get("end_ns", row["start_ns"]) // 1000,
                row["attrs"].get("thread.name", ""),
            )
    return spans


def load_lines(folder: Path) -> list[Line]:
    """Stamped records in the order of the log."""
    where: dict[str, list[int]] = defaultdict(list)
    with opened(folder / LOG) as handle:
        for number, text in enumerate(handle, 1):
            if HEADER.match(text):
                where[text.rstrip("\r\n")[:KEY]].append(number)
    for numbers in where.values():
        numbers.reverse()
    lines: list[Line] = []
    with opened(folder / LINES) as handle:
        for text in handle:
            stamped = STAMPED.match(text)
            numbers = where.get(stamped.group(2).rstrip("\r\n")[:KEY]) if stamped else None
            record = RECORD.match(stamped.group(2).rstrip("\r\n")) if stamped else None
            if stamped and numbers and record:
                stamp, logger, thread, context, message = record.groups()
                context = CONTEXT.search(context)
                lines.append(
                    Line(
                        numbers.pop(),
                        stamped.group(1),
                        microseconds(stamp),
                        logger,
                        thread,
                        context.group() if context else "",
                        message,
                    )
                )
    return sorted(lines)


def microseconds(stamp: str) -> int:
    """Microseconds since the epoch of a log's time."""
    at = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + at.microsecond
