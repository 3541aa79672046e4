"""The user's cache folder: files that can be made again, written whole or not at all, the oldest thrown away."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DIGEST = hashlib.sha256().digest_size  # bytes that tell whether a value is whole
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
        content = marshal.dumps(value)
    except ValueError:
        return False
    return keep(path, lambda draft: draft.write_bytes(hashlib.sha256(content).digest() + content))


def kept_value(path: Path) -> Any:
    """The value that was kept; None where there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content[:DIGEST] != hashlib.sha256(content[DIGEST:]).digest():
        return None
    return marshal.loads(content[DIGEST:])


def prune(folder: Path, pattern: str, most: int) -> None:
    """Throw away all but the `most` youngest files of `folder` whose names match `pattern`."""
    try:
        files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[most:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
