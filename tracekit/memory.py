"""How the C library gives memory back that large arrays had."""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD = -3  # the number that glibc's mallopt has for it
LARGE = 1 << 20  # bytes


def give_back_large_arrays() -> None:
    """Have glibc map each block of LARGE bytes or more for itself, so that it goes back to the system when it is freed.

    By itself glibc raises that size with the blocks that are freed, and keeps what lies between blocks still in use:
    a fifth of what the report of a gigabyte needs. Where the C library is another one, nothing is changed.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD, LARGE)
