"""Rows of which a column is made when somebody asks for it.

Tables have dozens of columns and up to millions of rows; a rule looks at few of each. What it looks at is made for the
rows that are left by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import MISSING, numbered, objects

Positions = npt.NDArray[Any]  # whole numbers
Column = Any  # values of one column: an array of numpy or pandas
Maker = Callable[[Any], Column]  # the values at some positions; a slice when all are wanted
EVERY = slice(None)


class Rows:
    """Rows of a table: their columns as makers, those that somebody asked for as arrays; nobody changes either."""

    def __init__(
        self, size: int, makers: Mapping[str, Maker], parent: Rows | None = None, positions: Any = EVERY
    ) -> None:
        self.size = size
        self.makers = makers
        self.parent = parent  # whose rows at `positions` these are; it has the columns without a maker
        self.positions = positions
        self._made: dict[str, Column] = {}
        self._objects: dict[str, npt.NDArray[Any]] = {}
        self._different: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
        self._by: dict[tuple[str, ...], dict[tuple[Any, ...], Positions]] = {}

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Mapping[str, str] | None = None) -> Rows:
        """The rows of a frame, with new names for some of its columns."""
        new, columns = names or {}, [str(name) for name in frame.columns]
        return cls(len(frame), {new.get(name, name): once(partial(column_of, frame, name)) for name in columns})

    def __len__(self) -> int:
        return self.size

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of the columns."""
        return frozenset(self.makers) | (self.parent.names if self.parent is not None else frozenset())

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Column:
        """A column as an array. KeyError where there is none."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self.at(name, EVERY)
        return made

    def at(self, name: str, chosen: Any) -> Column:
        """A column at some positions. KeyError where there is none."""
        if name in self._made:
            return self._made[name][chosen]
        if name in self.makers or self.parent is None:
            return self.makers[name](chosen)
        if self.positions is EVERY:
            return self.parent[name] if chosen is EVERY else self.parent.at(name, chosen)
        return self.parent.at(name, self.positions[chosen])

    def take(self, chosen: Positions) -> Rows:
        """The rows at some positions."""
        # Of 32 bits: they stay as long as somebody may ask for a column.
        return Rows(len(chosen), {}, self, chosen.astype(np.int32))

    def where(self, keep: npt.NDArray[np.bool_]) -> Rows:
        """The rows for which `keep` holds."""
        return self if keep.all() else self.take(np.flatnonzero(keep))

    def having(self, **columns: Maker) -> Rows:
        """The same rows with other columns beside or instead of their own."""
        return Rows(self.size, columns, self)

    def objects(self, name: str) -> npt.NDArray[Any]:
        """A column as objects, None where null: for who reads it row by row."""
        made = self._objects.get(name)
        if made is None:
            made = self._objects[name] = objects(self[name])
        return made

    def different(self, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The different values of a column of texts, None where null, and for each row the number of its own."""
        made = self._different.get(name)
        if made is None:
            made = self._different[name] = self._distinguished(name)
        return made

    def _distinguished(self, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The pair of :meth:`different`: the parent's where it has one."""
        if name not in self.makers and self.parent is not None and name in self.parent._different:
            names, codes = self.parent._different[name]
            return names, codes[self.positions]
        column = self[name]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            different, codes = numbered(pd.Series(column, copy=False))
            return objects(different), codes
        names, codes = np.append(np.array(column.categories, dtype=object), MISSING), column.codes
        if len(names) <= len(codes):
            return names, codes  # null is -1, the last of the names
        used, codes = np.unique(codes, return_inverse=True)
        return names[used], codes

    def keys(self, *names: str) -> list[tuple[Any, ...]]:
        """For each row its values of some columns; no rows have no columns that they lack."""
        if not names or not self.size:
            return [()] * self.size
        return list(zip(*map(self.objects, names), strict=True))

    def by(self, *names: str) -> dict[tuple[Any, ...], Positions]:
        """Positions of the rows that agree in some columns, by their values there, None where null."""
        made = self._by.get(names)
        if made is None:
            parts: dict[tuple[Any, ...], list[int]] = {}
            for at, key in enumerate(self.keys(*names)):
                parts.setdefault(key, []).append(at)
            made = self._by[names] = {key: np.array(part, dtype=np.int64) for key, part in parts.items()}
        return made


def column_of(frame: pd.DataFrame, name: str) -> Column:
    """The array of a column of a frame."""
    return values(frame[name])


def values(column: pd.Series[Any]) -> Column:
    """The array of a column: numpy's own where it is one of numbers or objects."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM" else column.array


def once(make: Callable[[], Column]) -> Maker:
    """The maker of a column that is made whole, when the first asks for it."""
    kept = cache(make)
    return lambda chosen: kept()[chosen]


def nothing(size: int) -> Maker:
    """The maker of a column without values."""
    return np.full(size, None, dtype=object).__getitem__
