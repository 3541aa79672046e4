"""Tables and events in a container: what was put there comes back with the same dtypes, or is not put there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tracekit.container import Piece, Reader, Writer
from tracekit.frames import numbered, numbered_objects, objects, text_column
from tracekit.resources import grammars

if TYPE_CHECKING:
    from tracekit.parse.events import Events

Column = tuple[str, str, tuple[Any, ...]]  # name, dtype, and pieces with what it takes to read them
Rule = tuple[str, tuple[str, ...], tuple[Piece, ...]]  # name, columns of its fields, arrays of its events

PLAIN = ("int32", "int64", "bool", "float64", "datetime64[us]", "timedelta64[us]")
PLAIN_KINDS = {str, int, float, bool, type(None), dict, list, tuple}


class UnkeptError(Exception):
    """A value that would not come back as it was."""


def stored_table(table: pd.DataFrame, writer: Writer) -> list[Column]:
    """Write a table; gives its columns in the directory. Raises UnkeptError."""
    if not isinstance(table.index, pd.RangeIndex) or table.index.start or table.index.step != 1:
        raise UnkeptError("index")
    return [(str(name), str(column.dtype), stored_column(column, writer)) for name, column in table.items()]


def stored_column(column: pd.Series[Any], writer: Writer) -> tuple[Any, ...]:
    """Write a column: arrays as they are, of texts and objects the different ones and their numbers."""
    dtype = str(column.dtype)
    if dtype in PLAIN:
        return (writer.array(column.to_numpy()),)
    if dtype == "Int64":
        return (
            writer.array(column.to_numpy(dtype=np.int64, na_value=0)),
            writer.array(column.isna().to_numpy()),
        )
    if dtype == "str":
        texts, codes = numbered(column)
        return writer.array(codes.astype(np.int32)), writer.value(plain(objects(texts).tolist()))
    if dtype == "category" and not column.cat.ordered:
        numbers, names = column.cat.codes.to_numpy(), column.cat.categories
        return writer.array(numbers), numbers.dtype.str, writer.value(plain(names.to_list())), str(names.dtype)
    if dtype == "object":
        # Most cells are of few objects: the attributes of calls, which have none, are one.
        different, codes = numbered_objects(column)
        return writer.array(codes.astype(np.int32)), writer.value(plain(different))
    raise UnkeptError(dtype)


def table_of(columns: list[Column], reader: Reader) -> pd.DataFrame:
    """The table that `stored_table` was given. Raises DamagedError."""
    return pd.DataFrame({name: column_of(dtype, parts, reader) for name, dtype, parts in columns}, copy=False)


def column_of(dtype: str, parts: tuple[Any, ...], reader: Reader) -> Any:
    """The column that `stored_column` was given."""
    if dtype in PLAIN:
        return reader.array(parts[0], dtype)
    if dtype == "Int64":
        return pd.arrays.IntegerArray(reader.array(parts[0], np.int64), reader.array(parts[1], np.bool_))
    if dtype == "str":
        return text_column(reader.value(parts[1]), reader.array(parts[0], np.int32))
    if dtype == "category":
        numbers, number, names, kind = parts
        known = pd.CategoricalDtype(pd.Index(reader.value(names), dtype=kind))
        return pd.Categorical.from_codes(reader.array(numbers, number), dtype=known, validate=False)
    different = pd.Series(reader.value(parts[1]), dtype="object").to_numpy()
    return different.take(reader.array(parts[0], np.int32))


def stored_events(events: Events, writer: Writer) -> tuple[Piece, list[Rule]]:
    """Write events; gives the places of the records and the rules in the directory."""
    rules = [(rule, events.fields(rule), tuple(writer.array(part) for part in events.rows(rule))) for rule in events]
    return writer.array(events.places), rules


def events_of(stored: tuple[Piece, Sequence[Rule]], texts: Sequence[Any], reader: Reader) -> Events:
    """The events that `stored_events` was given, in the same `texts`. Raises DamagedError."""
    from tracekit.parse.events import Events, Rows
    from tracekit.parse.grammar import load_messages

    places, rules = stored
    made = Events(load_messages(grammars()), places=reader.array(places, np.int64))
    for data in texts:
        made.texts.add(data)
    for rule, names, (records, spans) in rules:
        numbers = reader.array(records, np.int32)
        fields = reader.array(spans, np.int32).reshape(len(numbers), 2 * len(names))
        made.add(rule, names, Rows(numbers, fields))
    return made


def plain(value: Any) -> Any:
    """The value itself, when it is made of nothing but what marshal gives back as it was. Raises UnkeptError."""
    parts = [value]
    while parts:
        strange = set(map(type, parts)) - PLAIN_KINDS
        if strange:
            raise UnkeptError(str(strange))
        tables = [part for part in parts if type(part) is dict]
        lists = (part for part in parts if type(part) in (list, tuple))
        parts = [
            *chain.from_iterable(lists),
            *chain.from_iterable(tables),
            *chain.from_iterable(map(dict.values, tables)),
        ]
    return value


def stamp(time: Any) -> int | None:
    """Microseconds since the epoch, None for no time."""
    return None if pd.isna(time) else int(time.to_datetime64().astype("datetime64[us]").astype(np.int64))


def moment(micros: int | None) -> Any:
    """The time that `stamp` was given."""
    return pd.NaT if micros is None else pd.Timestamp(np.datetime64(micros, "us"))


def libraries() -> list[str]:
    """What made tables whose columns are kept as they are."""
    return [np.__version__, pd.__version__]
