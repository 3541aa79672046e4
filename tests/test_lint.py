"""ruff and mypy are content with the whole repository, at the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = {
    "ruff check": ["-m", "ruff", "check", "--no-cache", "."],
    "ruff format": ["-m", "ruff", "format", "--no-cache", "--check", "."],
    "mypy": ["-m", "mypy", "--strict", "tracekit"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_clean(name: str, root: Path) -> None:
    done = subprocess.run([sys.executable, *CHECKS[name]], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-5000:]}{done.stderr[-2000:]}"
