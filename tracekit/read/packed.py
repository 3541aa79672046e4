"""Packed files: what a compressed file, a tar or a zip archive holds, and of a damaged one what can still be read."""

from __future__ import annotations

import importlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tracekit.aside import Text
from tracekit.errors import SourceError
from tracekit.read import gzipped
from tracekit.read.gzipped import Packed, Unpacked

_STEP = 1 << 16
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
EXTRA = "tracekit[archives]"


class Packing(NamedTuple):
    """One compression: how it is known, and who unpacks it."""

    name: str
    magic: bytes
    modules: tuple[str, ...]  # of which the first that is installed has the decompressor
    decompressor: str


_GZIP = Packing("gzip", gzipped.MAGIC, (), "")
_PACKINGS = (
    _GZIP,
    Packing("bzip2", b"BZh", ("bz2",), "BZ2Decompressor"),
    Packing("xz", b"\xfd7zXZ\x00", ("lzma",), "LZMADecompressor"),
    # Part of Python from 3.14 on.
    Packing("zstd", b"\x28\xb5\x2f\xfd", ("compression.zstd", "zstandard"), "ZstdDecompressor"),
    Packing("lz4", b"\x04\x22\x4d\x18", ("lz4.frame",), "LZ4FrameDecompressor"),
)


class Member(NamedTuple):
    """One file of an archive."""

    name: str  # path inside the archive
    data: bytes
    damage: str | None = None  # why `data` is not all of it


def packing(head: bytes) -> Packing | None:
    """The compression of a file that begins with `head`."""
    return next((known for known in _PACKINGS if head.startswith(known.magic)), None)


def unpack(path: str, data: Packed, known: Packing) -> Unpacked:
    """The text of a compressed file. SourceError when nothing is installed that can read it."""
    if known is _GZIP:
        return gzipped.unpack(data)
    return _streams(_maker(path, known), data, known.magic)


def _maker(path: str, known: Packing) -> Callable[[], Any]:
    """What makes a decompressor of one stream."""
    for name in known.modules:
        try:
            made = getattr(importlib.import_module(name), known.decompressor)
        except ImportError:
            continue
        return _chunked(made) if name == "zstandard" else made
    raise SourceError(f"{path}: a {known.name} file, for which a package is missing: pip install '{EXTRA}'")


def _chunked(make: Callable[[], Any]) -> Callable[[], Any]:
    """The package zstandard keeps the object that takes a stream chunk by chunk one step further away."""
    return lambda: make().decompressobj()


def _streams(make: Callable[[], Any], packed: Packed, magic: bytes) -> Unpacked:
    """The contents of all streams of `packed`, one behind the other. Never raises for damaged data."""
    text = Text()
    at = 0
    errors: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, RuntimeError, lzma.LZMAError, *_zstd_errors())
    while at < len(packed):
        if packed[at : at + len(magic)] != magic:
            rest = packed[at:].strip(b"\0")
            return Unpacked(text.whole(), f"something else from byte {at} on" if rest else None)
        stream, begin = make(), at
        while not stream.eof:
            chunk = packed[at : at + _STEP]
            if not chunk:
                return Unpacked(text.whole(), f"ends too early, after {at} bytes")
            try:
                text.add(stream.decompress(chunk))
            except errors as error:
                return Unpacked(text.whole(), f"damaged after byte {at}: {error}")
            at += len(chunk)
        at = max(begin + 1, at - len(stream.unused_data or b""))
    return Unpacked(text.whole(), None)


def _zstd_errors() -> tuple[type[Exception], ...]:
    """The errors of whichever package reads zstd."""
    made: list[type[Exception]] = []
    for name in ("compression.zstd", "zstandard"):
        try:
            made.append(importlib.import_module(name).ZstdError)
        except ImportError:
            continue
    return tuple(made)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` holds files."""
    return head.startswith(_ZIP_MAGIC) or head.startswith(_TAR_MAGIC, _TAR_AT)


def members(data: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The files of a tar or zip archive whose name is `wanted`, those that can be read before the damage of one."""
    return _zip(data, wanted) if data.startswith(_ZIP_MAGIC) else _tar(data, wanted)


def names(data: bytes) -> list[str]:
    """Names of all files of an archive."""
    if data.startswith(_ZIP_MAGIC):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return [info.filename for info in archive.infolist() if not info.is_dir()]
        except zipfile.BadZipFile:
            return []
    found: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            found += [info.name for info in archive if info.isreg()]
    except (tarfile.TarError, EOFError, OSError):
        pass  # what stands before the damage is known
    return found


def _tar(data: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                if info.isreg() and wanted(info.name):
                    # Cut out by hand: of a torn archive tarfile gives no part of the last file.
                    text = data[info.offset_data : info.offset_data + info.size]
                    short = f"{info.size - len(text)} bytes are missing" if len(text) < info.size else None
                    yield Member(info.name, text, short)
    except (tarfile.TarError, EOFError, OSError) as error:
        yield Member("", b"", f"a damaged tar archive: {error}")


def _zip(data: bytes, wanted: Callable[[str], bool]) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if not info.is_dir() and wanted(info.filename):
                    yield _zip_member(archive, info)
    except zipfile.BadZipFile as error:
        yield Member("", b"", f"a damaged zip archive: {error}")


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    parts: list[bytes] = []
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(_STEP):
                parts.append(chunk)
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        return Member(info.filename, b"".join(parts), str(error))
    except (NotImplementedError, RuntimeError) as error:  # an unknown method, a password
        return Member(info.filename, b"", str(error))
    return Member(info.filename, b"".join(parts))
