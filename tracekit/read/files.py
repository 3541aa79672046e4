"""Paths as the user gave them → the bytes of log files.

Plain files are mapped into memory, as is the text of large packed ones; that of small ones and pipes is read into it.
Whether a text is a CloudStack log is decided later, by the header grammars.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tracekit.errors import NotOurLogError, SourceError
from tracekit.quality import Collector
from tracekit.read import looks, packed, places, remote
from tracekit.read.places import STDIN

_STDIN_KEY = (-1, -1)  # no file has this device and number
_NESTED = 1  # archives inside an archive that are opened: one layer


@dataclass(frozen=True)
class Source:
    """One log file, readable at any offset. Offsets and lengths are bytes of the unpacked text."""

    # As given, or found in a folder that was given; "-" is standard input. A file of an archive has the archive's path
    # in front.
    path: str
    data: bytes | mmap.mmap
    packed: bool  # it was compressed, or stood in an archive
    listed: bool = True  # the user named it; False: it was found in a folder or an archive
    begin: int = 0  # what stands before belongs to the last record of another piece of the same file
    inserted: tuple[int, ...] = ()  # newlines that the file does not have: two records of it stand in one line

    def __len__(self) -> int:
        """Bytes of the unpacked text."""
        return len(self.data)

    def slice(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, fewer at the end of the file."""
        return self.data[offset : offset + length]

    def close(self) -> None:
        """Give the mapping back. The source is not readable afterwards."""
        if isinstance(self.data, mmap.mmap):
            self.data.close()


@dataclass(frozen=True)
class Sources:
    """All files of one run in the order in which they are read: as given, a folder's rotated files oldest first."""

    files: tuple[Source, ...]
    quality: Collector = field(default_factory=Collector)
    _by_path: dict[str, Source] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_path", {source.path: source for source in self.files})

    def __iter__(self) -> Iterator[Source]:
        return iter(self.files)

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    def __getitem__(self, path: str) -> Source:
        """The file of that path (`source` of a record). KeyError for a path that is none of these."""
        return self._by_path[path]

    def text(self, record: Any) -> str:
        """The whole record, decoded, without its last newline. `record` is a row of RECORDS, by iloc or itertuples."""
        raw = self[record.source].slice(int(record.offset), int(record.length))
        return raw.decode("utf-8", errors="replace").rstrip("\r\n")

    def close(self) -> None:
        """Close every file."""
        for source in self.files:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sources(paths: Sequence[str]) -> Sources:
    """Open files, packed files, archives, folders (the logs inside), patterns, addresses and `-`, each file once.

    SourceError: a path is missing or unreadable, or a folder or archive has no logs. NotOurLogError: a named file is
    empty or not text; in a folder or archive such a file is left out and counted in `quality`.
    """
    quality = Collector()
    seen: set[tuple[int, int]] = set()
    files: list[Source] = []
    try:
        for given in paths:
            if places.is_url(given):
                for path, data in remote.fetch(given):
                    files.extend(_sources(path, data, True, quality, 0))
                continue
            for path in places.matches(given):
                files.extend(_given(path, seen, quality))
    except (SourceError, NotOurLogError):
        Sources(tuple(files)).close()
        raise
    if not files:
        raise SourceError("no log was given: name a file, a folder or - for standard input")
    return Sources(tuple(files), quality)


def _given(path: str, seen: set[tuple[int, int]], quality: Collector) -> list[Source]:
    if path != STDIN and os.path.isdir(path):
        return _folder(path, seen, quality)
    return _open(path, True, seen, quality)


def _folder(folder: str, seen: set[tuple[int, int]], quality: Collector) -> list[Source]:
    paths = places.logs_in(folder)
    found: list[Source] = []
    left_out: list[str] = []
    for path in paths:
        try:
            found += _open(path, False, seen, quality)
        except (SourceError, NotOurLogError) as error:
            left_out.append(str(error))
            quality.add("file of a folder left out", "warning", example=str(error), where=path)
    if len(left_out) == len(paths):
        raise SourceError(f"{folder}: no log in this folder can be read; {left_out[0]}")
    return found


def _open(path: str, listed: bool, seen: set[tuple[int, int]], quality: Collector) -> list[Source]:
    """The file as a source, or the files of an archive; none when it was opened already, under this or another name."""
    data = _bytes_of(path, seen)
    if data is None:
        quality.add("file given twice", "note", example=path, where=path)
        return []
    return _sources(path, data, listed, quality, 0)


def _sources(
    path: str, data: bytes | mmap.mmap, listed: bool, quality: Collector, depth: int, inside: bool = False
) -> list[Source]:
    """The text behind `data`, unpacked; of an archive, which may lie in `depth` others, the logs in it."""
    known = packed.packing(data[: looks.HEAD])
    if known is not None:
        data = _unpack(path, data, known, quality)
    head = data[: looks.HEAD]
    if len(data) == len(head) and not head.strip():
        raise NotOurLogError(f"{path}: empty, nothing to read")
    if packed.is_archive(head):
        if depth > _NESTED:
            raise NotOurLogError(f"{path}: an archive {depth} archives deep: unpack the outer ones first")
        return _archive(path, data[:], quality, depth)
    looks_like = looks.strange(head)
    if looks_like is not None:
        raise NotOurLogError(f"{path}: not a log but {looks_like}")
    return [Source(path, data, inside or known is not None, listed)]


def _archive(path: str, data: bytes, quality: Collector, depth: int) -> list[Source]:
    """Files of an archive that are named like logs; where none is, all that are text."""
    named = [name for name in packed.names(data) if places.is_log_name(name) or places.is_archive_name(name)]
    found: list[Source] = []
    left_out = ""
    for member in packed.members(data, named.__contains__ if named else lambda _: True):
        where = f"{path}/{member.name}".rstrip("/")
        if member.damage is not None:
            quality.add("damaged file of an archive", "warning", example=f"{where}: {member.damage}", where=where)
        if not member.data:
            continue
        try:
            found += _sources(where, member.data, False, quality, depth + 1, inside=True)
        except (SourceError, NotOurLogError) as error:
            left_out = left_out or f"; {error}"
            quality.add("file of an archive left out", "warning", example=str(error), where=where)
    if not found:
        raise SourceError(f"{path}: no log in this archive{left_out}")
    return found


def _unpack(path: str, data: bytes | mmap.mmap, known: packed.Packing, quality: Collector) -> bytes | mmap.mmap:
    unpacked = packed.unpack(path, data, known)
    if unpacked.damage is not None:
        if not unpacked.data:
            raise NotOurLogError(f"{path}: a {known.name} file that gives no text: {unpacked.damage}")
        quality.add(f"damaged {known.name} file", "warning", example=f"{path}: {unpacked.damage}", where=path)
    return unpacked.data


def _bytes_of(path: str, seen: set[tuple[int, int]]) -> bytes | mmap.mmap | None:
    """What stands in the file, or null when `seen` has it already. SourceError when it cannot be read."""
    try:
        if path == STDIN:
            return _stdin() if _first(_STDIN_KEY, seen) else None
        with open(path, "rb") as stream:
            state = os.fstat(stream.fileno())
            if not _first((state.st_dev, state.st_ino), seen):
                return None
            # Pipes and files of /proc have no size, an empty file cannot be mapped.
            if not stat.S_ISREG(state.st_mode) or state.st_size == 0:
                return stream.read()
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from error


def _stdin() -> bytes:
    if sys.stdin is None:
        raise SourceError("-: there is no standard input")
    return sys.stdin.buffer.read()


def _first(key: tuple[int, int], seen: set[tuple[int, int]]) -> bool:
    """Whether this file was not seen before; it is from now on."""
    if key in seen:
        return False
    seen.add(key)
    return True
