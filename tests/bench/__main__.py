"""tracekit beside ripgrep, lnav and wc on one large log: `python -m tests.bench [--megabytes 1000] [--rounds 5]`.

The programs take turns, so that a busy machine is busy for all of them. CPU seconds and ratios are what to compare.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.grow import grow, whole_records
from tracekit.parse.derived import derived_rules
from tracekit.parse.fast import has_numba
from tracekit.parse.grammar import load_messages
from tracekit.resources import grammars

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "sample_logs" / "4.23" / "k-ms-restart" / "management-server.log.gz"
PAUSE = 0.02  # seconds between two looks at a program's memory
SHORTEST = 6  # characters of a literal that is worth searching for


class Run(NamedTuple):
    """What one run of a program took."""

    wall: float  # seconds
    cpu: float  # seconds of the process and its children, user and system
    memory: int  # MB that are not of a file, most of all processes together
    output: str


def timed(command: Sequence[str], folder: Path) -> Run:
    """Run a program to its end, its caches in `folder`. Raises CalledProcessError when it fails."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # of what is installed the modules are compiled once
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, cwd=ROOT, env=environment)
        status, memory = 0, 0
        while True:
            memory = max(memory, anonymous(process.pid))
            done, status, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            time.sleep(PAUSE)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, text)
    return Run(time.monotonic() - begun, used.ru_utime + used.ru_stime, memory // 1024, text)


def anonymous(process: int) -> int:
    """KB of a process and those that it started, without mapped files; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0
    own = re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)
    return int(own[1] if own else 0) + sum(anonymous(int(child)) for child in children)


def unpacked(log: Path) -> bytes:
    """The text of a log, which may be a gzip file."""
    raw = log.read_bytes()
    return gzip.decompress(raw) if log.suffix == ".gz" else raw


def programs(log: Path, folder: Path) -> Mapping[str, list[str]]:
    """Every program that is installed."""
    literals = folder / "literals"
    rules = derived_rules(load_messages(grammars()))
    literals.write_text("\n".join(sorted({rule.literal for rule in rules if len(rule.literal) >= SHORTEST})))
    page = str(folder / "page.html")
    query = ";SELECT count(*) FROM all_logs WHERE log_body LIKE '%submit async job%'"
    tracekit = [sys.executable, "-m", "tracekit"]
    scan = [sys.executable, "-m", "tests.bench.scan"]
    made = {
        "wc -l": ["wc", "-l", str(log)],
        "ripgrep, the rules' literals": ["rg", "-c", "-F", "-f", str(literals), str(log)],
        "lnav, index and one query": ["lnav", "-n", "-c", query, str(log)],
        "tracekit, scan by re": [*scan, str(log), "re"],
        **({"tracekit, scan, compiled": [*scan, str(log)]} if has_numba() else {}),
        **({"tracekit, scan, compiled, of gzip": [*scan, f"{log}.gz"]} if has_numba() else {}),
        "tracekit report": [*tracekit, "report", "--no-cache", "--force", "-o", page, str(log)],
        "tracekit operations, cached": [*tracekit, "operations", str(log)],
    }
    return {name: command for name, command in made.items() if shutil.which(command[0])}


def table(runs: Mapping[str, Sequence[Run]], size: int) -> str:
    """Medians, and each program's CPU time as a share of the yardstick's: ripgrep, or wc where there is none."""
    yard = next((name for name in runs if name.startswith("ripgrep")), "wc -l")
    rows = [("program", "wall s", "cpu s", "MB/s of cpu", f"% of {yard.split(',')[0]}", "MB of memory")]
    for name, each in runs.items():
        cpu = statistics.median(run.cpu for run in each)
        share = statistics.median(y.cpu / run.cpu for y, run in zip(runs[yard], each, strict=True))
        wall, memory = statistics.median(run.wall for run in each), max(run.memory for run in each)
        rows.append((name, f"{wall:.2f}", f"{cpu:.2f}", f"{size / 1e6 / cpu:.0f}", f"{share:.1%}", str(memory)))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def counted(text: str, one: str, count: int, size: int) -> None:
    """Compare what a scan counted with so many times what is in one copy. Raises AssertionError."""
    whole, part = (list(map(int, line.split())) for line in (text, one))
    assert whole[:2] == [number * count for number in part[:2]], f"{whole} is not {count} times {part}"
    assert whole[2] == size, f"{whole[2]} bytes in records, {size} in the file"


def main() -> None:
    """Make the log, run everything, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--log", type=Path, default=LOG, help="the real log that is repeated")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    log = unpacked(given.log)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        single, large = folder / "one.log", folder / "large.log"
        single.write_bytes(whole_records(log))
        count = grow(log, given.megabytes * 1_000_000, large)
        size = large.stat().st_size
        one = timed([sys.executable, "-m", "tests.bench.scan", str(single)], folder).output
        with large.open("rb") as plain, gzip.open(f"{large}.gz", "wb", 1) as packed:
            shutil.copyfileobj(plain, packed, 1 << 24)
        commands = programs(large, folder)
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        timed(commands["tracekit operations, cached"], folder)  # fills the cache, and compiles
        for _ in range(given.rounds):
            for program, command in commands.items():
                runs[program].append(timed(command, folder))
                if command[2:3] == ["tests.bench.scan"]:
                    counted(runs[program][-1].output, one, count, size)
        sys.stdout.write(f"{size / 1e6:.0f} MB, {count} copies, {given.rounds} rounds; counts and bytes agree\n")
        sys.stdout.write(table(runs, size) + "\n")


if __name__ == "__main__":
    main()
