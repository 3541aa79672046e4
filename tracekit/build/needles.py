"""Where each of several texts stands in a log, found in one pass over its bytes.

A search for each text would read the log as often as there are texts. Here a few bytes that lines seldom have, the
marks, are looked for, and each text has one of them: only around the marks are the texts compared, eight bytes at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 1 << 18  # bytes looked at together: with what is made of them they fit the processor's cache
WORD = 8
BEFORE = 4  # so many bytes of a word stand before the mark


@dataclass(frozen=True)
class Needle:
    """A text that is looked for."""

    text: bytes
    at: int  # of its mark
    word: np.uint64  # what it has of the word around the mark
    mask: np.uint64  # the bits of the word that it has

    @classmethod
    def of(cls, text: bytes, mark: int) -> Needle:
        """From the text and a byte of it."""
        at = text.index(mark)
        begin = max(at - BEFORE, 0)
        part = text[begin : at - BEFORE + WORD]
        room = bytes(BEFORE - at + begin)
        word, mask = (int.from_bytes(room + bits, "little") for bits in (part, b"\xff" * len(part)))
        return cls(text, at, np.uint64(word), np.uint64(mask))


@dataclass(frozen=True)
class Needles:
    """Texts that are looked for together, by number under the mark by which each is found."""

    by_mark: dict[int, list[tuple[int, Needle]]]
    longest: int

    @classmethod
    def of(cls, texts: Iterable[bytes], marks: bytes) -> Needles:
        """From the texts and the marks: a text is found by the first that it has. ValueError where it has none."""
        by_mark: dict[int, list[tuple[int, Needle]]] = {}
        longest = 1
        for number, text in enumerate(texts):
            mark = next((mark for mark in marks if mark in text), None)
            if mark is None:
                raise ValueError(f"{text!r} has none of the marks {marks!r}")
            by_mark.setdefault(mark, []).append((number, Needle.of(text, mark)))
            longest = max(longest, len(text))
        return cls(by_mark, longest)

    def within(self, data: Any, low: int, high: int, step: int) -> Iterator[tuple[int, list[int]]]:
        """Numbers of texts and where they begin in data[low:high]; of one text in order, overlapping ones too."""
        for begin in range(low, high, step):
            block = data[begin : min(begin + step + self.longest - 1, high)]
            for number, places in self.inside(block):
                yield number, [begin + at for at in places if at < step]  # the others are the next block's

    def inside(self, block: bytes) -> Iterator[tuple[int, list[int]]]:
        """The same of a few bytes."""
        plain = np.frombuffer(block, np.uint8)
        words = np.ndarray(len(block), "<u8", buffer=bytes(BEFORE) + block + bytes(WORD), strides=(1,))
        for mark, needles in self.by_mark.items():
            marks = np.flatnonzero(plain == mark)
            around = words[marks]
            for number, needle in needles:
                found = marks[(around & needle.mask) == needle.word]
                if found.size:
                    begins = (found - needle.at).tolist()
                    yield number, [at for at in begins if at >= 0 and block.startswith(needle.text, at)]
