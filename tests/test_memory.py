"""Memory of arrays that are gone goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HELD = """
import re, sys
import numpy as np
from tracekit.memory import settle

def private():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

if sys.argv[1] == "settled":
    settle()
before, small = private(), []
for _ in range(2):  # the first round's blocks raise the size from which glibc maps by itself
    large = []
    for _ in range(25):
        large.append(np.ones(1 << 20))
        small.append(bytes(5000))
    del large
print(private() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_arrays_that_are_gone_hold_no_memory() -> None:
    held = {
        how: int(subprocess.run([sys.executable, "-c", HELD, how], capture_output=True, check=True).stdout)
        for how in ("as it is", "settled")
    }
    assert held["settled"] < 10_000 < held["as it is"], "kB of 200 MB"
