"""The tables that rules choose rows from.

Every one has the columns operation, start, end (datetime64[us]), first, last (records, Int64) and span (Int64), and
those of the table of schema.py that it is made of. What does not belong to an operation has a null operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.checks import CHECKS, LOUD, empty
from tracekit.diagnose.clock import Clock, silences
from tracekit.diagnose.haystack import NEWLINE, Haystack
from tracekit.diagnose.pairs import pairs
from tracekit.diagnose.rows import Column, Maker, Rows, nothing, once, values
from tracekit.diagnose.rules import Select
from tracekit.frames import NEVER, Small, among, instants, look_up, numbers_of, spread
from tracekit.parse.events import Events
from tracekit.parse.grammar import Meaning
from tracekit.read.files import Sources

RARE = 200  # records of one message rule that are worth a look at their text
SAID = ("operation", "ts", "level", "thread", "job", "origin", "run", "span")  # what the records of events say


@dataclass(frozen=True)
class Tables:
    """What the build step made, and views of it for the rules."""

    records: pd.DataFrame
    spans: pd.DataFrame
    operations: pd.DataFrame
    jobs: pd.DataFrame
    commands: pd.DataFrame
    ledger: pd.DataFrame
    events: Events
    meanings: Mapping[str, Meaning]
    sources: Sources | None = None  # the text behind the records
    asked: frozenset[str] = frozenset()  # columns that events have even where no message rule fills them
    kept: dict[Select, Rows] = field(default_factory=dict)  # what selects gave
    whole: dict[str, Rows] = field(default_factory=dict)  # tables that do not depend on the select

    def rows(self, select: Select) -> Rows:
        """Rows of the select's table, before its conditions and with the table's own bounds."""
        if select.table == "events":
            return self.reaching(self.saying(select), select.reach)
        if select.table == "pairs":
            begins, ends = self.statements(select.begin), self.statements(select.end)
            return pairs(begins, ends, select.same, self.ends if select.open else None)
        return self.table(select.table)

    def table(self, name: str) -> Rows:
        """A table of views or checks, whole."""
        if name not in self.whole:
            make = getattr(self, f"view_{name}") if name in VIEWS else partial(CHECKS[name], self)
            self.whole[name] = make()
        return self.whole[name]

    @cached_property
    def clock(self) -> Clock:
        """Time without the moments in which the whole server stood still."""
        return Clock.of(self.still)

    @cached_property
    def still(self) -> pd.DataFrame:
        """The whole server's silences."""
        return silences(self.records, self.events)

    @cached_property
    def ends(self) -> pd.Series[Any]:
        """Last instant of each operation: completed, else its last line."""
        named: Any = self.records["operation"].array
        last = np.full(len(named.categories) + 1, NEVER)  # the last one is of lines of no operation
        np.maximum.at(last, named.codes, instants(self.records["ts"]))
        last[-1] = NEVER
        completed = instants(self.operations["completed"])
        own = last[named.categories.get_indexer(self.index)]
        return pd.Series(np.where(completed == NEVER, own, completed).view("M8[us]"), self.index)

    @cached_property
    def index(self) -> pd.Index[Any]:
        """Names of the operations."""
        made: pd.Index[Any] = pd.Index(self.operations["operation"])
        return made

    def of_operation(self, column: str, names: Column) -> Column:
        """A column of the operations of some rows."""
        return self.operations[column].array.take(self.index.get_indexer(pd.Index(names)), allow_fill=True)

    def view_intervals(self) -> Rows:
        """The ledger, with the rules of the two statements around each interval as `after` and `before`.

        `gap` says whether these are consecutive lines of one thread's work, `phase` is sync or async.
        """
        event = values(self.records["event"])
        rows = Rows.of(self.ledger, {"first_record": "first", "last_record": "last"})

        def said(name: str, chosen: Any) -> Column:
            return event.take(numbers_of(rows.at(name, chosen)), allow_fill=True)

        def phase(chosen: Any) -> Column:
            returned = self.of_operation("returned", rows.at("operation", chosen))
            return np.where(np.asarray(rows.at("end", chosen) <= returned), "sync", "async").astype(object)

        return rows.having(
            after=partial(said, "first"),
            before=partial(said, "last"),
            api=lambda chosen: self.of_operation("command", rows.at("operation", chosen)),
            gap=lambda chosen: self.neighbours(rows.at("first", chosen), rows.at("last", chosen)),
            phase=phase,
        )

    @cached_property
    def following(self) -> Small:
        """For each record the next of the same run, -1 for the last; one more -1 at the end."""
        run = numbers_of(self.records["run"])
        order = np.argsort(run, kind="stable").astype(np.int32)
        made = np.full(len(run) + 1, -1, dtype=np.int32)
        same = np.diff(run[order]) == 0
        made[order[:-1][same]] = order[1:][same]
        return made

    @cached_property
    def preceding(self) -> Small:
        """For each record the one before of the same run, -1 for the first."""
        made = np.full(len(self.following), -1, dtype=np.int32)
        known = np.flatnonzero(self.following >= 0)
        made[self.following[known]] = known
        return made

    def neighbours(self, first: Column, last: Column) -> npt.NDArray[np.bool_]:
        """Whether two records are consecutive lines of one run."""
        a, b = numbers_of(first), numbers_of(last)
        return np.asarray((a >= 0) & (self.following[a] == b))

    def reaching(self, rows: Rows, reach: str | None) -> Rows:
        """Statements with the stretch from the line before of their run, or to the line behind."""
        if reach is None or not len(rows):
            return rows
        step = self.preceding if reach == "before" else self.following
        rows = rows.where(step[rows["record"]] >= 0)
        other = step[rows["record"]]
        time, line = ("start", "first") if reach == "before" else ("end", "last")
        return rows.having(**{time: lambda chosen: self.lines_said.at("ts", other[chosen]), line: other.__getitem__})

    def view_commands(self) -> Rows:
        """Agent commands, from sending to the answer."""
        rows = Rows.of(self.commands)

        def of_span(column: str) -> Column:
            return self.spans[column].array.take(numbers_of(rows["span"]), allow_fill=True)

        return rows.having(
            first=once(partial(of_span, "first_record")),
            last=once(partial(of_span, "last_record")),
            start=once(lambda: filled(rows["sent"], rows["scheduled"])),
            end=once(lambda: filled(rows["received"], of_span("end"))),
            api=once(lambda: self.of_operation("command", rows["operation"])),
        )

    def view_jobs(self) -> Rows:
        """Jobs, from their submission to their end; `behind` is the job of the VM that ran while one was queued."""
        rows, none = Rows.of(self.jobs), nothing(len(self.jobs))
        return rows.having(
            start=partial(rows.at, "submitted"),
            end=partial(rows.at, "completed"),
            first=none,
            last=none,
            span=none,
            behind=once(lambda: ahead_of(self.jobs)),
        )

    def view_operations(self) -> Rows:
        """Operations, whole."""
        rows, none = Rows.of(self.operations), nothing(len(self.operations))
        own = {"start": "submitted", "end": "completed", "span": "request"}
        return rows.having(**{name: partial(rows.at, column) for name, column in own.items()}, first=none, last=none)

    def view_spans(self) -> Rows:
        """Spans of every kind."""
        return Rows.of(self.spans, {"first_record": "first", "last_record": "last"})

    def view_silences(self) -> Rows:
        """The whole server's silences, once for each operation that was under way."""
        if self.still.empty:
            return empty("usual")
        open_ = pd.DataFrame({"operation": self.operations["operation"], "begun": self.operations["submitted"]})
        open_["over"] = self.ends.reindex(open_["operation"]).to_numpy()
        both = open_.merge(self.still, how="cross")
        both = both[(both["begun"] < both["end"]) & (both["over"] > both["start"])]
        start = both[["start", "begun"]].max(axis=1)
        return Rows.of(both.assign(start=start, end=both[["end", "over"]].min(axis=1), span=None))

    def saying(self, select: Select) -> Rows:
        """Rows of the table `events`: by statement, by text, or by both."""
        if not select.text:
            return self.statements(select.begin)
        wanted = [text.encode() for text in select.text]
        if select.begin:
            rows = self.statements(select.begin)
            return rows.where(self.holding(rows["record"], wanted))
        lines = [max(text.split(NEWLINE), key=len) for text in wanted]  # text is looked for line by line
        at = self.unread.holding(lines)
        return self.said(at if lines == wanted else at[self.holding(at, wanted)])

    def holding(self, records: npt.NDArray[np.int64], wanted: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """For each of some records whether it holds one of `wanted`."""
        return np.array([any(text in said for text in wanted) for said in self.texts(records)], dtype=bool)

    def texts(self, records: npt.NDArray[np.int64]) -> list[bytes]:
        """The bytes of some records; empty where the text is not at hand."""
        if self.sources is None:
            return [b""] * len(records)
        source = self.records["source"].array
        files = [self.sources[path].data for path in source.categories]
        begin, length = (self.records[name].to_numpy()[records] for name in ("offset", "length"))
        places = zip(source.codes[records].tolist(), begin.tolist(), (begin + length).tolist(), strict=True)
        return [files[number][begin:end] for number, begin, end in places]

    @cached_property
    def unread(self) -> Haystack:
        """The text of records that no message rule reads or that are few of their kind, that warn, or carry a trace."""
        event: Any = self.records["event"].array
        rules = event.codes + np.int64(1)  # 0: none reads it
        rare = np.bincount(rules) <= RARE
        rare[:1] = True
        long = self.records["lines"].to_numpy() > 1
        at = np.flatnonzero(rare[rules] | among(self.records["level"], LOUD) | long)
        return Haystack.of(at, self.texts(at))

    @cached_property
    def lines_said(self) -> Rows:
        """What every record says, whether a message rule reads it or not."""
        return Rows.of(self.records[list(SAID)])

    def said(self, at: npt.NDArray[np.int64]) -> Rows:
        """Records as rows of the table `events`, without the columns of a message rule."""
        rows, line = self.lines_said.take(at), at.__getitem__
        ts = partial(rows.at, "ts")
        return rows.having(record=line, start=ts, end=ts, first=line, last=line)

    @cached_property
    def rules_by_name(self) -> Mapping[str | None, list[str]]:
        """The rules that read a record, by each of their names."""
        made: dict[str | None, list[str]] = {}
        for rule in self.events:
            for name in names_of(rule, self.meanings):
                made.setdefault(name, []).append(rule)
        return made

    def statements(self, words: Collection[str | None]) -> Rows:
        """Events that one of `words` names: a rule of the message grammars, what it means, or its `Class.method`."""
        rules = dict.fromkeys(chain.from_iterable(self.rules_by_name.get(word, ()) for word in words))
        if not rules:
            return self.said(np.empty(0, dtype=np.int64))
        cut = self.events.cutter(rules)
        filled = cut.filled() | (self.asked & self.events.messages.columns.keys())
        more: dict[str, Maker] = {name: partial(cut.column, name) for name in filled}
        rows = self.said(cut.records).having(name=cut.names, **more)
        if "JOB" not in rows:
            return rows
        return rows.having(operation=partial(self.operation_or_of_job, rows))

    def operation_or_of_job(self, rows: Rows, chosen: Any) -> Column:
        """The operation of statements: what another thread says of a job belongs to the job's operation."""
        made = rows.at("operation", chosen)
        lacking = np.flatnonzero(made.codes < 0)
        if not len(lacking):
            return made
        at = np.arange(len(rows))[chosen][lacking]
        known = look_up(pd.Series(rows.at("JOB", at)), self.operation_of_job)
        codes = made.codes.copy()
        codes[lacking] = made.categories.get_indexer(pd.Index(known))
        return pd.Categorical.from_codes(codes, dtype=made.dtype)

    @cached_property
    def operation_of_job(self) -> pd.Series[Any]:
        """Operations by job, without those of a number that two jobs have."""
        return self.jobs.drop_duplicates("job", keep=False).set_index("job")["operation"]


VIEWS = ("intervals", "commands", "jobs", "operations", "spans", "silences")


def filled(times: Column, others: Column) -> Column:
    """Times, from `others` where unknown."""
    lacking = times.isna()
    made = times.copy()
    made[lacking] = others[lacking]
    return made


def ahead_of(jobs: pd.DataFrame) -> Column:
    """For each job that was queued the one of its VM that ran meanwhile, the last begun where there are several."""
    vm, job = numbers_of(jobs["vm"]), jobs["job"].to_numpy()
    queued, scheduled, started, completed = (
        instants(jobs[name]) for name in ("queued", "scheduled", "started", "completed")
    )
    waits = np.flatnonzero((vm >= 0) & (queued != NEVER))
    runs = np.flatnonzero((vm >= 0) & (started != NEVER))
    runs = runs[np.argsort(vm[runs], kind="stable")]
    begin, end = (np.searchsorted(vm[runs], vm[waits], side) for side in ("left", "right"))
    of, number = spread(end - begin)
    row, other = waits[of], runs[begin[of] + number]
    over = (completed[other] != NEVER) & (completed[other] <= queued[row])
    ahead = np.flatnonzero((job[row] != job[other]) & (started[other] < scheduled[row]) & ~over)
    ahead = ahead[np.argsort(started[other[ahead]], kind="stable")]
    made = np.full(len(jobs), -1)
    made[row[ahead]] = job[other[ahead]]  # the last one stays
    return pd.arrays.IntegerArray(made, made < 0)


def names_of(rule: str, meanings: Mapping[str, Meaning]) -> set[str | None]:
    """The names of a message rule: its own, what it means, its `Class.method`."""
    meaning = meanings.get(rule)
    return {rule} if meaning is None else {rule, meaning.means, meaning.where}


def named(rule: str, meanings: Mapping[str, Meaning], words: Collection[str | None]) -> bool:
    """Whether one of `words` is a name of the message rule `rule`."""
    return not names_of(rule, meanings).isdisjoint(words)
