"""Columns of texts kept small: the different texts once, and for each row the number of its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # who scans needs no tables
    import pandas as pd

Codes = npt.NDArray[np.int32]
ABSENT = -1


@dataclass(frozen=True)
class Coded:
    """One column: `values` without repetition, `codes` (int32) one a row, -1 where the row has no value."""

    values: Sequence[bytes]
    codes: Codes

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def absent(cls, length: int) -> Coded:
        """A column without a value."""
        return cls((), np.full(length, ABSENT, dtype=np.int32))

    def take(self, rows: npt.NDArray[np.int64]) -> Coded:
        """The column of these rows."""
        return Coded(self.values, self.codes[rows])

    def used(self) -> Coded:
        """The column without values that no row has."""
        taken = np.zeros(len(self.values) + 1, dtype=np.bool_)
        taken[self.codes] = True  # ABSENT is the last
        numbers = np.append(np.cumsum(taken[:-1]) - 1, ABSENT).astype(np.int32)
        return Coded([self.values[code] for code in np.flatnonzero(taken[:-1]).tolist()], numbers[self.codes])

    def list(self) -> list[bytes | None]:
        """The value of each row."""
        values = [*self.values, None]  # ABSENT is the last
        return [values[code] for code in self.codes.tolist()]

    def category(self) -> pd.Categorical[Any]:
        """Decoded, as a category whose names are sorted; null where absent."""
        import pandas as pd

        texts = decoded(self.values)
        order = sorted(range(len(texts)), key=texts.__getitem__)
        names = [texts[number] for number in order]
        numbers = np.empty(len(texts) + 1, dtype=np.int32)
        numbers[order], numbers[ABSENT] = np.arange(len(texts)), ABSENT
        if len(set(names)) < len(names):  # bytes that are no UTF-8 are all the same when they are read
            names = sorted(set(names))
            places = {name: number for number, name in enumerate(names)}
            numbers[:-1] = [places[text] for text in texts]
        return pd.Categorical.from_codes(numbers[self.codes], pd.Index(names, dtype="str"))

    def texts(self) -> Any:
        """Decoded, as an array of dtype str; null where absent."""
        from tracekit.frames import text_column

        return text_column(decoded(self.values), self.codes)

    def numbers(self) -> Any:
        """Read as decimal numbers, as an array of dtype Int64; null where absent."""
        import pandas as pd

        values = np.array([*map(int, self.values), 0], dtype=np.int64)
        return pd.arrays.IntegerArray(values[self.codes], self.codes == ABSENT)


class Coder(defaultdict[bytes | None, int]):
    """Numbers texts in the order in which they come."""

    def __init__(self) -> None:
        super().__init__(count().__next__, {None: ABSENT})

    def codes(self, values: Sequence[bytes | None]) -> Codes:
        """The number of each of `values`."""
        return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=len(values))

    def values_of(self) -> list[bytes]:
        """The different texts, by number."""
        return [value for value in self if value is not None]


def coded(values: Sequence[bytes | None]) -> Coded:
    """A column of these values."""
    coder = Coder()
    codes = coder.codes(values)
    return Coded(coder.values_of(), codes)


def concatenated(parts: Sequence[Coded]) -> Coded:
    """Columns under one another."""
    if len(parts) == 1:
        return parts[0]
    if parts and all(part.values is parts[0].values for part in parts):
        return Coded(parts[0].values, np.concatenate([part.codes for part in parts]))
    coder = Coder()
    codes = [np.append(coder.codes(part.values), np.int32(ABSENT))[part.codes] for part in parts]
    return Coded(coder.values_of(), np.concatenate(codes) if codes else np.empty(0, np.int32))


def decoded(values: Iterable[bytes]) -> list[str]:
    """Texts of bytes, whatever is no UTF-8 replaced."""
    each = list(values)
    made = b"\n".join(each).decode("utf-8", "replace").split("\n")  # no character takes a newline in
    return made if len(made) == len(each) else [value.decode("utf-8", "replace") for value in each]
