"""Count, on logs whose tracer wrote down the frame of every line, what `grammars/calls.tsv` says.

    python -m tests.truth.derive_calls LOGS [--only NAME ...] [--statements FILE] [-o grammars/calls.tsv]

LOGS holds folders with `management-server.log`, `lines-with-span.log` and `spans.jsonl` (plain or packed). The rule
and the Class.method of a line come from tracekit's own parse step; with `--statements` also from a table of
CloudStack's log statements (columns class, method, template), where no message rule knows the line.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.truth.bounds import Edge, bound_rows
from tests.truth.stamped import Matcher, ParseMatcher, Run, StatementsMatcher, folders, runs

CERTAIN = 0.95  # share of a statement's lines that must be the first (last) of their frame
Change = tuple[str, int, tuple[str, ...]]


@dataclass
class Counts:
    """What a set of runs says."""

    lines: Counter[str] = field(default_factory=Counter)
    method: dict[str, str] = field(default_factory=dict)
    steps: Counter[tuple[str, str, str, Change]] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)  # lines whose method is the innermost frame of the tracer
    first: Counter[str] = field(default_factory=Counter)
    last: Counter[str] = field(default_factory=Counter)
    blocks: Counter[str] = field(default_factory=Counter)  # uninterrupted lines of a method without a frame
    opens_block: Counter[str] = field(default_factory=Counter)
    closes_block: Counter[str] = field(default_factory=Counter)
    edges: list[Edge] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """One more run."""
        self._steps(run)
        self._roles(run)
        self._edges(run)

    def _steps(self, run: Run) -> None:
        after, before = "", ()
        for event, method, chain in zip(run.events, run.methods, run.chains, strict=True):
            if event is None or method is None:
                before = before if event is None else chain
                continue
            self.lines[event] += 1
            self.method[event] = method
            inside = run.names[before[-1]] if before else run.root
            self.steps[inside, after, event, change(run, before, chain)] += 1
            after, before = event, chain

    def _roles(self, run: Run) -> None:
        first, last = run.extent()
        for line, (event, chain) in enumerate(zip(run.events, run.chains, strict=True)):
            if event is not None and chain and run.names[chain[-1]] == run.methods[line]:
                self.own[event] += 1
                self.first[event] += first[chain[-1]] == line
                self.last[event] += last[chain[-1]] == line
        for begin, end in blocks(run):
            for event in {run.events[line] for line in range(begin, end + 1)} - {None}:
                self.blocks[str(event)] += 1
            self.opens_block[str(run.events[begin])] += 1
            self.closes_block[str(run.events[end])] += 1

    def _edges(self, run: Run) -> None:
        first, last = run.extent()
        final = len(run.times) - 1
        for span, line in first.items():
            start, end = run.spans[span]
            if line:
                self.edges.append(
                    Edge(
                        "start",
                        run.names[span],
                        run.events[line],
                        run.methods[line],
                        run.times[line] - start,
                        start - run.times[line - 1],
                    )
                )
            line = last[span]
            if line < final:
                self.edges.append(
                    Edge(
                        "end",
                        run.names[span],
                        run.events[line],
                        run.methods[line],
                        end - run.times[line],
                        run.times[line + 1] - end,
                    )
                )

    def role(self, event: str) -> str:
        """begin, end, both or point: by the tracer's frames, for other methods by their uninterrupted lines."""
        total, first, last = self.own[event], self.first[event], self.last[event]
        if total < self.blocks[event]:
            total, first, last = self.blocks[event], self.opens_block[event], self.closes_block[event]
        begins, ends = (total > 0 and count >= CERTAIN * total for count in (first, last))
        return "both" if begins and ends else "begin" if begins else "end" if ends else "point"


def change(run: Run, before: Sequence[str], now: Sequence[str]) -> Change:
    """From the frames `before` a line to those in which it was written: back to which, then open which."""
    kept = 0
    while kept < min(len(before), len(now)) and before[kept] == now[kept]:
        kept += 1
    back = run.names[before[kept - 1]] if kept else run.root
    skip = sum(run.names[span] == back for span in before[kept:])
    return back, skip, tuple(run.names[span] for span in now[kept:])


def blocks(run: Run) -> Iterator[tuple[int, int]]:
    """First and last line of each uninterrupted group of lines of one method in one frame that is not the method's."""
    begin = 0
    written = [*zip(run.methods, run.chains, strict=True), (None, None)]
    for line in range(1, len(written)):
        if written[line] == written[begin]:
            continue
        method, chain = run.methods[begin], run.chains[begin]
        if method is not None and not (chain and run.names[chain[-1]] == method):
            yield begin, line - 1
        begin = line


def kept_steps(steps: Counter[tuple[str, str, str, Change]]) -> Iterator[tuple[int, tuple[str, str, str, Change]]]:
    """Steps seen more than once, and those seen once of a statement of which there are no others."""
    often: Counter[str] = Counter()
    for (_, _, event, _), count in steps.items():
        often[event] = max(often[event], count)
    for step, count in sorted(steps.items()):
        if count > 1 or often[step[2]] == 1:
            yield count, step


def rows(counts: Counts) -> Iterator[str]:
    """The rows of the table."""
    steps = list(kept_steps(counts.steps))
    named = {event for _, (_, after, event, _) in steps for event in (after, event) if event}
    for event in sorted(named):
        yield f"line\t{counts.lines[event]}\t{event}\t{counts.method[event]}\t{counts.role(event)}"
    for count, (inside, after, event, (back, skip, opens)) in steps:
        yield f"step\t{count}\t{inside}\t{after or '-'}\t{event}\t{back}\t{skip}\t{' > '.join(opens) or '-'}"
    yield from bound_rows(counts.edges)


def head(used: Sequence[Path], counts: Counts) -> Iterator[str]:
    """What the table is, and on what it was counted."""
    by_release: dict[str, list[str]] = defaultdict(list)
    for folder in used:
        by_release[folder.parent.name].append(folder.name)
    yield "# Which calls were open when a line was written: python -m tests.truth.derive_calls LOGS"
    yield f"# Counted on {sum(counts.lines.values())} lines of request and job threads:"
    for release, names in sorted(by_release.items()):
        yield f"# {release}: {', '.join(sorted(names))}"
    yield "# line  times seen, rule, Class.method, role measured"
    yield "# step  times seen, innermost frame before, rule of the line before, rule of this line: back to that frame"
    yield "#       (but for the n-th further in), then opens these; request, job, work: a run without open frames"
    yield "# start, end  times measured, frame, its first (last) rule, method or any: near its own line or the line"
    yield "#       outside, milliseconds from it; what is not listed begins and ends with its own line"


def count(used: Iterable[Path], matchers: Sequence[Matcher]) -> Counts:
    """All runs of the folders."""
    counts = Counts()
    for folder in used:
        for run in runs(folder, matchers):
            counts.add(run)
    return counts


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the paths of the folders to use")
    parser.add_argument("--statements", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("grammars/calls.tsv"))
    args = parser.parse_args()
    used = [folder for folder in folders(args.logs) if not args.only or any(part in str(folder) for part in args.only)]
    if not used:
        parser.error(f"{args.logs}: no folder with lines-with-span.log and spans.jsonl")
    matchers: list[Matcher] = [ParseMatcher()]
    if args.statements:
        matchers.append(StatementsMatcher(args.statements))
    counts = count(used, matchers)
    args.output.write_text("\n".join((*head(used, counts), *rows(counts))) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
