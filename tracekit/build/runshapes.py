"""The shapes of the calls of all runs. They follow from the kind of a run and the rules that read its lines, so that
they can be found while the build finds out what the runs belong to.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from tracekit.build.calls import Said, Shapes, load_calls, shapes_of
from tracekit.build.lines import Lines
from tracekit.build.runspans import ORDER
from tracekit.frames import Numbers


class RunShapes(NamedTuple):
    """The different shapes, and which of them each run has."""

    shapes: Shapes
    which: Numbers  # by run; -1: it has no span
    names: list[str]  # of frames

    @classmethod
    def of(cls, lines: Lines, kinds: pd.Series[Any], root: Traversable, roles: Mapping[str, str]) -> Self:
        """From the kind of every run; `root` is the grammars folder, `roles` are those of the message rules."""
        graph = load_calls(root, roles)
        said = lines.code[lines.of_run.order]
        data, width = said.tobytes(), said.itemsize
        edges = (lines.of_run.starts * width).tolist()
        known: dict[tuple[str, bytes], int] = {}
        which = [
            known.setdefault((kind, data[low:high]), len(known)) if kind in ORDER else -1
            for kind, (low, high) in zip(kinds.tolist(), itertools.pairwise(edges), strict=True)
        ]
        every = [Said.of(graph, *both) for both in (*zip(lines.events, lines.methods, strict=True), (None, None))]
        different = [(kind, np.frombuffer(part, said.dtype)) for kind, part in known]
        made = shapes_of(graph, every, different)
        return cls(made, np.array(which, dtype=np.int64), list(graph.names))

    def packed(self) -> tuple[Any, ...]:
        """What marshal can write."""
        return [(part.dtype.str, part.tobytes()) for part in (*self.shapes, self.which)], self.names

    @classmethod
    def unpacked(cls, packed: tuple[Any, ...]) -> Self:
        """What was packed."""
        parts, names = packed
        *shapes, which = (np.frombuffer(part, dtype) for dtype, part in parts)
        return cls(Shapes(*shapes), which, names)
