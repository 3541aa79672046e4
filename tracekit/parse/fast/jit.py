"""How functions are compiled: once for each version of the code, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

from tracekit.cache import cache_folder

MOST = 2  # earlier versions whose machine code stays
# No function here makes or keeps an array: counting who uses one is an atomic instruction for each array of each call,
# on counters that the threads share.
OPTIONS: Mapping[str, bool] = {"_nrt": False}
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function` as machine code, which runs without Python's lock. ImportError where numba is not installed.

    Where no folder can be written to, it is compiled anew in each run.
    """
    numba = importlib.import_module("numba")
    settings: Any = importlib.import_module("numba.core.config")
    usual = settings.CACHE_DIR
    if "NUMBA_CACHE_DIR" not in os.environ:
        settings.CACHE_DIR = str(machine_folder())
    try:
        made = numba.njit(function, nogil=True, cache=True, **OPTIONS)
    except RuntimeError:  # no place for a cache
        made = numba.njit(function, nogil=True, **OPTIONS)
    finally:
        settings.CACHE_DIR = usual
    return cast(Function, made)


def is_compiled() -> bool:
    """Whether there is machine code of this version. To compile all takes half a minute, once for an installation."""
    return "NUMBA_CACHE_DIR" in os.environ or any(machine_folder().rglob("*.nbi"))


def inlined(function: Function) -> Function:
    """`function` compiled into its callers: a call hands over each array as seven numbers, which takes its time."""
    return cast(Function, importlib.import_module("numba").njit(function, inline="always", **OPTIONS))


@cache
def machine_folder() -> Path:
    """Where machine code of this version is kept: numba itself does not see when a function that is called changes. It
    takes none that was made for the same code in another place or by another Python.
    """
    code = files("tracekit.parse").joinpath("fast")
    made = hashlib.sha256(f"{code} {sys.version}".encode())
    for path in sorted(code.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".py"):
            made.update(path.read_bytes())
    folder = cache_folder() / f"machine-{made.hexdigest()[:16]}"
    with contextlib.suppress(OSError):
        others = sorted(cache_folder().glob("machine-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in [path for path in others if path != folder][MOST:]:
            shutil.rmtree(old)
    return folder
