"""The tables that rules choose rows from.

Every one has the columns operation, start, end (datetime64[us]), first, last (records, Int64) and span (Int64), and
those of the table of schema.py that it is made of. What does not belong to an operation has a null operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.diagnose.checks import CHECKS
from tracekit.diagnose.clock import Clock, silences
from tracekit.diagnose.haystack import Haystack
from tracekit.diagnose.rules import Select
from tracekit.frames import look_up
from tracekit.parse.events import Events
from tracekit.parse.grammar import Meaning
from tracekit.read.files import Sources

RARE = 200  # records of one message rule that are worth a look at their text
LOUD = ("WARN", "ERROR", "FATAL")
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
    kept: dict[Select, pd.DataFrame] = field(default_factory=dict)  # what selects gave

    def rows(self, select: Select) -> pd.DataFrame:
        """Rows of the select's table, before its conditions and with the table's own bounds."""
        if select.table == "events":
            return self.reaching(self.saying(select), select.reach)
        if select.table == "pairs":
            return pairs(
                self.statements(select.begin),
                self.statements(select.end),
                select.same,
                self.ends if select.open else None,
            )
        made: pd.DataFrame = (
            getattr(self, f"view_{select.table}") if select.table in VIEWS else CHECKS[select.table](self)
        )
        return made

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
        last = self.records.groupby("operation")["ts"].max()
        made = self.operations.set_index("operation")["completed"]
        return made.fillna(last.reindex(made.index))

    @cached_property
    def view_intervals(self) -> pd.DataFrame:
        """The ledger, with the rules of the two statements around each interval as `after` and `before`.

        `gap` says whether these are consecutive lines of one thread's work, `phase` is sync or async.
        """
        event = self.records["event"].astype("object")
        made = self.ledger.rename(columns={"first_record": "first", "last_record": "last"})
        for name, column in (("after", "first"), ("before", "last")):
            known = made[column].notna()
            made[name] = None
            made.loc[known, name] = event.to_numpy()[made.loc[known, column].astype("int64")]
        operations = self.operations.set_index("operation")
        made["api"] = operations["command"].reindex(made["operation"]).to_numpy()
        made["gap"] = self.neighbours(made["first"], made["last"])
        returned = operations["returned"].reindex(made["operation"]).to_numpy()
        made["phase"] = np.where(made["end"].to_numpy() <= returned, "sync", "async")
        return made

    @cached_property
    def following(self) -> npt.NDArray[np.int64]:
        """For each record the next of the same run, -1 for the last; one more -1 at the end."""
        run = self.records["run"].to_numpy(dtype="float64", na_value=-1.0)
        order = np.argsort(run, kind="stable")
        made = np.full(len(run) + 1, -1)
        same = run[order[1:]] == run[order[:-1]]
        made[order[:-1][same]] = order[1:][same]
        return made

    def neighbours(self, first: pd.Series[Any], last: pd.Series[Any]) -> npt.NDArray[np.bool_]:
        """Whether two records are consecutive lines of one run."""
        a, b = (column.fillna(-1).to_numpy(dtype=np.int64) for column in (first, last))
        return np.asarray((a >= 0) & (self.following[a] == b))

    def reaching(self, rows: pd.DataFrame, reach: str | None) -> pd.DataFrame:
        """Statements with the stretch from the line before of their run, or to the line behind."""
        if reach is None or rows.empty:
            return rows
        step = self.following
        if reach == "before":
            step = np.full(len(self.following), -1)
            known = np.flatnonzero(self.following >= 0)
            step[self.following[known]] = known
        other = step[rows["record"].to_numpy()]
        kept, other = rows[other >= 0], other[other >= 0]
        time, line = ("start", "first") if reach == "before" else ("end", "last")
        made: pd.DataFrame = kept.assign(**{time: self.records["ts"].array.take(other), line: other})
        return made

    @cached_property
    def view_commands(self) -> pd.DataFrame:
        """Agent commands, from sending to the answer."""
        made = self.commands.copy()
        at = made["span"].astype("Int64")
        for name, column in (("first", "first_record"), ("last", "last_record"), ("end", "end")):
            made[name] = self.spans[column].reindex(at.fillna(-1).astype("int64")).array
        made["start"] = made["sent"].fillna(made["scheduled"])
        made["end"] = made["received"].fillna(made["end"])
        made["api"] = self.operations.set_index("operation")["command"].reindex(made["operation"]).to_numpy()
        return made

    @cached_property
    def view_jobs(self) -> pd.DataFrame:
        """Jobs, from their submission to their end; `behind` is the job of the VM that ran while one was queued."""
        rows = self.jobs.assign(
            start=self.jobs["submitted"], end=self.jobs["completed"], first=None, last=None, span=None
        )
        waits = rows.loc[rows["vm"].notna() & rows["queued"].notna(), ["job", "vm", "queued", "scheduled"]]
        both = waits.reset_index(names="row").merge(
            rows.loc[rows["started"].notna(), ["vm", "job", "started", "completed"]], on="vm", suffixes=("", "_ahead")
        )
        ahead = both[
            (both["job"] != both["job_ahead"])
            & (both["started"] < both["scheduled"])
            & (both["completed"].isna() | (both["completed"] > both["queued"]))
        ]
        last = ahead.sort_values("started").drop_duplicates("row", keep="last").set_index("row")["job_ahead"]
        return rows.assign(behind=last.reindex(rows.index).astype("Int64"))

    @cached_property
    def view_operations(self) -> pd.DataFrame:
        """Operations, whole."""
        rows = self.operations
        return rows.assign(start=rows["submitted"], end=rows["completed"], first=None, last=None, span=rows["request"])

    @cached_property
    def view_spans(self) -> pd.DataFrame:
        """Spans of every kind."""
        return self.spans.rename(columns={"first_record": "first", "last_record": "last"})

    @cached_property
    def view_silences(self) -> pd.DataFrame:
        """The whole server's silences, once for each operation that was under way."""
        open_ = pd.DataFrame({"operation": self.operations["operation"], "begun": self.operations["submitted"]})
        open_["over"] = self.ends.reindex(open_["operation"]).to_numpy()
        both = open_.merge(self.still, how="cross")
        both = both[(both["begun"] < both["end"]) & (both["over"] > both["start"])]
        start = both[["start", "begun"]].max(axis=1)
        return both.assign(start=start, end=both[["end", "over"]].min(axis=1), span=None)

    def saying(self, select: Select) -> pd.DataFrame:
        """Rows of the table `events`: by statement, by text, or by both."""
        if not select.text:
            return self.statements(select.begin)
        wanted = [text.encode() for text in select.text]
        if select.begin:
            rows = self.statements(select.begin)
            texts = self.texts(rows["record"].to_numpy(dtype=np.int64))
            return rows[np.array([any(text in said for text in wanted) for said in texts], dtype=bool)]
        return self.said(self.unread.holding(wanted))

    def texts(self, records: npt.NDArray[np.int64]) -> list[bytes]:
        """The bytes of some records; empty where the text is not at hand."""
        if self.sources is None:
            return [b""] * len(records)
        places = (self.records[name].array.take(records).tolist() for name in ("source", "offset", "length"))
        return [self.sources[path].slice(offset, length) for path, offset, length in zip(*places, strict=True)]

    @cached_property
    def unread(self) -> Haystack:
        """The text of records that no message rule reads or that are few of their kind, that warn, or carry a trace."""
        event = self.records["event"]
        rare = event.isin([name for name, times in event.value_counts().items() if times <= RARE])
        loud = event.isna() | rare | self.records["level"].isin(LOUD) | (self.records["lines"] > 1)
        return Haystack.of(at := np.flatnonzero(loud.to_numpy()), self.texts(at))

    def said(self, at: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Records as rows of the table `events`, without the columns of a message rule."""
        said = {name: self.records[name].array.take(at) for name in SAID}
        return pd.DataFrame({"record": at, **said, "start": said["ts"], "end": said["ts"], "first": at, "last": at})

    @cached_property
    def rules_by_name(self) -> Mapping[str | None, list[str]]:
        """The rules that read a record, by each of their names."""
        made: dict[str | None, list[str]] = {}
        for rule in self.events:
            for name in names_of(rule, self.meanings):
                made.setdefault(name, []).append(rule)
        return made

    def statements(self, words: Collection[str | None]) -> pd.DataFrame:
        """Events that one of `words` names: a rule of the message grammars, what it means, or its `Class.method`."""
        mine = set(chain.from_iterable(self.rules_by_name.get(word, ()) for word in words))
        rules = [rule for rule in self.events if rule in mine]
        if not rules:
            return NOTHING
        # Of the hundred columns that events may have these few fill a handful: every further one costs at every step.
        filled = self.asked.union(*map(self.events.fields, rules))
        made = self.events.table(rules, [name for name in self.events.messages.columns if name in filled])
        at = made["record"].to_numpy()
        said = {name: self.records[name].array.take(at) for name in SAID}
        made = made.assign(**said, start=said["ts"], end=said["ts"], first=at, last=at)
        if "JOB" not in made:
            return made
        # What another thread says of a job belongs to the job's operation, unless two jobs have that number.
        known = self.jobs.drop_duplicates("job", keep=False).set_index("job")["operation"]
        of_job = look_up(made["JOB"], known)
        return made.assign(operation=made["operation"].fillna(of_job))

    @cached_property
    def lines(self) -> Mapping[str, tuple[npt.NDArray[np.datetime64], npt.NDArray[np.int64]]]:
        """Times and records of each operation, in the order of time."""
        times = self.records["ts"].to_numpy()
        made = {}
        for name, numbers in self.records.groupby("operation").indices.items():
            at = np.asarray(numbers, dtype=np.int64)
            at = at[np.argsort(times[at], kind="stable")]
            made[str(name)] = (times[at], at)
        return made

    def around(self, operation: str | None, start: pd.Timestamp | None, end: pd.Timestamp | None) -> tuple[int, ...]:
        """Lines of an operation that bound a stretch of its time: the last before it and the first behind it."""
        times, at = self.lines.get(
            operation or "", (np.array([], dtype="datetime64[us]"), np.array([], dtype=np.int64))
        )
        if not len(at) or start is None or end is None:
            return ()
        before = max(int(np.searchsorted(times, start.to_datetime64(), "right")) - 1, 0)
        behind = min(int(np.searchsorted(times, end.to_datetime64())), len(at) - 1)
        return int(at[before]), int(at[behind])


NOTHING = pd.DataFrame({name: pd.Series(dtype="object") for name in ("record", *SAID, "start", "end", "first", "last")})
VIEWS = ("intervals", "commands", "jobs", "operations", "spans", "silences")


def names_of(rule: str, meanings: Mapping[str, Meaning]) -> set[str | None]:
    """The names of a message rule: its own, what it means, its `Class.method`."""
    meaning = meanings.get(rule)
    return {rule} if meaning is None else {rule, meaning.means, meaning.where}


def named(rule: str, meanings: Mapping[str, Meaning], words: Collection[str | None]) -> bool:
    """Whether one of `words` is a name of the message rule `rule`."""
    return not names_of(rule, meanings).isdisjoint(words)


def pairs(begins: pd.DataFrame, ends: pd.DataFrame, same: tuple[str, ...], over: pd.Series[Any] | None) -> pd.DataFrame:
    """Each of `begins` with the next of `ends` that agrees with it in the columns `same`.

    Where none follows, the pair ends with its operation (`over`), or is none without that; columns are those of the
    beginning.
    """
    if begins.empty or (ends.empty and over is None):
        return NOTHING
    marks = pd.concat([begins.assign(opens=1), ends.assign(opens=0)], ignore_index=True)
    marks = marks.sort_values(["record", "opens"], kind="stable")
    key = [marks[name].astype("object").where(marks[name].notna(), "") for name in same]
    for name, column in (("end", "ts"), ("last", "record")):
        closing = marks[column].where(marks["opens"] == 0)
        following = closing.groupby(key).shift(-1) if same else closing.shift(-1)
        marks[name] = following.groupby(key).bfill() if same else following.bfill()
    made = marks[marks["opens"] == 1]
    if over is not None:
        end = pd.Series(over.reindex(made["operation"]).to_numpy(), index=made.index)
        made = made.assign(end=made["end"].fillna(end))
    return made.assign(last=made["last"].astype("Int64"))[made["end"].notna()]
