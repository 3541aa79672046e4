"""Names replaced where they stand as whole words, thousands of them at once.

One regular expression of all names would try each of them at every character. Here a text is cut into pieces, and names
are looked up by their first piece.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracekit.parse.needles import every_place

_PIECE = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_INNER = re.compile(r"[A-Za-z0-9]")


class WholeWords:
    """Names and what is said instead of each. Before and behind a name there is no ASCII letter or digit."""

    def __init__(self, instead: Mapping[str, str]) -> None:
        self._instead = instead
        self._names: dict[str, list[str]] = {}  # first piece → names, the longest first
        for name in sorted(instead, key=lambda name: (-len(name), name)):
            self._names.setdefault(_PIECE.findall(name)[0], []).append(name)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._instead)

    def replaced(self, text: str) -> str:
        """The text with what is said instead of its names: from the left, of several at one place the longest."""
        if not self._names:
            return text
        parts, end = [], 0
        there = self._names.keys() & _PIECE.findall(text)  # in most texts none
        for at, piece in sorted((at, first) for first in there for at in every_place(first, text, 0, len(text))):
            name = self._name_at(text, at, piece) if at >= end else None
            if name is not None:
                parts += [text[end:at], self._instead[name]]
                end = at + len(name)
        return "".join([*parts, text[end:]])

    def _name_at(self, text: str, at: int, piece: str) -> str | None:
        """The longest of the names that begin with this piece and stand there as whole words."""
        if at and _INNER.match(text, at - 1):
            return None
        there = (name for name in self._names[piece] if text.startswith(name, at))
        return next((name for name in there if not _INNER.match(text, at + len(name))), None)
