"""A trace: every table of one input, and the text behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tracekit import __version__
from tracekit.aside import arrays_aside, table_aside
from tracekit.memory import give_back
from tracekit.processes import Meanwhile, forked
from tracekit.quality import Collector
from tracekit.read.files import Sources, open_sources
from tracekit.resources import grammars

if TYPE_CHECKING:
    import pandas as pd

    from tracekit.diagnose.rules import Rule
    from tracekit.parse import FileRead
    from tracekit.parse.begun import Begun
    from tracekit.parse.events import Events
    from tracekit.parse.search import Searching

# The longest that a server waits for one command by its stock settings (twice `wait`), and as much again.
FOLLOWED = timedelta(hours=2)
Tell = Callable[[str], None]  # who waits is told what is being done


class Meta(NamedTuple):
    """What the input was, and what read it."""

    files: tuple[FileRead, ...]
    version: str


@dataclass(frozen=True)
class Trace:
    """The tables of schema.py for one input. `sources` gives the text of a record."""

    sources: Sources
    events: Events
    records: pd.DataFrame
    spans: pd.DataFrame
    operations: pd.DataFrame
    jobs: pd.DataFrame
    commands: pd.DataFrame
    ledger: pd.DataFrame
    findings: pd.DataFrame
    quality: pd.DataFrame
    entities: pd.DataFrame
    told: pd.DataFrame
    unknown: pd.DataFrame
    meta: Meta
    kept: bool = False  # whether the tables are a file's, which forks of this process share

    @classmethod
    def of_parts(cls, part: Callable[[str], Any], **known: Any) -> Self:
        """A trace of `known` attributes; others are what `part` gives for their names, once they are asked for."""
        made = cls.__new__(cls)
        vars(made).update(known, _part=part)
        return made

    def with_operations(self, operations: pd.DataFrame) -> Self:
        """The trace with another table of operations. Nothing is read for it."""
        made = copy(self)
        vars(made)["operations"] = operations
        return made

    if not TYPE_CHECKING:  # a checker would take every name for an attribute

        def __getattr__(self, name: str) -> Any:
            if "_part" not in vars(self) or name not in {field.name for field in fields(self)}:
                raise AttributeError(name)
            made = vars(self)[name] = vars(self)["_part"](name)
            return made


def read_trace(
    paths: list[str], *, dialect: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Trace:
    """Read logs and rebuild what happened. Raises the errors of open_sources and parse.

    Of plain files only the time from `since` on is read, and what was submitted by `until` is followed for FOLLOWED
    more: an operation that is cut there is shown as unfinished. `dialect` is the layout to take every file for.
    """
    return trace_of(open_sources(paths), dialect=dialect, since=since, until=until)


class Started(NamedTuple):
    """Sources of which it is known what to read of them, and what they name and tell."""

    begun: Begun
    searching: Searching

    @classmethod
    def of(cls, begun: Begun) -> Self:
        """Read by who asks for it."""
        made = cls(begun, searching_in(begun))
        made.searching.left_to(None)
        return made

    @classmethod
    def ahead(cls, begun: Begun) -> Self:
        """Read by a fork from now on, where it is small enough and there is a core."""
        from tracekit.parse.begun import ahead

        searching = searching_in(begun)
        made = cls(ahead(begun, searching.packed), searching)
        searching.left_to(made.begun.scan)
        return made


def searching_in(begun: Begun) -> Searching:
    """What finds what the bytes that are read name and tell."""
    from tracekit.parse.search import Searching

    sources = Sources(tuple(layout.source for layout in begun.layouts))
    return Searching(sources, [(source.path, *part) for source, part in zip(sources, begun.windows, strict=True)])


def silent(_: str) -> None:
    """For whom nobody waits."""


def started_trace(
    sources: Sources, *, dialect: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Started:
    """For who has yet to import what `trace_of` runs: what it takes as `started`, records being scanned meanwhile.

    Raises the errors of parse.
    """
    from tracekit.parse.begun import begin

    return Started.ahead(begin(sources, dialect=dialect, since=since, until=until + FOLLOWED if until else None))


def trace_of(
    sources: Sources,
    *,
    dialect: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[Rule] | None = None,
    started: Started | None = None,
    tell: Tell = silent,
) -> Trace:
    """As `read_trace`, of files that are open; `rules` are asked, too. `started` is what `started_trace` gave for the
    same. `tell` is told what is being done once all is read.

    Raises the errors of parse.
    """
    # A trace out of the cache needs none of these.
    from tracekit.build import Knowledge, build
    from tracekit.build.entities import entity_table, with_host_names
    from tracekit.build.told import told_table
    from tracekit.diagnose import diagnose
    from tracekit.diagnose.packed import packed, unpacked
    from tracekit.diagnose.rules import load_rules
    from tracekit.parse import parse
    from tracekit.parse.begun import begin
    from tracekit.parse.mine import mine

    quality = Collector()
    quality.extend(sources.quality)
    begun, searching = started or Started.of(
        begin(sources, dialect=dialect, since=since, until=until + FOLLOWED if until else None)
    )
    # Read before the fork that scans is waited for.
    knowledge, shipped = Knowledge.of(begun.messages), load_rules(grammars() / "rules")
    parsed = parse(sources, quality, begun=begun)
    tell("rebuilding what happened")
    searching.begin()
    parsed = parsed._replace(records=table_aside(parsed.records))
    parsed.events.moved(arrays_aside)
    give_back()
    built = build(parsed, parsed.sources, quality, knowledge)
    give_back()
    found = searching.found()
    entities = entity_table(found.things)
    commands = with_host_names(built.commands, entities)
    look = partial(
        diagnose,
        built.records,
        built.spans,
        built.operations,
        built.jobs,
        commands,
        built.ledger,
        parsed.events,
        parsed.messages.meanings,
        rules=(*shipped, *(rules or ())),
        sources=parsed.sources,
    )
    findings = Meanwhile(look, packed, unpacked, by=forked(len(built.records)))
    return Trace.of_parts(
        lambda _: findings.made,
        sources=parsed.sources,
        events=parsed.events,
        records=built.records,
        spans=built.spans,
        operations=built.operations,
        jobs=built.jobs,
        commands=commands,
        ledger=built.ledger,
        quality=quality.frame(),
        entities=entities,
        told=told_table(found.told, built.records, parsed.sources),
        unknown=mine(parsed.records, parsed.sources),
        meta=Meta(parsed.files, __version__),
    )
