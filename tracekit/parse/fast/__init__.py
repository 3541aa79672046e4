"""The compiled scanner: the derived patterns as tables of a small matching machine that numba compiles.

It gives what `parse/scan.py` gives, to the byte, and is taken for large inputs where numba is installed. A pattern
that the machine cannot express is read by `re`. A new rule is new tables, not new code.
"""

from __future__ import annotations

import importlib
from functools import cache


@cache
def has_numba() -> bool:
    """Whether numba is installed and works with this Python and this numpy: the first call imports it."""
    try:
        importlib.import_module("numba")
    except ImportError:
        return False
    return True
