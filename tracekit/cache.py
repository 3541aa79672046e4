"""The user's cache folder: files that can be made again, written whole or not at all, the oldest thrown away."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

DIGEST = hashlib.sha256().digest_size  # bytes that tell whether a value is whole
SIZE = 8  # bytes that say how long an index is
LEAST = 1 << 22  # bytes of logs that are read faster than a cache is worth


def worth(size: int) -> bool:
    """Whether what logs of so many bytes say is kept."""
    return size >= LEAST


def cache_folder() -> Path:
    """Where this user's caches are: $XDG_CACHE_HOME/tracekit, else ~/.cache/tracekit."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tracekit"


@contextlib.contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` when it is whole, and is thrown away when that fails."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()  # where it did not become the file


def keep(path: Path, write: Callable[[Path], object]) -> bool:
    """Let `write` fill a draft, which becomes `path` when it is whole; whether it did.

    A folder that cannot be written to, or is full, costs time and nothing else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.touch()
            draft.chmod(0o600)  # what logs say is for their owner
            write(draft)
    except OSError:
        return False
    return True


def keep_value(path: Path, value: Any) -> bool:
    """Let `path` be a value of which marshal gives back what it was given; whether it is. It knows no dates."""
    try:
        content = sealed(value)
    except ValueError:
        return False
    return keep(path, lambda draft: draft.write_bytes(content))


def kept_value(path: Path) -> Any:
    """The value that was kept; None where there is none or it is damaged."""
    try:
        return unsealed(path.read_bytes())
    except OSError:
        return None


def sealed(value: Any) -> bytes:
    """A value, and what tells whether it is whole. ValueError: marshal cannot write it."""
    content = marshal.dumps(value)
    return hashlib.sha256(content).digest() + content


def unsealed(content: bytes) -> Any:
    """The value that was sealed; None where it is damaged."""
    value = memoryview(content)[DIGEST:]
    return marshal.loads(value) if hashlib.sha256(value).digest() == content[:DIGEST] else None


class KeptValues:
    """Values of one file by their keys, of which only those are read that are asked for.

    The file has the size of its index, the index, which tells place and size of each value, and the values.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data: bytes | mmap.mmap = b""
        self._places: dict[bytes, tuple[int, int]] = {}
        with contextlib.suppress(OSError, ValueError), path.open("rb") as stream:  # there is none, or it is empty
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._first = SIZE + int.from_bytes(self._data[:SIZE], "little")
        if self._first <= len(self._data):
            self._places = unsealed(self._data[SIZE : self._first]) or {}

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._places)

    def get(self, key: bytes) -> Any:
        """The value of `key`; None where there is none or it is damaged."""
        content = self._content(key)
        return unsealed(content) if content else None

    def _content(self, key: bytes) -> bytes:
        place, size = self._places.get(key, (0, 0))
        return self._data[self._first + place : self._first + place + size]

    def add(self, values: Mapping[bytes, Any], most: int) -> bool:
        """Let the file have these values, and as many as others have put into it that they are `most`; whether it has.

        Of values of one key the newest stays. Those of this object stay as they were.
        """
        there = KeptValues(self.path)
        contents = {key: there._content(key) for key in there._places} | {
            key: sealed(value) for key, value in values.items()
        }
        contents = dict([*contents.items()][-most:])
        places, end = {}, 0
        for key, content in contents.items():
            places[key] = (end, len(content))
            end += len(content)
        index = sealed(places)
        whole = b"".join((len(index).to_bytes(SIZE, "little"), index, *contents.values()))
        return keep(self.path, lambda draft: draft.write_bytes(whole))


def prune(folder: Path, pattern: str, most: int) -> None:
    """Throw away all but the `most` youngest files of `folder` whose names match `pattern`."""
    try:
        files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[most:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
