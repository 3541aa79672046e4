"""A file of arrays and values, each with its checksum, and a directory of where they are: nothing damaged comes out.

The file begins with its own length and the digest of the directory, which are written last: of a file that is cut or
half written nothing is read. The arrays are mapped, not copied, and checked when they are asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import mmap
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from tracekit.cache import keep

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

    def copied(self, reader: Reader, piece: Piece) -> Piece:
        """Write a piece of another container. Raises DamagedError."""
        return self._add(reader.checked(piece))

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
        return np.frombuffer(self.checked(piece), dtype)

    def value(self, piece: Piece) -> Any:
        """A value that was written. Raises DamagedError."""
        return marshal.loads(self.checked(piece))

    def checked(self, piece: Piece) -> memoryview:
        """A piece as it stands in the file. Raises DamagedError."""
        offset, length, checksum = piece
        part = memoryview(self._data)[offset : offset + length]
        if zlib.crc32(part) != checksum:
            raise DamagedError(f"bytes {offset} to {offset + length}")
        return part


class Values:
    """Values of one container by their keys, of which only those are read that are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: Reader | None = None
        with contextlib.suppress(OSError, DamagedError):  # there is none, or it is made again
            self._reader = Reader(path)
        self._pieces: dict[bytes, Piece] = self._reader.directory if self._reader else {}

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._pieces)

    def get(self, key: bytes) -> Any:
        """The value of `key`; None where there is none or it is damaged."""
        if self._reader is None or key not in self._pieces:
            return None
        try:
            return self._reader.value(self._pieces[key])
        except DamagedError:
            return None

    def add(self, values: Mapping[bytes, Any], most: int) -> bool:
        """Let the file have these values, and as many as others have put into it that they are `most`; whether it has.

        Of values of one key the newest stays. Those of this object stay as they were.
        """
        there = Values(self.path)
        keys = [*dict.fromkeys((*there._pieces, *values))][-most:]
        return keep(self.path, lambda draft: there._write(draft, keys, values))

    def _write(self, draft: Path, keys: Sequence[bytes], values: Mapping[bytes, Any]) -> None:
        made: dict[bytes, Piece] = {}
        with Writer(draft) as writer:
            for key in keys:
                if key in values:
                    made[key] = writer.value(values[key])
                elif self._reader is not None:
                    with contextlib.suppress(DamagedError):
                        made[key] = writer.copied(self._reader, self._pieces[key])
            writer.finish(made)


def digest_of(lengths: bytes, directory: bytes) -> bytes:
    """Tells head and directory from others."""
    return hashlib.sha256(lengths + directory).digest()
