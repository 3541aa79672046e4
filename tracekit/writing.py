"""Files that a user asked for, written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import click

from tracekit.errors import UsageError


def encoded(text: str) -> bytes:
    """A text as files have it: bytes that were no UTF-8 in a log are the same again."""
    return text.encode("utf-8", "surrogateescape")


def place(output: str | None, default: str, force: bool) -> Path | None:
    """The file that `output` means; None, standard output, for `-`. Raises the error of :func:`free`."""
    return None if output == "-" else free(Path(output or default), force)


def free(target: Path, force: bool) -> Path:
    """`target`; raises UsageError when it exists, without `force`: before any work is done for it."""
    if target.exists() and not force:
        raise UsageError(f"{target}: exists; another file with -o, or --force to overwrite it")
    return target


def write(target: Path | None, blocks: Iterable[bytes]) -> int:
    """Write a file, or to standard output, and say how many bytes. Raises UsageError when there is no writing there.

    Until a file is whole its place is as it was: what is written may be made of what stands there.
    """
    from tracekit.cache import draft_of  # and hashlib, which --help can do without

    if target is None:
        return printed(blocks)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # a terminal, a pipe
            return filled(target, blocks)
        path = Path(os.path.realpath(target))  # a link stays one
        with draft_of(path) as draft:
            size = filled(draft, blocks)
            if path.exists():
                draft.chmod(stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror}); another place with -o") from error
    return size


def filled(path: Path, blocks: Iterable[bytes]) -> int:
    """Let a file have these bytes; how many they are. Raises OSError."""
    with path.open("wb") as stream:
        return sum(map(stream.write, blocks))


def printed(blocks: Iterable[bytes]) -> int:
    """Print bytes; how many they are."""
    size = 0
    for block in blocks:
        click.echo(block, nl=False)
        size += len(block)
    return size
