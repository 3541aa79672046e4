"""A log of which pieces overlap, or whose lines are printed several times, tells what it tells without."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings, strategies as st

from generator.reading import grammars_once, write
from tracekit.parse import Parsed, parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.trace import Trace, read_trace

pytestmark = pytest.mark.usefixtures("grammars_read")
COUNTERS = ("records left out: another piece has them", "records left out: printed once more")
LONG = 10_000  # bytes, as a record may have
SHARE = st.floats(0, 1)


@pytest.fixture(scope="module")
def trace(healthy: Path) -> Trace:
    return read_trace([str(healthy)])


@pytest.fixture(scope="module")
def grammars_read() -> object:
    with grammars_once():
        yield


class Log(list[bytes]):
    """The records of a log, which a test that fails does not print."""

    __repr__ = object.__repr__


@pytest.fixture(scope="module")
def records(healthy: Path) -> Log:
    """The records of a real log."""
    return Log(texts(parse(open_sources([str(healthy)]), Collector())))


def texts(parsed: Parsed) -> list[bytes]:
    """The records in the order in which they are read."""
    columns = (parsed.records[name] for name in ("source", "offset", "length"))
    return [parsed.sources[source].slice(offset, length) for source, offset, length in zip(*columns, strict=True)]


def read(*files: bytes) -> tuple[list[bytes], int]:
    """The records that are read of these files, and how many copies were counted."""
    quality = Collector()
    with TemporaryDirectory() as folder:
        made = texts(parse(open_sources(write(Path(folder), files)), quality))
    return made, sum(row.count for row in quality.rows() if row.counter in COUNTERS)


def overlapping(records: list[bytes], at: tuple[float, float]) -> tuple[list[bytes], list[bytes]]:
    """Two pieces that have all records, those between two places both of them."""
    low, high = sorted(1 + round(share * (len(records) - 2)) for share in at)
    return records[:high], records[low:]


def time(record: bytes) -> datetime:
    """The time stamp of a record."""
    return datetime.fromisoformat(record[:23].decode().replace(",", "."))


@settings(max_examples=30)
@given(st.tuples(SHARE, SHARE), st.booleans(), st.booleans())
def test_what_two_pieces_have_is_read_once(
    records: list[bytes], at: tuple[float, float], turned: bool, together: bool
) -> None:
    first, second = overlapping(records, at)
    shared = len(first) + len(second) - len(records)
    # In one file the clock steps back by less in any log.
    assume(turned or not together or not shared or time(first[-1]) - time(second[0]) > timedelta(seconds=2))
    files = [b"".join(piece) for piece in ((second, first) if turned else (first, second))]
    made, copies = read(b"".join(files)) if together else read(*files)
    assert Counter(made) == Counter(records)
    assert copies == shared
    if not (turned and together):  # a few lines that stand behind later ones are no piece
        assert all(time(one) - time(other) < timedelta(seconds=1) for one, other in pairwise(made))


@settings(max_examples=25)
@given(st.tuples(SHARE, SHARE))
def test_pieces_may_be_cut_inside_a_line(records: list[bytes], at: tuple[float, float]) -> None:
    whole = b"".join(records)
    begins = list(accumulate(map(len, records), initial=0))
    low, high = sorted(round(begins[2] + share * (begins[-3] - begins[2])) for share in at)
    assume(high - low > 4 * LONG)
    made, _ = read(whole[:high], whole[low:])
    assert Counter(made) == Counter(records)


def test_a_piece_inside_a_file_is_that_file(records: list[bytes], healthy: Path) -> None:
    made, copies = read(b"".join(records), b"".join(records[300:700]))
    assert (made, copies) == (records, 400)


def several(records: list[bytes], times: int, late: list[int]) -> bytes:
    """Each record printed by several appenders, the others of which are up to so many records late."""
    first = [(number, 0, number) for number in range(len(records))]
    others = [(number + late[number % len(late)], 1, number) for number, _, _ in first * (times - 1)]
    return b"".join(records[number] for _, _, number in sorted(first + others))


@settings(max_examples=15)
@given(st.integers(2, 3), st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_what_several_appenders_print_is_read_once(records: list[bytes], times: int, late: list[int]) -> None:
    made, copies = read(several(records, times, late))
    assert Counter(made) == Counter(records)
    assert copies == (times - 1) * len(records)


def test_the_tables_are_those_of_the_log_alone(records: list[bytes], tmp_path: Path, trace: Trace) -> None:
    # Where nothing was written for a while: no two pieces have a line of the same time.
    cut = next(at for at in range(500, 700) if time(records[at]) - time(records[at - 1]) > timedelta(seconds=0.1))
    old, new, all_but_few = (b"".join(part) for part in (records[:cut], records[cut:], records[300:]))
    for files in ([old, all_but_few], [several(records, 2, [0])], [new + old], [new + old + all_but_few]):
        made = read_trace(write(tmp_path, files))
        for name in ("operations", "jobs", "commands", "ledger", "spans", "told", "findings"):
            # The end of what a line tells is a byte of the file.
            own, other = (getattr(one, name).drop(columns="end" if name == "told" else []) for one in (made, trace))
            assert own.equals(other), name


def test_no_sample_log_has_copies(samples: Path) -> None:
    paths = list(samples.rglob("*.log*"))
    assert len(paths) > 5
    for path in paths:
        quality = Collector()
        parse(open_sources([str(path)]), quality)
        assert {row.counter for row in quality.rows()}.isdisjoint(COUNTERS), path


def test_what_one_thread_says_again_and_again_stays(records: list[bytes]) -> None:
    again = [record for record in records[:400] for _ in range(1 + 3 * (record == records[100]))]
    assert read(b"".join(again)) == (again, 0)


def test_a_client_that_polls_twice_a_second_did_so(records: list[bytes]) -> None:
    polls = [record[:19] + b",000" + record[23:] for record in records[:300] for _ in range(2)]
    assert read(b"".join(polls)) == (polls, 0)


def test_a_clock_that_was_set_back_does_not_change_the_order(records: list[bytes]) -> None:
    """As when summer ends: what was written in the second hour is none of the first."""
    for back in (timedelta(seconds=3), timedelta(hours=1)):
        stamps = [(time(record) - back).isoformat(" ", "milliseconds").replace(".", ",") for record in records[400:]]
        later = [stamp.encode() + record[23:] for stamp, record in zip(stamps, records[400:], strict=True)]
        assert read(b"".join(records[:400] + later)) == (records[:400] + later, 0)
