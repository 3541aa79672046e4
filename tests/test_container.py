"""What stands in a container comes out as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracekit.container import ALIGNED, HEAD, DamagedError, Reader, Writer

NUMBERS = np.arange(20, dtype=np.int64).reshape(10, 2)
TIMES = np.array(["2026-11-22T16:50:14.030", "NaT"], dtype="datetime64[us]")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.bin"
    with Writer(path) as writer:
        parts = [writer.array(NUMBERS), writer.array(NUMBERS[:0]), writer.value(["a", {"b": None}])]
        writer.finish([*parts, writer.array(TIMES), writer.array(NUMBERS[::2, 1])])
    return path


def read(path: Path) -> list[Any]:
    reader = Reader(path)
    numbers, empty, value, times, strided = reader.directory
    arrays = [reader.array(piece, np.int64).tolist() for piece in (numbers, empty, strided)]
    return [*arrays, reader.value(value), reader.array(times, TIMES.dtype).astype(str).tolist()]


def test_arrays_and_values_come_back(made: Path) -> None:
    expected = [NUMBERS.reshape(-1).tolist(), [], NUMBERS[::2, 1].tolist(), ["a", {"b": None}]]
    assert read(made) == [*expected, ["2026-11-22T16:50:14.030000", "NaT"]]
    assert all(offset % ALIGNED == 0 for offset, _, _ in Reader(made).directory)


def test_an_array_is_the_callers_own(made: Path) -> None:
    reader = Reader(made)
    reader.array(reader.directory[0], np.int64)[:] = 7
    assert read(made)[0] == NUMBERS.reshape(-1).tolist()


def test_a_file_cut_anywhere_is_not_read(made: Path) -> None:
    whole = made.read_bytes()
    for length in range(len(whole)):
        made.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            Reader(made)
    made.write_bytes(whole + b"\0")
    with pytest.raises(DamagedError):
        Reader(made)


def test_a_byte_altered_anywhere_is_found(made: Path) -> None:
    whole, right = made.read_bytes(), read(made)
    pieces = Reader(made).directory
    taken = {at for offset, length, _ in pieces for at in range(offset, offset + length)}
    end = max(offset + length for offset, length, _ in pieces)
    for at, byte in enumerate(whole):
        made.write_bytes(whole[:at] + bytes([byte ^ 1]) + whole[at + 1 :])
        if at in taken or not HEAD <= at < end:
            with pytest.raises(DamagedError):
                read(made)
        else:  # between two pieces
            assert read(made) == right


def test_what_was_not_finished_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "half.bin"
    with Writer(path) as writer:
        writer.array(NUMBERS)
    with pytest.raises(DamagedError):
        Reader(path)
