"""How time and memory of a report grow with the log: `python -m tests.bench.growth [--megabytes 10 100 1000 3000]`.

Each size is a log of its own, made of the same real one; the sizes take turns, so that a busy machine is busy for all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.__main__ import LOG, Run, aligned, timed, unpacked
from tests.bench.grow import grow


def table(runs: dict[Path, list[Run]]) -> str:
    """Medians by size, and what each size takes more than the one before, by 100 MB."""
    rows = [("MB", "wall s", "cpu s", "MB of memory", "wall s for 100 MB more", "MB of memory for 100 MB more")]
    before = (0.0, 0.0, 0.0)
    for log, each in runs.items():
        size, memory = log.stat().st_size / 1e6, max(run.memory for run in each)
        wall, cpu = (statistics.median(getattr(run, name) for run in each) for name in ("wall", "cpu"))
        per = 100 / (size - before[0])
        more = ("", "") if not before[0] else (f"{(wall - before[1]) * per:.2f}", f"{(memory - before[2]) * per:.0f}")
        rows.append((f"{size:.0f}", f"{wall:.2f}", f"{cpu:.2f}", str(memory), *more))
        before = (size, wall, memory)
    return aligned(rows)


def main(given: Sequence[str] | None = None) -> None:
    """Make the logs, write their reports, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--log", type=Path, default=LOG, help="the real log that is repeated")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 100, 1000, 3000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(given)
    original = unpacked(options.log)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: dict[Path, list[Run]] = {folder / f"{size}.log": [] for size in sorted(options.megabytes)}
        for log, size in zip(runs, sorted(options.megabytes), strict=True):
            grow(original, size * 1_000_000, log)
        report = [sys.executable, "-m", "tracekit", "report", "--no-cache", "--force", "-o", str(folder / "page.html")]
        timed([*report, str(next(iter(runs)))], folder)  # compiles
        for _ in range(options.rounds):
            for log in runs:
                runs[log].append(timed([*report, str(log)], folder))
        sys.stdout.write(table(runs) + "\n")


if __name__ == "__main__":
    main()
