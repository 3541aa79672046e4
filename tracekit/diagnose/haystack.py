"""Looking for many literals in many records at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Haystack:
    """The text of some records, in one piece."""

    records: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]  # behind each record's text
    text: bytes

    @classmethod
    def of(cls, records: npt.NDArray[np.int64], texts: Sequence[bytes]) -> Haystack:
        """From the numbers of records and their texts."""
        return cls(records, np.cumsum([len(text) + 1 for text in texts], dtype=np.int64), b"\x00".join(texts))

    def holding(self, literals: Iterable[bytes]) -> npt.NDArray[np.int64]:
        """Records that hold one of `literals`, in order."""
        found = set()
        for literal in literals:
            at = self.text.find(literal)
            while at >= 0:
                number = int(np.searchsorted(self.ends, at, "right"))
                found.add(number)
                at = self.text.find(literal, int(self.ends[number]))
        return self.records[sorted(found)]
