"""A file of arrays and values, each with its checksum, and a directory of where they are: nothing damaged comes out.

The file begins with its own length and the digest of the directory, which are written last: of a file that is cut or
half written nothing is read. The arrays are mapped, not copied, and checked when they are asked for.
"""

from __future__ import annotations

import hashlib
import marshal
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

Piece = tuple[int, int, int]  # offset, length and checksum

MAGIC = b"tracekit pieces\n"
LENGTHS = struct.Struct("<16sQQ")  # MAGIC, where the directory begins, where it ends, which is the end of the file
DIGEST = hashlib.sha256().digest_size
HEAD = LENGTHS.size + DIGEST
ALIGNED = 64  # bytes, so that no number of an array lies across two lines of the processor's cache


class DamagedError(Exception):
    """What stands in a file is not what was written."""


class Writer:
    """Writes one container. Use as a context; it is whole once `finish` was called."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("wb")
        self._stream.write(bytes(HEAD))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def array(self, values: npt.NDArray[Any]) -> Piece:
        """Write an array; its dtype and shape are for the caller to remember."""
        return self._add(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

    def value(self, value: Any) -> Piece:
        """Write a value of which marshal gives back what it was given."""
        return self._add(memoryview(marshal.dumps(value)))

    def finish(self, directory: Any) -> None:
        """Write the directory, of which marshal gives back what it was given, and then the head."""
        whole = marshal.dumps(directory)
        begin = self._stream.tell()
        self._stream.write(whole)
        lengths = LENGTHS.pack(MAGIC, begin, begin + len(whole))
        self._stream.seek(0)
        self._stream.write(lengths + digest_of(lengths, whole))

    def _add(self, data: memoryview) -> Piece:
        self._stream.write(bytes(-self._stream.tell() % ALIGNED))
        offset = self._stream.tell()
        self._stream.write(data)
        return offset, len(data), zlib.crc32(data)


class Reader:
    """Reads one container. Raises OSError where there is none, DamagedError where it is not whole."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size < HEAD:
                raise DamagedError(str(path))
            # A column that is written to is the caller's own; the file stays as it is.
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        lengths, digest = self._data[: LENGTHS.size], self._data[LENGTHS.size : HEAD]
        magic, begin, end = LENGTHS.unpack(lengths)
        if magic != MAGIC or end != len(self._data) or digest_of(lengths, self._data[begin:end]) != digest:
            raise DamagedError(str(path))
        self.directory: Any = marshal.loads(self._data[begin:end])

    def array(self, piece: Piece, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array that was written. Raises DamagedError."""
        return np.frombuffer(self._checked(piece), dtype)

    def value(self, piece: Piece) -> Any:
        """A value that was written. Raises DamagedError."""
        return marshal.loads(self._checked(piece))

    def _checked(self, piece: Piece) -> memoryview:
        offset, length, checksum = piece
        part = memoryview(self._data)[offset : offset + length]
        if zlib.crc32(part) != checksum:
            raise DamagedError(f"bytes {offset} to {offset + length}")
        return part


def digest_of(lengths: bytes, directory: bytes) -> bytes:
    """Tells head and directory from others."""
    return hashlib.sha256(lengths + directory).digest()
