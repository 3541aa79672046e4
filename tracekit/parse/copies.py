"""Records that the input has twice: pieces of one log that overlap, in files of their own or put behind one another;
and a log that several appenders write to, so that each line stands there several times.

A record is left out where it is another one to the byte, its time stamp and thread among them, and so are the records
around it: a thread may well say the same twice in a millisecond.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.frames import NEVER, Numbers, instants, spread, stretches
from tracekit.parse.chain import SECOND, Layout
from tracekit.parse.events import Events
from tracekit.parse.frame import chosen
from tracekit.quality import Collector

Flags = npt.NDArray[np.bool_]
AGAIN = 8  # records in a row that are no copies by chance, wherever they stand
PIECES = 1000  # at most; more are a clock that steps back all the time
CROWD = 1000  # records of one time that are looked at
SEVERAL = 20  # records that one may be a copy of
NEAR = 8  # records between a line of one appender and that of another, at most
MANY = 20  # records in a row most of which stand there several times
DIFFERENT = 10  # texts that they have at least
MOST = 0.9  # of them, and of their texts
TIMES = (2, 3, 4)  # how often each of them may stand there


class Records(NamedTuple):
    """The records of all sources in the order in which they stand there, as arrays. A piece of the log ends where its
    source ends or where the clock steps back by more than threads do that write at the same time.
    """

    data: Sequence[Any]  # of each source
    source: npt.NDArray[Any]  # number in `data`
    begins: Numbers
    length: Numbers  # bytes
    ts: Numbers  # microseconds, NEVER where unknown
    thread: npt.NDArray[Any]
    pieces: Numbers  # the first record of each piece, and how many records there are

    @classmethod
    def of(cls, records: pd.DataFrame, layouts: Sequence[Layout]) -> Self:
        """From the table that `frame.joined` gives, of the sources of `layouts`."""
        data = {layout.source.path: layout.source.data for layout in layouts}
        source, ts = records["source"].cat.codes.to_numpy(), instants(records["ts"])
        firsts, _ = stretches((source[1:] == source[:-1]) & (ts[1:] > ts[:-1] - SECOND), len(source))
        return cls(
            [data[path] for path in records["source"].cat.categories],
            source,
            records["offset"].to_numpy(),
            records["length"].to_numpy(),
            ts,
            records["thread"].cat.codes.to_numpy(),
            np.append(firsts, len(source)),
        )

    def piece(self, numbers: Any) -> Any:
        """The piece that a record, or each of several, is in."""
        return np.searchsorted(self.pieces, numbers, side="right") - 1

    def end(self, numbers: Any) -> Any:
        """Behind the last record of that piece."""
        return self.pieces[self.piece(numbers) + 1]

    def text(self, number: int) -> bytes:
        """A record without its last newline."""
        begin = int(self.begins[number])
        raw: bytes = self.data[self.source[number]][begin : begin + int(self.length[number])]
        return raw.rstrip(b"\r\n")

    def goes_on(self, torn: int, whole: int) -> bool:
        """Whether the text of a record is what stands from another one on."""
        text, begin = self.text(torn), int(self.begins[whole])
        return bool(text == self.data[self.source[whole]][begin : begin + len(text)])


def without_copies(
    records: pd.DataFrame, events: Events, layouts: Sequence[Layout], quality: Collector
) -> tuple[pd.DataFrame, Events, list[Layout]]:
    """The same without what stands there twice, and without files of which nothing is left. `quality` counts it."""
    known = Records.of(records, layouts)
    overlapping = overlaps(known)
    kept = np.flatnonzero(~overlapping)
    repeated = np.zeros(len(records), dtype=np.bool_)
    repeated[kept] = doubled(known, kept)
    copies = overlapping | repeated
    if not copies.any():
        return records, events, list(layouts)
    count(quality, "records left out: another piece has them", records, overlapping)
    count(quality, "records left out: printed once more", records, repeated)
    left, events = chosen(records, events, np.flatnonzero(~copies))
    left["source"] = left["source"].cat.remove_unused_categories()
    return left, events, [timed for layout in layouts if (timed := left_of(layout, left))]


def count(quality: Collector, counter: str, records: pd.DataFrame, copies: Flags) -> None:
    """Count copies, where there are any."""
    if copies.any():
        first = records.iloc[int(copies.argmax())]
        quality.add(counter, "note", int(copies.sum()), where=f"{first['source']}:{first['line']}")


def left_of(layout: Layout, records: pd.DataFrame) -> Layout | None:
    """The layout of a source with the times of the records that are left of it; None where none is."""
    ts = records.loc[records["source"] == layout.source.path, "ts"]
    if not len(ts):
        return None
    known = ts.dropna().to_numpy().astype("datetime64[us]")
    return layout._replace(first=known[0], last=known[-1]) if len(known) else layout


def overlaps(known: Records) -> Flags:
    """Records of a piece that another piece has, too: from the record with which one of them begins they are the same
    until one of them ends.
    """
    copies = np.zeros(len(known.ts), dtype=np.bool_)
    behind = 0  # the last ones
    for head, others in pairs(known):
        if head >= behind:
            count, torn = max(run(known, other, head) for other in others)
            copies[head : head + count] = True
            copies[torn] = True
            behind = head + count
    return copies


def pairs(known: Records) -> Iterator[tuple[int, list[int]]]:
    """Records with which copies may begin, in order, and the earlier ones of which each may be a copy: of the same time
    and thread in another piece, where one of the two begins its piece.
    """
    begins = known.pieces[:-1]
    begins = begins[known.ts[begins] != NEVER]
    if not 1 < len(begins) <= PIECES:
        return
    order = np.argsort(known.ts, kind="stable")
    low, high = (np.searchsorted(known.ts, known.ts[begins], side, sorter=order) for side in ("left", "right"))
    of, within = spread(np.minimum(high - low, CROWD))
    ones, others = begins[of], order[low[of] + within]
    same = (known.piece(ones) != known.piece(others)) & (known.thread[ones] == known.thread[others])
    torn = (known.end(ones) == ones + 1) | (known.end(others) == others + 1)  # each may be
    same &= torn | (known.length[ones] == known.length[others])
    made: dict[int, set[int]] = {}
    for one, other in zip(ones[same].tolist(), others[same].tolist(), strict=True):
        made.setdefault(max(one, other), set()).add(min(one, other))
    for head in sorted(made):
        yield head, sorted(made[head])[:SEVERAL]


def run(known: Records, one: int, head: int) -> tuple[int, list[int]]:
    """How many records from `head` on are those from `one` on, and which record beside them is a torn one of the other
    piece; none where so few may be the same by chance.
    """
    end, last = int(known.end(one)), int(known.end(head))
    most, count = min(end - one, last - head), 0
    while count < most and known.text(one + count) == known.text(head + count):
        count += 1
    there, here = one + count, head + count  # the first two that differ
    if there + 1 == end and here < last and known.goes_on(there, here):
        return count, [there]
    if here + 1 == last and there < end and known.goes_on(here, there):
        return count + 1, []
    return (count if count >= AGAIN or there == end or here == last else 0), []


def doubled(known: Records, kept: Numbers) -> Flags:
    """Which of the records at `kept` say once more what an appender has written."""
    copies = np.zeros(len(kept), dtype=np.bool_)
    again = np.flatnonzero(near_twins(known, kept))
    for first, last in zip(*(edge.tolist() for edge in stretches(np.diff(again) <= NEAR, len(again))), strict=True):
        begin, end = int(again[first]), int(again[last]) + 1
        # Where time stamps are whole seconds the same may well be said twice at one time: a client polls.
        exact = (known.ts[kept[begin:end]] % SECOND).any()
        if exact and last + 1 - first >= max(MANY, MOST * (end - begin)):
            copies[begin:end] = further(list(map(known.text, kept[begin:end].tolist())))
    return copies


def near_twins(known: Records, kept: Numbers) -> Flags:
    """Which of the records at `kept` have another near them that may be the same."""
    made = np.zeros(len(kept), dtype=np.bool_)
    # One number for what three columns say: by chance others may have it, too, and texts are compared in the end.
    number = (known.ts ^ known.length << 20 ^ known.thread.astype(np.int64) << 40)[kept]
    for apart in range(1, min(NEAR, len(kept) - 1) + 1):
        same = number[:-apart] == number[apart:]
        made[:-apart] |= same
        made[apart:] |= same
    return made


def further(texts: Sequence[bytes]) -> Flags:
    """Which of these texts, nearly all of which stand there equally often, are no first ones."""
    counts = Counter(texts)
    fits = (times for times in TIMES if sum(many % times == 0 for many in counts.values()) >= MOST * len(counts))
    times = next(fits, 1) if len(counts) >= DIFFERENT else 1
    seen: defaultdict[bytes, Iterator[int]] = defaultdict(itertools.count)
    return np.array([next(seen[text]) % times > 0 for text in texts], dtype=np.bool_)
