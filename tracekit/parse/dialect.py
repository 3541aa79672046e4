"""Log layouts: which header grammar reads the lines of a source, decided by the lines themselves."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
import numpy.typing as npt

from tracekit.errors import GrammarError
from tracekit.parse.grammar import Derived, Grammar

SAMPLE = 1 << 20  # bytes of a source that decide its dialect
DIRECTIVES: Mapping[str, int] = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%f": 3}


@dataclass(frozen=True)
class Dialect:
    """One log layout, from `grammars/dialects/<id>.toml`."""

    id: str
    title: str
    versions: str
    timestamp: str
    grammar: Grammar
    samples: tuple[Mapping[str, Any], ...]

    @cached_property
    def header(self) -> re.Pattern[bytes]:
        """The header at the start of a line; groups in the order of `fields`."""
        return re.compile(b"^" + self._derived.pattern.encode(), re.M)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Column of each group; a column may have several groups."""
        return self._derived.fields

    @cached_property
    def _derived(self) -> Derived:
        return next(rule for rule in self.grammar.derive() if rule.name == "header")

    def times(self, stamps: Sequence[bytes]) -> npt.NDArray[np.datetime64]:
        """Microsecond times of time stamps in this dialect's fixed-width form."""
        if not stamps:
            return np.array([], dtype="datetime64[us]")
        digits = np.array(stamps).view(np.uint8).reshape(len(stamps), -1).astype(np.int64) - ord("0")
        part = {
            name: digits[:, at : at + width] @ (10 ** np.arange(width - 1, -1, -1))
            for name, (at, width) in self._places.items()
        }
        days = (part["%Y"] - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (part["%m"] - 1)
        micros = ((part["%H"] * 60 + part["%M"]) * 60 + part["%S"]) * 1_000_000 + part["%f"] * 1_000
        made: npt.NDArray[np.datetime64] = (
            days.astype("datetime64[D]").astype("datetime64[us]")
            + (part["%d"] - 1).astype("timedelta64[D]")
            + micros.astype("timedelta64[us]")
        )
        return made

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        places, at, rest = {}, 0, self.timestamp
        while rest:
            width = DIRECTIVES.get(rest[:2])
            if width:
                places[rest[:2]] = (at, width)
            at, rest = (at + width, rest[2:]) if width else (at + 1, rest[1:])
        return places


def load_dialects(root: Traversable) -> list[Dialect]:
    """All dialects under `grammars/dialects`. Raises GrammarError for a file without what a dialect needs."""
    made = []
    for path in sorted((root / "dialects").iterdir(), key=lambda p: p.name):
        if not path.name.endswith(".toml"):
            continue
        try:
            row = tomllib.loads(path.read_text(encoding="utf-8"))
            text = (root / row["grammar"]).read_text(encoding="utf-8")
            made.append(
                Dialect(
                    row["id"],
                    row["title"],
                    row["versions"],
                    row["timestamp"],
                    Grammar(row["grammar"], text, ("record", "header")),
                    tuple(row["sample"]),
                )
            )
        except (tomllib.TOMLDecodeError, KeyError, FileNotFoundError) as error:
            raise GrammarError(f"grammars: dialects/{path.name}: {error!r} is missing or wrong") from error
    return made


def detect(data: Any, dialects: Sequence[Dialect]) -> tuple[Dialect | None, float]:
    """The dialect whose headers begin most lines of the first megabyte, and the share of lines that they begin."""
    head = bytes(data[:SAMPLE])
    lines = max(1, head.count(b"\n") + (not head.endswith(b"\n")))
    best, score = None, 0.0
    for dialect in dialects:
        share = sum(1 for _ in dialect.header.finditer(head)) / lines
        if share > score:
            best, score = dialect, share
    return best, score
