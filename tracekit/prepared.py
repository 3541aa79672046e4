"""What is read out of grammars/ and reports/ once and kept: a TOML file takes ten times as long to read as its JSON.

The user's cache folder has it; what is not there is put there, out of what the package brings
(`tracekit/parse/build_hook.py` writes it into the wheel) or made. Everything is found by the digest of the very text
that it was made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Any

from tracekit.cache import cache_folder, keep_value, kept_value, prune
from tracekit.errors import GrammarError, TracekitError
from tracekit.resources import grammars

SHIPPED = "derived.json"  # in grammars/ of an installed package
SMALL = 1 << 9  # characters of a text that is read at once
MOST = 6  # versions of one file that stay in the cache


@cache
def shipped() -> Mapping[str, Any]:
    """What the package brought; nothing in a checkout."""
    try:
        made = json.loads((grammars() / SHIPPED).read_text(encoding="utf-8"))
    except (OSError, ValueError, TracekitError):
        return {}
    return made if isinstance(made, dict) else {}


def digest_of(text: str) -> str:
    """Tells a text from others."""
    return hashlib.sha256(text.encode()).hexdigest()


def source_digest(module: Any) -> str:
    """Tells the code of a module, given by its `__spec__`, from other versions of it."""
    return hashlib.sha256(module.loader.get_data(module.origin)).hexdigest()


def read_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of the TOML `text` of the file `name` under grammars/, made anew for each who asks.

    Raises GrammarError with that name.
    """
    if len(text) < SMALL:
        return parsed(text, name)
    digest = digest_of(text)
    return dict(prepared(f"toml-{Path(name).stem}", digest, lambda: brought(digest) or parsed(text, name)))


def brought(digest: str) -> dict[str, Any] | None:
    """What the package brings of a TOML text."""
    known = shipped().get("toml", {}).get(digest)
    return None if known is None else dict(json.loads(known))


def read_together(texts: Mapping[str, str], folder: str) -> dict[str, dict[str, Any]]:
    """What :func:`read_toml` gives for each of the `texts` of the files of `folder`, by the files' names.

    All are kept as one value, too: one file of the cache is found and checked in a hundredth of the time.
    """
    key = "\0".join(chain.from_iterable(texts.items()))
    return dict(
        prepared(folder, key, lambda: {name: read_toml(text, f"{folder}/{name}") for name, text in texts.items()})
    )


def prepared(name: str, key: str, make: Callable[[], Any]) -> Any:
    """What `make` gives, a value that marshal can write, made once for each `key` of things called `name`."""
    path = cache_folder() / f"{name}-{digest_of(key)[:32]}.bin"
    made = kept_value(path)
    if made is None:
        made = make()
        keep_value(path, made)
        prune(path.parent, f"{name}-{'?' * 32}.bin", MOST)
    return made


def toml_of(file: Traversable) -> dict[str, Any]:
    """The tables of a TOML file under grammars/. Raises GrammarError with its name."""
    return read_toml(file.read_text(encoding="utf-8"), file.name)


def parsed(text: str, name: str) -> dict[str, Any]:
    """The tables of `text`, read as TOML."""
    import tomllib  # seldom needed

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GrammarError(f"grammars: {name}: {error}") from error
