"""Files that are not on this machine, through fsspec: `s3://`, `sftp://`, `https://` and whatever else it knows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from tracekit.errors import SourceError

EXTRA = "tracekit[remote]"
MOST = 1000  # files that one address may stand for
# What the clients raise besides OSError and ValueError, where they are installed.
ERRORS = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("paramiko", "SSHException"),
)


def fetch(url: str) -> Iterator[tuple[str, bytes]]:
    """Address and contents of each file that `url`, which may be a pattern, stands for. Secrets in it are not shown.

    SourceError: the address cannot be read, or a package for its kind is not installed.
    """
    shown = without_secrets(url)
    try:
        core = importlib.import_module("fsspec.core")
        system, _, paths = core.get_fs_token_paths(url)
    except ImportError as error:
        raise SourceError(f"{shown}: a package for this kind of address is missing: pip install '{EXTRA}'") from error
    except _errors() as error:
        raise SourceError(f"{shown}: cannot be read ({_reason(error)})") from error
    if not paths or len(paths) > MOST:
        raise SourceError(
            f"{shown}: stands for {len(paths) if paths else 'no'} files; name a file or a narrower pattern"
        )
    for path in paths:
        address = shown if len(paths) == 1 else without_secrets(str(system.unstrip_protocol(path)))
        try:
            data = system.cat_file(path)
        except FileNotFoundError as error:
            raise SourceError(f"{address}: no such file there") from error
        except _errors() as error:
            raise SourceError(f"{address}: cannot be read ({_reason(error)})") from error
        yield address, bytes(data)


def without_secrets(url: str) -> str:
    """The address without a password, and without its query: that of a signed address is a key to the file."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, user.partition(":")[0] + at + host, parts.path, "", ""))


def _errors() -> tuple[type[Exception], ...]:
    """What reading an address may raise with the clients that are installed."""
    made: list[type[Exception]] = [OSError, ValueError]
    for module, name in ERRORS:
        try:
            made.append(getattr(importlib.import_module(module), name))
        except ImportError:
            continue
    return tuple(made)


def _reason(error: Exception) -> str:
    """The error on one line."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).splitlines()[0]
