"""How the C library gives memory back that large tables had."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

# Numbers that glibc's mallopt has for what can be set.
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
LARGE = 1 << 22  # bytes; from there on numpy asks for large pages, and smaller blocks would be mapped page by page


def settle() -> None:
    """Have glibc map each block of LARGE bytes or more for itself, so that it goes back to the system when it is freed,
    and keep all smaller ones in one place, for as many threads as there are.

    By itself glibc raises that size with the blocks that are freed, keeps what lies between blocks still in use, and
    has a place for each thread: a third of what the report of a gigabyte needs. Where the C library is another one,
    nothing is changed.
    """
    mallopt = of_glibc("mallopt")
    if mallopt is not None:
        for what, value in ((TRIM_THRESHOLD, LARGE), (MMAP_THRESHOLD, LARGE), (ARENA_MAX, 1)):
            mallopt(what, value)


def give_back() -> None:
    """Give back what lies free between blocks in use: for where a step has ended that had many."""
    trim = of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def of_glibc(name: str) -> Any:
    """A function of the C library; None where it is another one."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
