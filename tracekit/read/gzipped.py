"""Unpacks gzip data, and of a damaged file everything that stands before the damage."""

from __future__ import annotations

import importlib
import mmap
import zlib
from typing import Any, NamedTuple

from tracekit.aside import Text

Packed = bytes | mmap.mmap

MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS  # zlib: expect the header and trailer of gzip
_STEP = 1 << 16
_LARGE_STEP = 1 << 15  # what it gives is small enough to be taken from memory that was used before


class Unpacked(NamedTuple):
    """The text of a gzip file, and what was wrong with it."""

    data: bytes | mmap.mmap
    damage: str | None  # one line; null when the whole file could be read


def unpack(packed: Packed) -> Unpacked:
    """The contents of all members of `packed`, one behind the other. Never raises for damaged data."""
    quick = _quickly(packed)
    if quick is not None:
        return Unpacked(quick, None)
    text = Text()
    at = 0
    damage = None
    while damage is None and at < len(packed):
        if packed[at : at + len(MAGIC)] != MAGIC:
            # Padding with zero bytes is no damage (tapes, some copies), anything else is.
            damage = f"no gzip data from byte {at} on" if packed[at:].strip(b"\0") else None
            break
        at, damage = _member(packed, at, text)
    return Unpacked(text.whole(), damage)


def _quickly(packed: Packed) -> bytes | mmap.mmap | None:
    """The contents by the package isal, which needs half the time; None where it is missing or something is wrong."""
    try:
        library = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return None
    text = Text()
    at = 0
    while at < len(packed):
        stream = library.decompressobj(_GZIP)
        while not stream.eof:
            chunk = packed[at : at + _LARGE_STEP]
            if not chunk:
                return None
            try:
                text.add(stream.decompress(chunk))
            except library.error:
                return None  # zlib says what, and gives what stands before it
            at += len(chunk)
        at -= len(stream.unused_data)
    return text.whole()


def _member(packed: Packed, at: int, text: Text) -> tuple[int, str | None]:
    """Append the text of the member that begins at `at`; where the next one begins, and what was wrong."""
    stream = zlib.decompressobj(_GZIP)
    while not stream.eof:
        chunk = packed[at : at + _STEP]
        if not chunk:
            text.add(stream.flush())
            return at, f"ends too early, after {at} bytes"
        before = stream.copy()
        try:
            text.add(stream.decompress(chunk))
        except zlib.error as error:
            text.add(_salvage(before, chunk))
            return len(packed), f"damaged after byte {at}: {error}"
        at += len(chunk)
    return at - len(stream.unused_data), None


def _salvage(stream: Any, chunk: bytes) -> bytes:
    """What a chunk with an error in it gives up to the error: zlib throws away the text of the call that fails.

    `stream` is the decompressor as it was before the chunk (its class has no public name).
    """
    text = bytearray()
    try:
        for position in range(len(chunk)):
            text += stream.decompress(chunk[position : position + 1])
    except zlib.error:
        pass  # the caller has said so already
    return bytes(text)
