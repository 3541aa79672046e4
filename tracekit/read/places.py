"""Which files a path that the user gave stands for: the file itself, the logs of a folder, what a pattern matches."""

from __future__ import annotations

import glob
import os
import re

from tracekit.errors import SourceError

STDIN = "-"
_PACKED = r"(?:\.(?:gz|bz2|xz|zst|lz4))?"
# x.log and its rotated forms: x.log.1, x.log.2026-11-22, x.log.2026-11-22-3, x.log-20261122, each perhaps packed.
_LOG_NAME = re.compile(rf"(?P<base>.+\.log)(?:[.-](?P<turn>\d[\d-]*))?{_PACKED}")
_ARCHIVE_NAME = re.compile(rf".+(?:\.zip|\.tar{_PACKED}|\.tgz|\.tbz2?|\.txz)", re.IGNORECASE)
_DATE_DIGITS = 8  # a shorter number counts rotations
_URL = re.compile(r"[a-z][a-z0-9+]+://")
_DEPTH = 3  # folders below one that has no log itself


def is_url(path: str) -> bool:
    """Whether the path names something that is not in the file system."""
    return _URL.match(path) is not None


def is_log_name(path: str) -> bool:
    """Whether a file of that name is taken for a log when it is found in a folder or an archive."""
    return _LOG_NAME.fullmatch(os.path.basename(path)) is not None


def is_archive_name(path: str) -> bool:
    """Whether a file of that name inside an archive is an archive itself."""
    return _ARCHIVE_NAME.fullmatch(os.path.basename(path)) is not None


def matches(pattern: str) -> list[str]:
    """Paths that a shell's pattern matches, sorted; the path itself when it is none or a file has that very name."""
    if pattern == STDIN or not glob.has_magic(pattern) or os.path.lexists(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise SourceError(f"{pattern}: no file matches this pattern")
    return found


def logs_in(folder: str) -> list[str]:
    """Logs directly inside a folder, rotated ones oldest first; where it has none those of the folders below.

    SourceError: it cannot be read or has no log.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read ({error.strerror})") from error
    paths = sorted_logs(folder, names) or below(folder)
    if not paths:
        raise SourceError(f"{folder}: no log in this folder (*.log, *.log.N, *.log.gz): name the file itself")
    return paths


def below(folder: str) -> list[str]:
    """Logs of the folders below, each folder's together."""
    top = folder.rstrip(os.sep).count(os.sep)
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        if place.count(os.sep) - top >= _DEPTH:
            folders.clear()
        found += sorted_logs(place, names)
    return found


def sorted_logs(folder: str, names: list[str]) -> list[str]:
    """The files among `names` that are named like logs."""
    paths = [os.path.join(folder, name) for name in sorted(filter(_LOG_NAME.fullmatch, names), key=age)]
    return [path for path in paths if not os.path.isdir(path)]


def age(name: str) -> tuple[str, bool, int, str]:
    """Sorts a log's rotated files oldest first and the current one last: dates rise, numbers fall."""
    match = _LOG_NAME.fullmatch(name)
    turn = match["turn"] if match else None
    if match is None or turn is None:
        return match["base"] if match else name, True, 0, name
    if turn.isdigit() and len(turn) < _DATE_DIGITS:
        return match["base"], False, -int(turn), name
    return match["base"], False, 0, turn
