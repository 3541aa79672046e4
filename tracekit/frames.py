"""Small work on frames that several steps need."""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import count, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.int64]
Fractions = npt.NDArray[np.float64]
Small = npt.NDArray[np.int32]
EPOCH = datetime(1970, 1, 1)
LARGE = 1 << 40  # of a span of numbers
LARGEST = 1 << 62
MISSING: Any = None  # a cell without a value, for functions of which a type checker takes None for no argument
NEVER = int(np.iinfo(np.int64).min)  # the microsecond of an unknown time
TEXTS = pd.StringDtype(na_value=np.nan)  # "str", which pandas need not look up then


def look_up(keys: pd.Series[Any], table: pd.Series[Any]) -> pd.Series[Any]:
    """The value of `table` (unique index) at each key, null where there is none; dtype and null kind of `table`.

    Unlike ``keys.map(table)`` it keeps the dtype when nothing is found or the table is empty.
    """
    known = table.index
    if keys.dtype == known.dtype:
        at = known.get_indexer(pd.Index(keys))
    elif keys.dtype.kind == "i" and known.dtype.kind == "i":
        wanted = keys.array
        at = known.astype("int64").get_indexer(pd.Index(wanted.to_numpy(dtype=np.int64, na_value=0)))
        at[wanted.isna()] = -1
    else:
        at = known.astype("object").get_indexer(pd.Index(keys.astype("object")))
    return pd.Series(taken(table, at), keys.index, name=table.name, copy=False)


def taken(column: pd.Series[Any], rows: Numbers) -> Any:
    """An array of what some rows of a column say, null where -1."""
    plain = isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM"
    values: Any = column.to_numpy() if plain else column.array
    return pd.api.extensions.take(values, rows, allow_fill=True)


def text_column(names: Iterable[str | None], codes: npt.NDArray[Any]) -> Any:
    """An array of dtype str of which every different text is there once: names by their numbers, null where -1."""
    return pd.array([*names, None], dtype=TEXTS).take(codes)


def numbered(texts: pd.Series[Any]) -> tuple[pd.Series[Any], Numbers]:
    """The different texts of a column, null among them, and for each row the number of its own.

    What ``factorize`` does, in half the time.
    """
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(numbers.__getitem__, texts.to_numpy(dtype=object)), np.int64, len(texts))
    return pd.Series(list(numbers), dtype=texts.dtype), codes


def numbered_objects(column: pd.Series[Any]) -> tuple[list[Any], Numbers]:
    """The different objects of a column, and for each row the number of its own. Equal ones may be several."""
    cells = column.to_list()
    codes, _ = pd.factorize(np.fromiter(map(id, cells), np.int64, len(cells)))
    return [cells[at] for at in firsts(codes).tolist()], codes


def places(texts: Any, names: Iterable[str]) -> Numbers:
    """For each text of a column or array the place that it has among some names, -1 where it is none of them."""
    known, values = {name: place for place, name in enumerate(names)}, texts.to_numpy(dtype=object)
    begins, ends = stretches(values[1:] == values[:-1], len(values))  # the rows of an operation are looked up as one
    found = np.fromiter(map(known.get, values[begins], repeat(-1)), np.int64, len(begins))
    return np.repeat(found, ends - begins + 1)


def among(column: pd.Series[Any], names: Collection[str]) -> npt.NDArray[np.bool_]:
    """For each row of a categorical column whether it has one of `names`."""
    values: Any = column.array
    tells = np.array([*(name in names for name in values.categories.tolist()), False])  # the last one is null
    return np.asarray(tells[values.codes])


def used_only(column: pd.Categorical) -> pd.Categorical:
    """A categorical column without the names that no row has: what pandas does, without sorting the codes."""
    taken = np.zeros(len(column.categories) + 1, dtype=np.bool_)
    taken[column.codes] = True  # null is the last
    numbers = np.append(np.cumsum(taken[:-1]) - 1, -1).astype(np.int32)
    return pd.Categorical.from_codes(numbers[column.codes], column.categories[taken[:-1]])


def rows(table: pd.DataFrame, *, plain: bool = False) -> list[Any]:
    """Rows of a table as named tuples, `Index` first: what ``itertuples`` gives, several times as fast.

    With `plain` times are those of Python, None where one is unknown: they are made and subtracted ten times as fast.
    """
    row = row_type(("Index", *map(str, table.columns)))
    cells = plain_cells if plain else pd.Series.tolist
    return list(map(row, table.index, *(cells(column) for _, column in table.items())))


def plain_cells(column: pd.Series[Any]) -> list[Any]:
    """The cells of a column, times as Python has them."""
    if column.dtype.kind not in "mM":
        return column.tolist()
    return column.to_numpy().astype(f"{column.dtype.kind}8[us]").astype(object).tolist()


def figures(table: pd.DataFrame, names: Iterable[str], chosen: Numbers | None = None) -> pd.DataFrame:
    """Some columns of a table, of the rows at some positions, with times as microseconds, NEVER where one is unknown,
    and -1 for unknown numbers: rows of it are made in a tenth of the time.
    """
    index = table.index if chosen is None else table.index[chosen]
    made: dict[Any, Any] = {}
    for name in names:
        whole: Any = table[name].array
        column = whole if chosen is None else whole.take(chosen)
        if column.dtype.kind == "M":
            made[name] = instants(column)
        elif isinstance(column.dtype, pd.Int64Dtype):
            made[name] = numbers_of(column)
        else:
            # Of its own type: a frame would take objects for texts.
            made[name] = pd.Series(column, index, dtype=column.dtype, copy=False)
    return pd.DataFrame(made, index=index, copy=False)


def rows_by(table: pd.DataFrame, column: str) -> dict[Any, list[Any]]:
    """Rows of a table by the value of a column, in their order; those where it is null are left out."""
    made: dict[Any, list[Any]] = {}
    known = table[table[column].notna()]
    for key, row in zip(known[column], rows(known), strict=True):
        made.setdefault(key, []).append(row)
    return made


def by_source(records: pd.DataFrame, *columns: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Some columns of the records of each source that has any; those of the only source are not copied."""
    sources, table = records["source"].cat, records[[*columns]]
    codes = sources.codes.to_numpy()
    for number, path in enumerate(sources.categories):
        at = np.flatnonzero(codes == number)
        if len(at):
            yield str(path), table if len(at) == len(table) else table.take(at)


@cache
def row_type(names: tuple[str, ...]) -> Any:
    """The class of rows with these columns."""
    return namedtuple("Row", names, rename=True)


def micros(time: datetime) -> int:
    """Microseconds since the epoch of a naive time."""
    return int(np.datetime64(time, "us").astype(np.int64))


def moment(time: int) -> datetime:
    """The time that is so many microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=time)


def instants(column: Any) -> Numbers:
    """A column of times, or its array, as microseconds, NEVER where one is unknown. Not to be written to."""
    return np.asarray(column).astype("datetime64[us]", copy=False).view(np.int64)


def lengths(column: pd.Series[Any]) -> Fractions:
    """A column of durations as seconds, NaN where one is unknown."""
    return np.asarray(column.to_numpy() / np.timedelta64(1, "s"))


def numbers_of(column: Any) -> Numbers:
    """A column or array of numbers, -1 where one is unknown."""
    return np.asarray(column.to_numpy(dtype=np.int64, na_value=-1))


def objects(column: Any) -> npt.NDArray[Any]:
    """A column, or its array, as an array of Python's objects, None where it is null."""
    made = np.array(column, dtype=object)
    made[np.asarray(pd.isna(column))] = None
    return made


def joint(*columns: npt.NDArray[Any]) -> Numbers:
    """A number for each different row of these columns, in the order in which they come."""
    # Rows that are alike often follow one another, as the lines of a thread do: they are looked up as one.
    alike = np.ones(max(len(columns[0]) - 1, 0), dtype=np.bool_)
    for column in columns:
        alike &= column[1:] == column[:-1]
    begins, ends = stretches(alike, len(columns[0]))
    made, many = np.zeros(len(begins), dtype=np.int64), 1
    for column in columns:
        codes, least, own = ranged(column[begins])
        if many * own > LARGEST:
            made, many = dense(made)
            (codes, own), least = dense(codes), 0
        made *= own
        made += codes
        made -= least
        many *= own
    return np.repeat(dense(made)[0], ends - begins + 1)


def ranged(column: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], int, int]:
    """Whole numbers that tell a column's values apart, the least of them, and how many there may be from there on."""
    if column.dtype.kind == "i" and len(column):
        least = int(column.min())
        size = int(column.max()) - least + 1
        # A log may name any job: such numbers are told by their place among the others.
        if size <= LARGE:
            return column, least, size
    codes, many = dense(column)
    return codes, 0, many


def dense(column: npt.NDArray[Any]) -> tuple[Numbers, int]:
    """The number of each value, in the order in which they come, and how many there are."""
    codes, values = pd.factorize(column)
    # One more: an unknown value is -1, which is the last of them.
    return codes, len(values) + 1


def firsts(numbers: Numbers) -> Numbers:
    """Where each number comes first, of numbers that are given in the order in which they come, as by :func:`joint`."""
    return np.flatnonzero(np.diff(np.maximum.accumulate(numbers), prepend=-1))


def first_places(numbers: Numbers) -> Numbers:
    """Where each different number comes first; negative ones are none."""
    begins = np.flatnonzero((numbers >= 0) & (np.diff(numbers, prepend=-1) != 0))
    made: Numbers = begins[~pd.Index(numbers[begins]).duplicated()]
    return made


def distinct(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The different ones of many numbers, sorted: what ``unique`` gives, in a third of the time where most differ."""
    ordered = np.sort(numbers)
    made: npt.NDArray[Any] = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]]
    return made


def spread(many: Numbers) -> tuple[Numbers, Numbers]:
    """Of things that have so many parts each: for every part the thing, and the number of the part in it."""
    of = np.repeat(np.arange(len(many)), many)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many)


def stretches(goes_on: npt.NDArray[np.bool_], length: int) -> tuple[Numbers, Numbers]:
    """First and last of each stretch of `length` rows; `goes_on`: whether the second, the third and so on goes on."""
    begins = np.flatnonzero(np.concatenate([[True], ~goes_on])[:length])
    return begins, np.append(begins[1:], length)[: len(begins)] - 1


def quantiles(values: npt.ArrayLike, shares: Iterable[float]) -> list[float]:
    """What ``np.quantile`` gives, NaN for no values; of few in a tenth of the time."""
    ordered, made = np.sort(values), []
    for share in shares if len(ordered) else ():
        low, part = divmod((len(ordered) - 1) * share, 1)
        near = float(ordered[int(low)])
        far = float(ordered[min(int(low) + 1, len(ordered) - 1)])
        made.append(far - (far - near) * (1 - part) if part >= 0.5 else near + (far - near) * part)
    return made or [np.nan for _ in shares]


def median(values: npt.ArrayLike) -> float:
    """The value that half of them do not reach, NaN for no values."""
    return quantiles(values, [0.5])[0]
