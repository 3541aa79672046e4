"""Tells text from what cannot be a log, by the first bytes of a file."""

from __future__ import annotations

HEAD = 1 << 16  # bytes that are looked at

# Beginnings of files that are sent instead of a log, and what to do with them.
_MAGIC = (
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"BZh", "a bzip2 file: unpack it first"),
    (b"\xfd7zXZ\x00", "an xz file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"\x1f\x8b", "a gzip file inside a gzip file: unpack it once"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"SQLite format 3\x00", "a database"),
)
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"  # no text has these; a terminal's copy has ESC
# One control character in twenty: a page of text with a broken line in it has fewer, compressed data has two.
_MOST_CONTROLS = 0.05


def strange(head: bytes) -> str | None:
    """What `head`, the first bytes of a file, looks like when it is no text; null for text in any encoding."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(_TAR_MAGIC, _TAR_AT):
        return "a tar archive: unpack it first"
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls <= _MOST_CONTROLS * len(head):
        return None
    nulls = head.count(0)
    return f"binary data ({nulls * 100 // len(head)} % zero bytes)" if nulls else "binary data"
