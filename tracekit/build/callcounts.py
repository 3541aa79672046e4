"""What `grammars/calls.tsv` counts, read and put in order as :mod:`tracekit.build.callgraph` asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable
from typing import NamedTuple

from tracekit.errors import GrammarError
from tracekit.prepared import digest_of, prepared, source_digest

FILE = "calls.tsv"
NONE = "-"  # cell of a step that is the first of its run, or that opens nothing

Words = tuple[str, str, str]  # rule, method:role, method
Change = tuple[str, int, tuple[str, ...]]  # back to the n-th open frame of this name, then open these
Seen = tuple[Change, int]  # what a step did, how often
Edge = tuple[str, str, str]  # "start" or "end", frame, rule or method or "*"
NOTHING: Words = ("", "", "")


class Step(NamedTuple):
    """A statement was written: how often, where, after which other one, and what that did to the open frames."""

    times: int
    inside: str  # innermost frame before, the kind of the run where none was open
    after: str  # rule of the statement before, "" at the beginning of a run
    event: str
    change: Change


class Bound(NamedTuple):
    """Where between two lines a frame begins or ends."""

    own: bool  # near the frame's own line, else near the line outside
    offset: int  # microseconds from it


class Table(NamedTuple):
    """Steps in one of the three wordings: by what was written before them in a frame, and by what was written."""

    after: dict[tuple[str, str], tuple[int, dict[str, list[Seen]]]]  # by statement before and frame; how often, by now
    within: dict[tuple[str, str], list[Seen]]  # by frame and statement
    anywhere: dict[str, list[Seen]]  # by statement

    def add(self, step: Step, after: str, word: str) -> None:
        """One more step."""
        seen = step.change, step.times
        many, known = self.after.get((after, step.inside)) or (0, {})
        known.setdefault(word, []).append(seen)
        self.after[after, step.inside] = many + step.times, known
        self.within.setdefault((step.inside, word), []).append(seen)
        self.anywhere.setdefault(word, []).append(seen)


class Counts(NamedTuple):
    """All that the file says."""

    roles: dict[str, str]  # of rules: what a statement is to the frame of its method
    tables: tuple[Table, ...]  # one for each wording
    written: dict[str, int]  # statements in each frame
    callers: dict[str, dict[str, int]]  # of each frame, and how often they opened it
    bounds: dict[Edge, tuple[bool, int]]  # rows of Bound, of which a log asks for few

    def words(self, event: str | None, method: str) -> Words:
        """The three wordings of a statement."""
        return event or method, f"{method}:{self.role(event)}", method

    def role(self, event: str | None) -> str:
        """What a statement is to the frame of its method: begin, end, both, point, or another word of its rule."""
        return self.roles.get(event or "", "point")

    def add(self, step: Step, methods: Mapping[str, str]) -> None:
        """One more step; `methods` are those of all rules."""
        before = self.words(step.after, methods[step.after]) if step.after else NOTHING
        for table, after, word in zip(self.tables, before, self.words(step.event, methods[step.event]), strict=True):
            table.add(step, after, word)
        self.written[step.inside] = self.written.get(step.inside, 0) + step.times
        caller = step.change[0]
        for name in step.change[2]:
            known = self.callers.setdefault(name, {})
            known[caller] = known.get(caller, 0) + step.times
            caller = name

    def plain(self) -> tuple[object, ...]:
        """In values that can be kept."""
        return self.roles, [tuple(table) for table in self.tables], self.written, self.callers, self.bounds


def load_counts(root: Traversable, roles: Mapping[str, str]) -> Counts:
    """Read `calls.tsv` of the grammars folder `root`. `roles`: rule -> role as the message rules say, which is stronger
    than the measured one.

    Raises GrammarError with the number of a row that is not what the head of the file says.
    """
    text = (root / FILE).read_text(encoding="utf-8")
    key = f"{digest_of(text)} {digest_of(repr(roles))} {source_digest(__spec__)}"
    measured, tables, written, callers, bounds = prepared("calls", key, lambda: counted(text, roles).plain())
    return Counts(measured, tuple(Table(*table) for table in tables), written, callers, bounds)


def counted(text: str, roles: Mapping[str, str]) -> Counts:
    """The rows of the file `text`, counted."""
    lines: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    bounds: dict[Edge, tuple[bool, int]] = {}
    for number, row in enumerate(text.splitlines(), 1):
        cells = row.split("\t")
        try:
            match cells:
                case ["line", _, event, method, role]:
                    lines[event] = (method, role)
                case ["step", count, inside, after, event, back, skip, opens]:
                    change = (back, int(skip), () if opens == NONE else tuple(opens.split(" > ")))
                    steps.append(Step(int(count), inside, "" if after == NONE else after, event, change))
                case ["start" | "end" as edge, _, frame, word, "own" | "other" as side, offset]:
                    bounds[edge, frame, word] = (side == "own", int(offset) * 1000)
                case _ if row and not row.startswith("#"):
                    raise GrammarError(f"grammars: {FILE}:{number}: neither line, step, start nor end")
        except ValueError as error:
            raise GrammarError(f"grammars: {FILE}:{number}: {error}") from error
    methods = {event: method for event, (method, _) in lines.items()}
    if strange := unknown(steps, methods):
        raise GrammarError(f"grammars: {FILE}: a step names {strange[0]}, of which there is no line row")
    measured = {event: role for event, (_, role) in lines.items()}
    made = Counts(measured | dict(roles), tuple(Table({}, {}, {}) for _ in NOTHING), {}, {}, bounds)
    for step in steps:
        made.add(step, methods)
    return made


def unknown(steps: Iterable[Step], methods: Mapping[str, str]) -> list[str]:
    """Rules that steps name and of which no method is known."""
    return sorted({rule for step in steps for rule in (step.event, step.after) if rule} - set(methods))
