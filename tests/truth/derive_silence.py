"""Measure, on logs of traced servers, what lies between two consecutive lines of a thread: `grammars/silence.tsv`.

    python -m tests.truth.derive_silence LOGS [--only NAME ...] [-o grammars/silence.tsv]

LOGS holds folders with `management-server.log` and `spans.jsonl` (plain or packed). Rules and Class.methods of the
lines come from tracekit's own parse step, threads and runs from its build step. Time in SQL is that of the
statements themselves: what the connection pool adds to each (validation, preparation) counts as the server's.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

import pandas as pd

from tests.truth.stamped import LOG, SPANS
from tests.truth.timeline import Silence, Timeline
from tracekit.build.context import add_lives, add_runs
from tracekit.parse import Parsed, parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources

LEAST = 3  # times a pair must have been seen
HEAVY = 30_000  # microseconds; a longer interval has the weight of one so long in the shares
NEAR = 1_000  # below this, microseconds, the log's own milliseconds say nothing of an interval
TABLES = 3
METHODS = 2
SELDOM = 0.2  # of the first
Key = tuple[str, str, str]  # level, first, second


@dataclass
class Measured:
    """All intervals of one kind of pair."""

    lengths: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)
    weight: float = 0.0
    sql: float = 0.0
    lock: float = 0.0
    tables: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    releases: set[str] = field(default_factory=set)

    def add(self, seen: Silence, release: str) -> None:
        """One more interval."""
        self.lengths.append(seen.length)
        self.statements.append(seen.statements)
        if seen.length:
            weight = min(seen.length, HEAVY) / seen.length
            self.weight += weight * seen.length
            self.sql += weight * seen.sql
            self.lock += weight * seen.lock
        self.tables.update(seen.tables)
        for method, time in seen.methods.items():
            self.methods[method] += min(time, HEAVY)
        self.releases.add(release)

    def row(self, key: Key) -> str:
        """A line of the table; times in milliseconds."""
        ordered = sorted(self.lengths)
        often = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        weight = self.weight or 1.0
        parts = (
            *key,
            len(ordered),
            f"{median(ordered) / 1000:.0f}",
            f"{often / 1000:.0f}",
            f"{self.sql / weight:.2f}",
            f"{self.lock / weight:.2f}",
            f"{median(self.statements):.0f}",
            most(self.tables, TABLES),
            most(self.methods, METHODS),
            ",".join(sorted(self.releases)),
        )
        return "\t".join(map(str, parts))


def most(counted: Counter[str], number: int) -> str:
    """The first few names, comma separated; those that are seldom beside the first are left out."""
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:number]
    return ",".join(name for name, count in ordered if count >= SELDOM * ordered[0][1]) or "-"


def folders(logs: Path, only: Sequence[str]) -> list[Path]:
    """Folders below `logs` with a tracer's spans and the server's log."""
    found = sorted({path.parent for path in logs.rglob(SPANS + "*")})
    return [
        folder
        for folder in found
        if list(folder.glob(LOG + "*")) and (not only or any(part in str(folder) for part in only))
    ]


def measure(folder: Path, into: dict[Key, Measured]) -> None:
    """Every pair of consecutive lines of each run of the folder, under its rules, its methods and the first method."""
    release = folder.parent.name
    timeline = Timeline(folder)
    with open_sources([str(next(folder.glob(LOG + "*")))]) as sources:
        parsed = parse(sources, Collector())
        where = {rule: meaning.where for rule, meaning in parsed.messages.meanings.items()}
        for thread, (first, start), (second, end) in pairs(parsed):
            seen = timeline.look(thread, start, end) if end - start >= NEAR else Silence(max(0.0, end - start))
            for key in keys(first, second, where):
                into[key].add(seen, release)


def keys(first: str | None, second: str | None, where: dict[str, str | None]) -> Iterator[Key]:
    """Under which names an interval is counted."""
    if first is None or second is None:
        return
    yield "rule", first, second
    before, behind = where.get(first), where.get(second)
    if before and behind:
        yield "method", before, behind
    if before:
        yield "after", before, "-"


Written = tuple[str | None, int]  # rule, microseconds


def pairs(parsed: Parsed) -> Iterator[tuple[str, Written, Written]]:
    """Thread and both lines of each pair, of the runs of requests, jobs and work jobs."""
    records = add_runs(add_lives(parsed.records, parsed.events), parsed.events)
    events = records["event"].astype("object").where(records["event"].notna(), None).to_list()
    times = records["ts"].to_numpy().astype("datetime64[us]").astype("int64").tolist()
    threads = records["thread"].astype("str").to_list()
    mine = records[records["run_kind"].isin(("request", "job", "work"))]
    numbers = mine.index.to_numpy()
    indices: dict[int, pd.Index[int]] = mine.groupby("run").indices
    for run in indices.values():
        for a, b in pairwise(numbers[run].tolist()):
            yield threads[a], (events[a], times[a]), (events[b], times[b])


def table(used: Iterable[Path], measured: dict[Key, Measured]) -> Iterator[str]:
    """The rows of the file."""
    by_release: dict[str, list[str]] = defaultdict(list)
    for folder in used:
        by_release[folder.parent.name].append(folder.name)
    yield "# What lies between two consecutive lines of a thread: python -m tests.truth.derive_silence LOGS"
    for release, names in sorted(by_release.items()):
        yield f"# {release}: {', '.join(sorted(names))}"
    yield "# rule: pairs of rules; method: of Class.methods; after: what follows a Class.method, whatever it is"
    yield "# Share of time in SQL statements and in locks of CloudStack's own (op_lock, GET_LOCK); medians"
    yield "level\tfirst\tsecond\tcount\tmedian_ms\tp95_ms\tsql\tlock\tstatements\ttables\tmethods\treleases"
    for key, rows in sorted(measured.items()):
        if len(rows.lengths) >= LEAST:
            yield rows.row(key)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the paths of the folders to use")
    parser.add_argument("--without", nargs="*", default=[], help="parts of the paths of the folders to leave out")
    parser.add_argument("-o", "--output", type=Path, default=Path("grammars/silence.tsv"))
    args = parser.parse_args()
    used = [folder for folder in folders(args.logs, args.only) if not any(part in str(folder) for part in args.without)]
    if not used:
        parser.error(f"{args.logs}: no folder with {LOG} and {SPANS}")
    measured: dict[Key, Measured] = defaultdict(Measured)
    for folder in used:
        measure(folder, measured)
    args.output.write_text("\n".join(table(used, measured)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
