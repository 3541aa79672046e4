"""Where each of several texts stands in a log, found in one pass over its bytes.

A search for each text would read the log as often as there are texts. Here a few bytes that lines seldom have, the
marks, are looked for, and each text has one of them: only around the marks are the texts compared, eight bytes at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:  # it imports pandas
    from tracekit.frames import Numbers

BLOCK = 1 << 18  # bytes looked at together: with what is made of them they fit the processor's cache
WORD = 8
BEFORE = 4  # so many bytes of the first word that is compared stand before the mark


class Piece(NamedTuple):
    """Eight bytes of a text, or what it has of them."""

    at: int  # of the first, counted from the text's mark
    word: np.uint64
    mask: np.uint64  # the bits of the word that the text has

    @classmethod
    def of(cls, text: bytes, mark: int, at: int) -> Piece:
        """From a text, the place of its mark, and where the piece begins."""
        begin = mark + at
        part = text[max(begin, 0) : begin + WORD]
        room = bytes(max(-begin, 0))
        word, mask = (int.from_bytes(room + bits, "little") for bits in (part, b"\xff" * len(part)))
        return cls(at, np.uint64(word), np.uint64(mask))


class Needle(NamedTuple):
    """A text that is looked for."""

    at: int  # of its mark
    around: Piece  # what it has around the mark
    others: tuple[Piece, ...]

    @classmethod
    def of(cls, text: bytes, mark: int) -> Needle:
        """From the text and a byte of it."""
        at = text.index(mark)
        before, behind = range(-BEFORE - WORD, -at - WORD, -WORD), range(WORD - BEFORE, len(text) - at, WORD)
        others = tuple(Piece.of(text, at, begin) for begin in (*before, *behind))
        return cls(at, Piece.of(text, at, -BEFORE), others)


class Needles(NamedTuple):
    """Texts that are looked for together, by number under the mark by which each is found."""

    by_mark: dict[int, list[tuple[int, Needle]]]
    longest: int

    @classmethod
    def of(cls, texts: Iterable[bytes], marks: bytes) -> Needles:
        """From the texts and the marks: a text is found by the first that it has.

        ValueError where it has none, or a zero byte, as there are around a block.
        """
        by_mark: dict[int, list[tuple[int, Needle]]] = {}
        longest = 1
        for number, text in enumerate(texts):
            mark = next((mark for mark in marks if mark in text), None)
            if mark is None or 0 in text:
                raise ValueError(f"{text!r} has none of the marks {marks!r}, or a zero byte")
            by_mark.setdefault(mark, []).append((number, Needle.of(text, mark)))
            longest = max(longest, len(text))
        return cls(by_mark, longest)

    def within(self, data: Any, low: int, high: int, step: int) -> Iterator[tuple[int, Numbers]]:
        """Numbers of texts and where they begin in data[low:high]; of one text in order, overlapping ones too."""
        for begin in range(low, high, step):
            for number, places in self.inside(data[begin : min(begin + step + self.longest - 1, high)]):
                yield number, begin + places[places < step]  # the others are the next block's

    def inside(self, block: bytes) -> Iterator[tuple[int, Numbers]]:
        """The same of a few bytes."""
        plain, room = np.frombuffer(block, np.uint8), bytes(self.longest + WORD)
        words = np.ndarray(len(block) + 2 * len(room) - WORD, "<u8", room + block + room, strides=(1,))
        here = words[len(room) - BEFORE :]  # a word for each byte, as it stands around that byte
        for mark, needles in self.by_mark.items():
            marks = np.flatnonzero(plain == mark)
            around = here[marks]
            for number, needle in needles:
                found = marks[(around & needle.around.mask) == needle.around.word]
                for piece in needle.others if found.size else ():
                    found = found[(words[found + (len(room) + piece.at)] & piece.mask) == piece.word]
                if found.size:
                    yield number, found - needle.at


def every_place(text: bytes | str, data: Any, low: int, high: int) -> Iterator[int]:
    """Where a single text begins in data[low:high], in order; overlapping ones too."""
    at = data.find(text, low, high)
    while at >= 0:
        yield at
        at = data.find(text, at + 1, high)
