"""Names the interval between two consecutive lines of one thread: by gaps, then by what was measured of such pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tracekit.build.model import Gap, Model
from tracekit.build.silence import LONG, PAUSE, SHORT, Silences, Usual
from tracekit.frames import Numbers
from tracekit.parse.grammar import Meaning

QUIET = 10_000  # microseconds between two lines of a thread that need no explanation
UNKNOWN = "unknown statement"
Pair = tuple[str | None, str | None]


@dataclass(frozen=True)
class Explainer:
    """Gaps and measured pairs, with the names by which they call statements."""

    gaps: Sequence[Gap]
    silences: Silences
    names: Mapping[str, frozenset[str]]  # rule -> every name by which a gap may call it
    where: Mapping[str, str | None]
    _known: dict[Pair, tuple[Sequence[Gap], Usual | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model, meanings: Mapping[str, Meaning], silences: Silences) -> Explainer:
        """From the gaps of the model, the meanings of the rules and the measured pairs."""
        names = {rule: frozenset(filter(None, (rule, m.means, m.where))) for rule, m in meanings.items()}
        return cls(model.gaps, silences, names, {rule: m.where for rule, m in meanings.items()})

    def explain(
        self, first: str | None, second: str | None, length: int, measured: bool = True
    ) -> tuple[str, str, Gap | None]:
        """Category and owner of an interval of `length` microseconds; the gap where its category comes from one.

        What is known of pairs was `measured` at level DEBUG: where a thread prints less, two of its lines are
        neighbours that never were, and a long interval between them is unlogged.

        The tracer decides between database, lock and execution. A gap without such a measure explains short
        intervals only: nobody knows what a long one was.
        """
        gaps, usual = self.known(first, second) if measured else ((), None)
        gap = next((gap for gap in gaps if length >= gap.least), None)
        if gap is not None and gap.firm:
            return gap.category, gap.owner, gap
        name = self.where.get(first or "") or UNKNOWN
        if length <= QUIET:
            return "execution", name, None
        category = usual.category(length) if usual is not None else "unlogged"
        if usual is not None and category != "unlogged":
            return category, usual.text(category, gap.owner if gap is not None else None, length), None
        if usual is None and gap is not None and length <= SHORT:
            return gap.category, gap.owner, None
        seldom = f" (usually {usual.median // 1000} ms)" if usual is not None and length >= LONG else ""
        return "unlogged", f"{name} \u2192 {self.where.get(second or '') or UNKNOWN}{seldom}", None

    @property
    def steps(self) -> Numbers:
        """Lengths from which on an explanation may be another one, whatever the pair, in order."""
        return np.unique([QUIET + 1, SHORT + 1, PAUSE, LONG, *(gap.least for gap in self.gaps)])

    def most(self, first: str | None, second: str | None) -> int:
        """The length above which it may be another one for this pair."""
        _, usual = self.known(first, second)
        return 0 if usual is None else usual.most

    def known(self, first: str | None, second: str | None) -> tuple[Sequence[Gap], Usual | None]:
        """Gaps that fit a pair, and what was measured of it."""
        found = self._known.get((first, second))
        if found is None:
            a, b = self.names.get(first or "", frozenset()), self.names.get(second or "", frozenset())
            gaps = [gap for gap in self.gaps if gap.explains(a, b)]
            usual = None
            if first and self.where.get(first):
                usual = self.silences.find(first, second or "", self.where[first], self.where.get(second or ""))
            found = self._known[first, second] = (gaps, usual)
        return found
