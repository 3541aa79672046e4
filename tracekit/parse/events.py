"""Recognised records as places in their sources: text is cut out of a source when a table asks for it, each text once.

Per rule two arrays: the record, and where in the record each field stands. Where records stand is told once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.parse.coded import ABSENT, Coded, coded, concatenated
from tracekit.parse.grammar import Messages

if TYPE_CHECKING:  # who scans needs no tables
    import pandas as pd

    from tracekit.frames import Small

Places = npt.NDArray[np.int64]
LONGEST = int(np.iinfo(np.int32).max)  # bytes of a record whose fields can be told


class Rows(NamedTuple):
    """Events of one rule."""

    records: Small
    spans: Small  # first and last + 1 byte of each field, counted from the record's; -1 where the field is absent

    def at(self, chosen: npt.NDArray[Any] | slice) -> Rows:
        """The events of these rows."""
        return Rows(self.records[chosen], self.spans[chosen])


@dataclass
class Texts:
    """Sources one behind the other: a place in this row of bytes says source and offset in one number."""

    data: list[Any] = field(default_factory=list)
    bases: list[int] = field(default_factory=list)  # place of each source's first byte
    size: int = 0
    cutter: Callable[[Any, Places, Places], Coded] = field(default_factory=lambda: sliced)  # or a compiled one

    def add(self, data: Any) -> int:
        """The place of the first byte of `data`, which is taken in unless it was."""
        for known, base in zip(self.data, self.bases, strict=True):
            if known is data:
                return base
        self.data.append(data)
        self.bases.append(self.size)
        self.size += len(data)
        return self.bases[-1]

    def cut(self, starts: Places, ends: Places) -> Coded:
        """The texts between places; none where the start is -1."""
        codes = np.full(len(starts), ABSENT, dtype=np.int32)
        known = np.flatnonzero(starts >= 0)
        starts, ends = starts[known], ends[known]
        made = self.cutter(self.data[0], starts, ends) if len(self.data) == 1 else self._cut_of_several(starts, ends)
        codes[known] = made.codes
        return Coded(made.values, codes)

    def _cut_of_several(self, starts: Places, ends: Places) -> Coded:
        source = np.searchsorted(self.bases, starts, side="right") - 1
        parts, rows = [], []
        for number in np.flatnonzero(np.bincount(source)).tolist():
            at = np.flatnonzero(source == number)
            rows.append(at)
            base = self.bases[number]
            parts.append(self.cutter(self.data[number], starts[at] - base, ends[at] - base))
        back = np.argsort(np.concatenate(rows), kind="stable") if rows else np.empty(0, dtype=np.int64)
        return concatenated(parts).take(back)


def sliced(data: Any, starts: Places, ends: Places) -> Coded:
    """The texts data[start:end] as a column."""
    return coded([data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])


@dataclass(eq=False)
class Events:
    """Events of all rules, over all sources."""

    messages: Messages
    texts: Texts = field(default_factory=Texts)
    places: Places = field(default_factory=lambda: np.empty(0, np.int64))  # first byte of each record, as Texts has it
    _fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _rows: dict[str, list[Rows]] = field(default_factory=dict)

    def add(self, rule: str, fields: tuple[str, ...], rows: Rows) -> None:
        """Events of `rule`, whose fields fill the columns `fields`."""
        self._fields[rule] = fields
        self._rows.setdefault(rule, []).append(rows)

    def __iter__(self) -> Iterator[str]:
        """Names of the rules that read a record."""
        return iter(self._rows)

    def fields(self, rule: str) -> tuple[str, ...]:
        """The column of each field of `rule`; a column may have several fields."""
        return self._fields[rule]

    def rows(self, rule: str) -> Rows:
        """Events of `rule` in the order of the records. KeyError where it read none."""
        parts = self._rows[rule]
        if len(parts) > 1:
            whole = Rows(*map(np.concatenate, zip(*parts, strict=True)))
            if (np.diff(whole.records) < 0).any():
                whole = whole.at(np.argsort(whole.records, kind="stable"))
            self._rows[rule] = parts = [whole]
        return parts[0]

    def moved(self, move: Callable[[list[npt.NDArray[Any]]], Sequence[npt.NDArray[Any]]]) -> None:
        """Take for all arrays those of the same numbers that `move` gives."""
        rows = {rule: self.rows(rule) for rule in self}
        self.places, *arrays = move([self.places, *(array for own in rows.values() for array in own)])
        for rule, records, spans in zip(rows, arrays[::2], arrays[1::2], strict=True):
            self._rows[rule] = [Rows(records, spans)]

    def renumbered(self, numbers: Places) -> Events:
        """Events with the records' new numbers, `numbers[old]`; those of records whose number is -1 are left out."""
        stay = numbers >= 0
        places = np.empty(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
        places[numbers[stay]] = self.places[stay]
        made = Events(self.messages, self.texts, places)
        for rule in self:
            rows = self.rows(rule)
            new = numbers[rows.records].astype(np.int32)
            order = np.argsort(new, kind="stable")
            order = order[new[order] >= 0]
            if len(order):
                made.add(rule, self._fields[rule], rows.at(order)._replace(records=new[order]))
        return made

    def between(self, first: int, end: int) -> Events:
        """The events of the records from `first` on, before `end`."""
        made, edges = Events(self.messages, self.texts, self.places), np.array([first, end], dtype=np.int32)
        for rule in self:
            rows = self.rows(rule)
            begin, last = np.searchsorted(rows.records, edges).tolist()
            if begin < last:
                made.add(rule, self._fields[rule], rows.at(slice(begin, last)))
        return made

    def packed(self) -> list[tuple[str, tuple[str, ...], bytes, bytes]]:
        """Rule, columns of its fields and arrays of all events, as marshal keeps them."""
        rows = {rule: self.rows(rule) for rule in self}
        return [(rule, self._fields[rule], own.records.tobytes(), own.spans.tobytes()) for rule, own in rows.items()]

    def unpack(self, packed: Sequence[Any], first: int = 0) -> None:
        """Add what :meth:`packed` gave, records numbered from `first`."""
        for rule, fields, *arrays in packed:
            records, spans = (np.frombuffer(part, dtype=np.int32) for part in arrays)
            self.add(rule, tuple(fields), Rows(records + np.int32(first), spans.reshape(len(records), 2 * len(fields))))

    def absorb(self, part: Events, first: int) -> None:
        """Take over the events of a part of a source, records numbered from `first`."""
        for rule in part:
            rows = part.rows(rule)
            rows.records[:] += first
            self.add(rule, part.fields(rule), rows)
        part._rows.clear()

    def equals(self, other: Events) -> bool:
        """Whether two readings of the same sources have the same events in the same places."""
        same = np.array_equal(self.places, other.places)
        return same and {row[0]: row for row in self.packed()} == {row[0]: row for row in other.packed()}

    def meaning(self, *words: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Events of all rules that mean one of `words`: `record`, `means` and `columns`, all without."""
        cut = self.meant(*words)
        return cut.frame(cut.said(columns))

    def meant(self, *words: str) -> Cutter:
        """What cuts the columns of :meth:`meaning`; its `records` are those of the events."""
        return self.cutter([rule for rule in self if self.messages.meanings[rule].means in words])

    def table(self, rules: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Events of `rules` (all without), in the order of their records: `record` (int64), `name` (str), and every
        column of `columns.toml`, or those of `columns`, of the dtype it has there; null where absent.
        """
        cut = self.cutter(self if rules is None else rules)
        return cut.frame({"record": cut.records, "name": cut.names(), **cut.columns(columns)})

    def cutter(self, rules: Iterable[str]) -> Cutter:
        """What cuts the columns of :meth:`table` out of the sources, one by one."""
        chosen = [rule for rule in rules if rule in self._rows]
        numbers = [self.rows(rule).records for rule in chosen]
        records = np.concatenate([np.empty(0, np.int64), *numbers])  # int64, as they are asked for
        order = np.argsort(records, kind="stable")
        names = np.repeat(np.arange(len(chosen)), [len(part) for part in numbers])[order]
        return Cutter(self, chosen, records[order], order, names)


class Cutter(NamedTuple):
    """Events of some rules in the order of their records."""

    events: Events
    rules: Sequence[str]
    records: Places
    order: Places  # of each its place when they stand rule by rule
    numbers: Places  # of each the number of its rule

    def filled(self) -> set[str]:
        """Columns that one of the rules fills."""
        return {column for rule in self.rules for column in self.events.fields(rule)}

    def names(self, chosen: Any = slice(None)) -> Any:
        """The rules of the events at some positions."""
        from tracekit.frames import text_column

        return text_column(self.rules, self.numbers[chosen])

    def means(self) -> Any:
        """What each event means."""
        from tracekit.frames import text_column

        return text_column([self.events.messages.meanings[rule].means for rule in self.rules], self.numbers)

    def column(self, name: str, chosen: Any = slice(None)) -> Any:
        """A column of the events at some positions; of a rule's several fields for it the last."""
        import pandas as pd

        events, dtype = self.events, self.events.messages.columns[name]
        starts, ends = self._spans(name)[self.order[chosen]].T
        if dtype == "offset":
            return pd.arrays.IntegerArray(np.maximum(starts, 0), starts < 0)
        base = events.places[self.records[chosen]]
        texts = events.texts.cut(np.where(starts < 0, -1, starts + base), ends + base)
        return texts.texts() if dtype == "str" else texts.numbers()

    def said(self, columns: Iterable[str] | None) -> dict[str, Any]:
        """Columns of :meth:`Events.meaning`."""
        return {"record": self.records, **self.columns(columns), "means": self.means()}

    def known(self, name: str) -> npt.NDArray[np.bool_]:
        """Which events have anything in a column."""
        known: npt.NDArray[np.bool_] = self._spans(name)[self.order, 0] >= 0
        return known

    def _spans(self, name: str) -> Places:
        """Where in its record a column of each event begins and ends, rule by rule; -1 where it is absent."""
        made = np.full((len(self.order), 2), -1, dtype=np.int64)
        at = 0
        for rule in self.rules:
            spans, first = self.events.rows(rule).spans, at
            at += len(spans)
            numbers = [2 * number for number, column in enumerate(self.events.fields(rule)) if column == name]
            if numbers:
                made[first:at] = spans[:, numbers[0] : numbers[0] + 2]
            for number in numbers[1:]:
                own = spans[:, number : number + 2]
                np.copyto(made[first:at], own, where=own[:, :1] >= 0)
        return made

    def columns(self, names: Iterable[str] | None) -> dict[str, Any]:
        """Some columns, or all that there are; null where no rule fills one."""
        dtypes = self.events.messages.columns
        filled, nulls, made = self.filled(), dict[str, Any](), dict[str, Any]()
        for name in dtypes if names is None else names:
            if name in filled:
                made[name] = self.column(name)
                continue
            # Most columns are in no rule of one meaning: one null column of each dtype serves them all.
            dtype = dtypes[name]
            if dtype not in nulls:
                nulls[dtype] = self._null(dtype)
            made[name] = nulls[dtype]
        return made

    def _null(self, dtype: str) -> Any:
        import pandas as pd

        absent = Coded.absent(len(self.records))
        # A series, so that who changes one column of a table changes no other.
        return pd.Series(absent.texts() if dtype == "str" else absent.numbers())

    def frame(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """A table of such columns."""
        import pandas as pd

        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.records)), copy=False)
