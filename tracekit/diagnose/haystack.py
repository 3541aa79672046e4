"""Looking for many literals in many records at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
import numpy.typing as npt

NEWLINE = b"\n"


@dataclass(frozen=True)
class Haystack:
    """The different lines of some records, in one piece: of the lines of stack traces most are there many times."""

    text: bytes
    ends: npt.NDArray[np.int64]  # behind each line
    records: npt.NDArray[np.int64]  # those of the first line, of the second and so on
    first: npt.NDArray[np.int64]  # where in `records` those of each line begin, and where the last line's end

    @classmethod
    def of(cls, records: npt.NDArray[np.int64], texts: Sequence[bytes]) -> Haystack:
        """From the numbers of records and their texts."""
        numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
        lines = chain.from_iterable(text.split(NEWLINE) for text in texts)
        codes = np.fromiter(map(numbers.__getitem__, lines), dtype=np.int64)
        owners = np.repeat(records, [text.count(NEWLINE) + 1 for text in texts])
        order = np.argsort(codes, kind="stable")
        first = np.searchsorted(codes[order], np.arange(len(numbers) + 1))
        ends = np.cumsum([len(line) + 1 for line in numbers], dtype=np.int64)
        return cls(NEWLINE.join(numbers), ends, owners[order], first)

    def holding(self, literals: Iterable[bytes]) -> npt.NDArray[np.int64]:
        """Records that hold one of `literals`, none of which has a newline, in order."""
        found = set()
        for literal in literals:
            at = self.text.find(literal)
            while at >= 0:
                number = int(np.searchsorted(self.ends, at, "right"))
                found.add(number)
                at = self.text.find(literal, int(self.ends[number]))
        parts = [self.records[self.first[number] : self.first[number + 1]] for number in found]
        return np.unique(np.concatenate([self.records[:0], *parts]))
