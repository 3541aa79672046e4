"""The lanes of a timeline, top to bottom, and the kinds of spans in each."""

from __future__ import annotations

LANES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("request", ("request",)),
    ("waits", ("queue", "wait")),
    ("API job", ("job",)),
    ("work job", ("work",)),
    ("stages", ("stage",)),
    ("agent", ("command",)),
)
