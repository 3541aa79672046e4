"""Files that are not on this machine, through fsspec: `s3://`, `sftp://`, `https://` and whatever else it knows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from tracekit.errors import SourceError

EXTRA = "tracekit[remote]"
MOST = 1000  # files that one address may stand for


def fetch(url: str) -> Iterator[tuple[str, bytes]]:
    """Address and contents of each file that `url`, which may be a pattern, stands for.

    SourceError: the address cannot be read, or a package for its kind is not installed.
    """
    try:
        core = importlib.import_module("fsspec.core")
        system, _, paths = core.get_fs_token_paths(url)
    except ImportError as error:
        raise SourceError(f"{url}: a package for this kind of address is missing: pip install '{EXTRA}'") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{url}: cannot be read ({_reason(error)})") from error
    if not paths or len(paths) > MOST:
        raise SourceError(f"{url}: stands for {len(paths) if paths else 'no'} files; name a file or a narrower pattern")
    errors: tuple[type[Exception], ...] = (OSError, ValueError, *_web_errors())
    for path in paths:
        try:
            data = system.cat_file(path)
        except errors as error:
            raise SourceError(f"{path}: cannot be read ({_reason(error)})") from error
        yield (url if len(paths) == 1 else str(system.unstrip_protocol(path))), bytes(data)


def _web_errors() -> tuple[type[Exception], ...]:
    """What the web client raises besides OSError, where it is installed."""
    try:
        error: type[Exception] = importlib.import_module("aiohttp").ClientError
    except ImportError:
        return ()
    return (error,)


def _reason(error: Exception) -> str:
    """The error on one line."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).splitlines()[0]
