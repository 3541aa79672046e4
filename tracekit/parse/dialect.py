"""Log layouts and who writes in them: which dialect a source is in, decided by the lines themselves.

A layout (`grammars/dialects`) is a header grammar, a component (`grammars/components.toml`) what tells its lines from
others' in any layout; each pair of them is a dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.errors import GrammarError, UsageError
from tracekit.parse.derived import derived_headers
from tracekit.parse.grammar import Derived, Grammar, line_grammar
from tracekit.parse.lines import line_starts
from tracekit.parse.stamps import times as read_times
from tracekit.patterns import compiled
from tracekit.prepared import toml_of

SAMPLES = (1 << 16, 1 << 20)  # bytes of a source that decide its dialect; more where the first have no clear winner
CLEAR = 0.3  # of the lines begin with a header: the others are stack traces
SERVER = "management server"
COMPONENTS = "components.toml"


@dataclass(frozen=True)
class Dialect:
    """One log layout of one component."""

    id: str
    title: str
    versions: str
    component: str  # who writes it: management server, agent, api log, usage server, web access log
    timestamps: tuple[str, ...]
    grammar: Grammar
    derived: Derived
    marks: re.Pattern[bytes] | None  # what this component alone writes into its headers
    marked: float  # share of the headers that must have a mark
    mixes: bool  # a file of another layout may change to this one
    needs: str | None  # what to give beside such a file, which alone says nothing of operations
    samples: tuple[Mapping[str, Any], ...]

    @cached_property
    def header(self) -> re.Pattern[bytes]:
        """The header at the start of a line; groups in the order of `fields`."""
        return compiled(b"^" + self.derived.pattern.encode(), re.M)

    def heads(self, data: Any, low: int = 0, high: int | None = None) -> Iterator[re.Match[bytes]]:
        """The headers in data[low:high], which begins at the start of a line. Lines are found here, for `re` would try
        the pattern at every byte; no header goes on behind a newline.
        """
        high = len(data) if high is None else high
        found = map(self.header.match, repeat(data), line_starts(data, low, high), repeat(high))
        return filter(None, found)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Column of each group; a column may have several groups."""
        return self.derived.fields

    def times(self, stamps: Sequence[bytes | None]) -> npt.NDArray[np.datetime64]:
        """Microsecond times of time stamps in this dialect's forms; NaT where there is none."""
        return read_times(stamps, self.timestamps)


class Score(NamedTuple):
    """How well a dialect fits a text."""

    dialect: Dialect
    share: float  # lines that begin with its header
    marked: float  # headers that bear a mark of its component


def load_dialects(root: Traversable) -> list[Dialect]:
    """Each layout of `grammars/dialects` for each component. GrammarError: a file is broken or lacks what it needs."""
    files = sorted((root / "dialects").iterdir(), key=lambda path: path.name)
    layouts = [toml_of(path) for path in files if path.name.endswith(".toml")]
    components = toml_of(root / COMPONENTS)
    grammars: dict[str, Grammar] = {}
    try:
        for name in dict.fromkeys(row["grammar"] for row in layouts):
            grammars[name] = line_grammar(root, name)
        derived = derived_headers(list(grammars.values()))
        return [
            dialect_of(row, grammars[row["grammar"]], derived[row["grammar"]])
            for layout in layouts
            for row in ([layout] if "component" in layout else written_by(layout, components))
        ]
    except (KeyError, FileNotFoundError, re.error) as error:
        raise GrammarError(f"grammars: dialects: {error!r} is missing or wrong") from error


def written_by(layout: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A layout as each component writes it: the server's keeps its name, the others' have theirs in front."""
    for name, who in components.items():
        plain = who["component"] == SERVER
        made = {**layout, **who, "title": f"{who['title']}, {layout['title']}"}
        if not plain:
            made["id"] = f"{name}-{layout['id']}"
            made["mixes"] = False
            made["sample"] = [sample for sample in who["sample"] if sample["dialect"] == made["id"]]
        yield made


def dialect_of(row: Mapping[str, Any], grammar: Grammar, derived: Derived) -> Dialect:
    """One dialect from its row. KeyError for what is missing."""
    marks = row.get("marks")
    return Dialect(
        row["id"],
        row["title"],
        row["versions"],
        row["component"],
        tuple(row["timestamps"]),
        grammar,
        derived,
        re.compile("|".join(marks).encode()) if marks else None,
        float(row.get("marked", 0)),
        bool(row.get("mixes", False)),
        row.get("needs"),
        tuple(row["sample"]),
    )


def named(dialects: Sequence[Dialect], name: str) -> Dialect:
    """The dialect of that id. Raises UsageError, which lists them, where there is none."""
    found = next((dialect for dialect in dialects if dialect.id == name), None)
    if found is None:
        raise UsageError(f"--dialect {name}: no such dialect; known: {', '.join(dialect.id for dialect in dialects)}")
    return found


def scores(data: Any, dialects: Sequence[Dialect]) -> list[Score]:
    """Dialects that read at least one line of `data`, the best first."""
    lines = max(1, data.count(b"\n") + (not data.endswith(b"\n")))
    found: dict[str, list[bytes]] = {}
    made = []
    for dialect in dialects:
        if dialect.grammar.name not in found:
            found[dialect.grammar.name] = [match.group() for match in dialect.heads(data)]
        heads = found[dialect.grammar.name]
        if not heads:
            continue
        marked = sum(1 for head in heads if dialect.marks.search(head)) / len(heads) if dialect.marks else 0.0
        if marked >= dialect.marked:
            made.append(Score(dialect, len(heads) / lines, marked))
    return sorted(made, key=lambda score: (-round(score.share, 3), -score.marked, score.dialect.id))


def detect(data: Any, dialects: Sequence[Dialect]) -> tuple[Dialect | None, float]:
    """The dialect whose headers begin most lines of a source's beginning, and the share of lines that they begin.

    Of two components that print the same layout the one whose marks are seen; a source's beginning is looked at
    further when only few of its lines begin with a header.
    """
    best: Score | None = None
    for size in SAMPLES:
        found = scores(bytes(data[:size]), dialects)
        best = found[0] if found else None
        if len(data) <= size or (best is not None and best.share >= CLEAR):
            break
    return (best.dialect, best.share) if best else (None, 0.0)


def collisions(dialects: Sequence[Dialect]) -> list[str]:
    """Every sample that is taken for another dialect's line, one line of text each."""
    made = []
    for dialect in dialects:
        for sample in dialect.samples:
            line = sample["line"].encode()
            found = scores(line, dialects)
            taken = found[0].dialect if found else None
            if taken is None or taken.id != dialect.id:
                name = taken.id if taken else "no dialect"
                made.append(f"dialects/{dialect.id}.toml: its sample is taken by {name}: {sample['line'][:100]}")
    return made
