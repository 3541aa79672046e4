"""``python -m tracekit`` is the same as ``tracekit``."""

from __future__ import annotations

from tracekit.cli import program

if __name__ == "__main__":
    program()
