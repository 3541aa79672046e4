"""Large data in files without a name instead of in memory: what the system can write away when it needs the room.

Nothing is left of such a file when the program ends, however it ends. Where none can be made, or the disk is full, the
data stays in memory.
"""

from __future__ import annotations

import mmap
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from tracekit.cache import cache_folder

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

LEAST = 1 << 25  # bytes for which a file is worth its while
LARGE = 1 << 16  # bytes of a single array
CELL = 9  # bytes of a number, at most, and of whether it is known
NUMBERS = "biufmM"  # kinds of numpy's dtypes that are plain numbers


def nameless() -> BinaryIO:
    """A file of this process alone. It lies with the caches: a folder for temporary files often is memory, too.

    Raises OSError.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError:
        return tempfile.TemporaryFile(buffering=0)


class Text:
    """A text that comes in pieces and is wanted whole."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0  # bytes of the pieces
        self._file: BinaryIO | None = None  # where all pieces before these are
        self._least = LEAST

    def add(self, piece: bytes) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._file is not None or self._size >= self._least:
            self._write()

    def whole(self) -> bytes | mmap.mmap:
        """All pieces, one behind the other. The text takes no more."""
        if self._file is None:
            return b"".join(self._pieces)
        with self._file as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _write(self) -> None:
        """Move the pieces to the file; where that fails all that is there back into memory, for good."""
        begin = 0
        try:
            if self._file is None:
                self._file = nameless()
            begin = self._file.tell()
            for piece in self._pieces:
                written(self._file, piece)
        except OSError:
            self._least = sys.maxsize
            if self._file is not None:
                with self._file as file:
                    file.seek(0)
                    self._pieces.insert(0, file.read(begin))
                self._file = None
        else:
            self._pieces.clear()
            self._size = 0


def written(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`, which the system may take in several parts. Raises OSError."""
    rest = memoryview(data)
    while len(rest):
        rest = rest[file.write(rest) :]


def arrays_aside(arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """The arrays, the large ones mapped from a file. What is written to them is the caller's own, in memory."""
    import numpy as np

    from tracekit.container import ALIGNED

    large = [np.ascontiguousarray(array) for array in arrays if array.nbytes >= LARGE]
    if sum(array.nbytes for array in large) < LEAST:
        return list(arrays)
    begins = []
    try:
        with nameless() as file:
            for array in large:
                written(file, bytes(-file.tell() % ALIGNED))
                begins.append(file.tell())
                written(file, array.reshape(-1).view(np.uint8).data)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError:
        return list(arrays)
    mapped = (
        np.frombuffer(data, array.dtype, array.size, begin).reshape(array.shape)
        for array, begin in zip(large, begins, strict=True)
    )
    return [next(mapped) if array.nbytes >= LARGE else array for array in arrays]


def table_aside(table: pd.DataFrame, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """The table with its columns of numbers and categories, or those of `columns`, laid aside."""
    import pandas as pd

    wanted = set(table.columns if columns is None else columns)
    if len(table) * len(wanted) * CELL < LEAST:
        return table
    parts = {str(name): parts_of(column) for name, column in table.items() if name in wanted}
    laid = iter(arrays_aside([array for own in parts.values() for array in own]))
    made = {
        name: column_of(column, [next(laid) for _ in own]) if (own := parts.get(str(name))) else column
        for name, column in table.items()
    }
    return pd.DataFrame(made, index=table.index, copy=False)


def parts_of(column: pd.Series[Any]) -> tuple[npt.NDArray[Any], ...]:
    """The arrays that a column is made of; none for a column of objects."""
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return (column.array.codes,)
    if str(dtype) == "Int64":
        return column.to_numpy(dtype="int64", na_value=0), column.isna().to_numpy()
    return (column.to_numpy(),) if dtype.kind in NUMBERS else ()


def column_of(column: pd.Series[Any], parts: Sequence[npt.NDArray[Any]]) -> Any:
    """What takes the place of a column, of other arrays with the same numbers."""
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(parts[0], dtype=dtype, validate=False)
    return pd.arrays.IntegerArray(parts[0], parts[1]) if str(dtype) == "Int64" else parts[0]
