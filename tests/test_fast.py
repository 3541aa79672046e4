"""The compiled scanner reads what the derived patterns read: random patterns, damaged lines, whole logs."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

pytest.importorskip("numba", reason="tracekit[fast] is not installed", exc_type=ImportError)

from tracekit import parse as parsing
from tracekit.parse import parallel, parse
from tracekit.parse.dialect import Dialect, detect, load_dialects
from tracekit.parse.events import Events, sliced
from tracekit.parse.fast import machine, tables as made
from tracekit.parse.fast.classes import UnknownError
from tracekit.parse.fast.interning import interned
from tracekit.parse.fast.program import Pool, program
from tracekit.parse.fast.scanner import scan_compiled
from tracekit.parse.fast.tables import Tables
from tracekit.parse.fast.threads import scan_threads
from tracekit.parse.grammar import Messages, load_messages
from tracekit.parse.scan import Dispatch, Scanned, dispatch_of, scan
from tracekit.processes import Forked
from tracekit.quality import Collector
from tracekit.read.files import open_sources
from tracekit.resources import grammars

WHOLE = settings(suppress_health_check=list(HealthCheck))
ATOM = st.sampled_from(["a", "b", "ab", "ba", " ", "[ab]", "[^a]", "[^b\\n]", ".", "\\w", "\\s", "\\d", "1", "\\n"])
TIMES = st.sampled_from(["+", "*", "?", "+?", "*?", "{2}", "{1,2}", "{0,2}?"])


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Patterns made of patterns, in all ways that derived ones use."""
    parts = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        parts.map("".join),
        parts.map(lambda each: f"(?:{'|'.join(each)})"),
        inner.map(lambda one: f"(?>{one})"),
        st.tuples(inner, TIMES).map(lambda both: f"(?:{both[0]}){both[1]}"),
        st.tuples(inner, st.sampled_from(["(?={})", "(?!{})"])).map(lambda both: both[1].format(both[0])),
        st.sampled_from(["\\b", "$", "\\Z"]),
    )


PATTERN = st.recursive(st.tuples(ATOM, TIMES | st.just("")).map("".join), wrapped, max_leaves=8)
GROUPS = st.lists(st.tuples(st.booleans(), st.booleans(), PATTERN), min_size=1, max_size=4)
TEXT = st.text("aab b1\n", max_size=12).map(str.encode)


def matched(pattern: str, text: bytes, number: int) -> tuple[int, list[int]]:
    """Where the machine's match ends, and its groups."""
    pool = Pool()
    code = program(pattern.encode(), pool, list(range(number)), header=False)
    groups, stack = np.full(2 * number + 1, -1, dtype=np.int64), np.empty((machine.DEPTH, 4), dtype=np.int64)
    data = np.frombuffer(b"a" + text + b"a", dtype=np.uint8)
    end = machine.match(made.programs_of(code, pool), 0, data, 1, 1 + len(text), groups, stack)
    return int(end), groups[:-1].tolist()


@WHOLE
@given(GROUPS, TEXT)
@example([(True, False, "(?>a+?(?=b))"), (True, True, "b"), (False, False, "(?:ab|a)+")], b"aabaab")
def test_a_pattern_reads_what_re_reads(parts: list[tuple[bool, bool, str]], text: bytes) -> None:
    pattern = ""
    for group, optional, part in parts:
        inner = f"({part})" if group else f"(?:{part})"
        pattern += f"(?:{inner})?" if optional else inner
    try:
        end, groups = matched(pattern, text, sum(group for group, *_ in parts))
    except UnknownError:
        assume(False)
    found = re.compile(pattern.encode()).fullmatch(b"a" + text + b"a", 1, 1 + len(text))
    assert (end >= 0) == (found is not None)
    if found is not None:
        assert groups == [place for span in found.regs[1:] for place in span]


def test_what_needs_too_many_other_ways_is_left_to_re() -> None:
    text = b"a" * (2 * machine.DEPTH)
    assert matched("(?:ab?|a)+b", text, 0)[0] == machine.GIVEN_UP
    assert matched("(?>a+)", text, 0)[0] == 1 + len(text)


@pytest.mark.parametrize("pattern", ["(?<=a)b", "(?P<n>a)(?P=n)", "^a", "(?>(a))", "(?:a*)+", "(?:(?=a))*"])
def test_what_the_machine_cannot_do_is_said(pattern: str) -> None:
    with pytest.raises(UnknownError):
        program(pattern.encode(), Pool(), [0, 1], header=False)


@cache
def known() -> tuple[Messages, list[Dialect], Dispatch, Tables]:
    messages, dialects = load_messages(grammars()), load_dialects(grammars())
    dispatch = dispatch_of(messages)
    return messages, dialects, dispatch, made.tables(dispatch, dialects)


def same(one: Scanned, two: Scanned) -> None:
    for name in ("starts", "bodies", "ts"):
        assert np.array_equal(getattr(one.heads, name), getattr(two.heads, name), equal_nan=name == "ts"), name
    assert one.heads.columns.keys() == two.heads.columns.keys()
    for name, column in one.heads.columns.items():
        assert column.list() == two.heads.columns[name].list(), name
    assert np.array_equal(one.lines, two.lines)
    assert np.array_equal(one.rules, two.rules)
    assert (one.low, one.end, one.first_line, one.heads.dialects) == (
        two.low,
        two.end,
        two.first_line,
        two.heads.dialects,
    )


def both(data: bytes, tables: Tables | None = None, dialect: Dialect | None = None) -> Scanned:
    """Scan by `re` and by the machine, which must agree."""
    messages, dialects, dispatch, usual = known()
    dialect = dialect or detect(data, dialects)[0]
    assert dialect is not None
    others = [other for other in dialects if other.mixes]
    one, two = Events(messages), Events(messages)
    slow = scan(data, dialect, dispatch, one, 0, others)
    quick = scan_compiled(data, dialect, dispatch, tables or usual, two, others, (0, len(data)))
    same(slow, quick)
    assert one.equals(two)
    return quick


def logs(samples: Path) -> Iterator[bytes]:
    for path in sorted(samples.rglob("*.log*")):
        yield gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_every_sample_log_is_read_as_re_reads_it(samples: Path) -> None:
    assert sum(len(both(data).starts) for data in logs(samples)) > 10_000


def test_the_machine_knows_every_rule_and_header() -> None:
    _, dialects, _, tables = known()
    assert (tables.lookup.entries >= 0).all()
    assert set(tables.headers) == {dialect.grammar.name for dialect in dialects}


def test_what_the_machine_does_not_know_is_read_by_re(healthy: Path) -> None:
    tables = known()[3]
    some = tables.lookup.entries.copy()
    some[::2] = made.UNKNOWN
    both(healthy.read_bytes(), tables._replace(headers={}, lookup=tables.lookup._replace(entries=some)))


def test_a_log_that_changes_its_layout(samples: Path) -> None:
    old = (samples / "4.18/a-healthy/management-server.log").read_bytes()
    new = (samples / "4.23-kvm/a-healthy/management-server.log").read_bytes()
    assert len(both(old + new + old).heads.dialects) == 2


@cache
def lines() -> list[bytes]:
    """A line of every rule's sample, behind a header of one of the layouts."""
    messages, dialects, _, _ = known()
    heads = [sample["line"] for dialect in dialects for sample in dialect.samples]
    said = [sample["line"] for samples in messages.samples.values() for sample in samples]
    head = "2026-11-22 17:05:02,300 DEBUG [o.a.c.A] (A-{0}:[ctx-{0:08x}, job-{0}]) (logid:{0:08x}) "
    return [line.encode() for line in (*heads, *(head.format(at) + line for at, line in enumerate(said)))]


EDIT = st.tuples(
    st.integers(0, 10**6), st.integers(0, 4), st.sampled_from([b"", b" ", b"\n", b"]", b"\xff", b"9", b"job-7"])
)


@settings(WHOLE, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.lists(EDIT, max_size=3)), min_size=5, max_size=60), st.booleans())
def test_damaged_lines_are_read_as_re_reads_them(chosen: list[tuple[int, list[Any]]], ends: bool) -> None:
    made = []
    for number, edits in chosen:
        line = lines()[number % len(lines())]
        for place, length, text in edits:
            at = place % (len(line) + 1)
            line = line[:at] + text + line[at + length :]
        made.append(line)
    data = b"\n".join(made) + b"\n" * ends
    if data:
        for dialect in known()[1][:: len(made)]:
            both(data, dialect=dialect)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_trace_does_not_depend_on_who_reads(
    samples: Path, monkeypatch: pytest.MonkeyPatch, threads: int, tmp_path: Path
) -> None:
    monkeypatch.setattr(parallel, "LEAST", 0)
    monkeypatch.setattr(parsing, "LEAST", 0)
    monkeypatch.setattr(parsing, "COMPILED", 0)
    monkeypatch.setattr(parallel, "usable", lambda _: threads)
    paths = [str(path) for path in sorted(samples.rglob("4.23-kvm/*/management-server.log"))]
    one, two = (parse(open_sources(paths), Collector(), compiled=compiled) for compiled in (True, False))
    pd.testing.assert_frame_equal(one.records, two.records)
    assert one.events.equals(two.events)
    assert one.files == two.files
    pd.testing.assert_frame_equal(one.events.table(), two.events.table())


def test_who_has_the_loops_compiled_reads_the_same(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, dialects, dispatch, tables = known()
    data, forks = healthy.read_bytes(), list[bool]()
    dialect, _ = detect(data, dialects)
    assert dialect is not None

    class Counted(Forked):
        def result(self) -> Any:
            forks.append(super().result())
            return forks[-1]

    def scanned() -> tuple[Any, Any]:
        events = Events(messages)
        part = parallel.scan_large(data, dialect, dispatch, tables, events, 0, [], (0, len(data)))
        assert len(part.starts) > 1000
        return parallel.packed_of(part, events), events.packed()

    monkeypatch.setattr(parallel, "LEAST", 0)
    monkeypatch.setattr(parallel, "Forked", Counted)
    monkeypatch.setattr(parallel, "idle_core", lambda: True)
    made = []
    for there in (True, False):
        monkeypatch.setattr("tracekit.parse.fast.jit.is_compiled", lambda there=there: there)
        made.append(scanned())
    assert made[0] == made[1]
    assert forks == [True]


def test_who_interrupts_does_not_wait_for_the_loops(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, dialects, dispatch, tables = known()
    data, go_on = healthy.read_bytes(), threading.Event()

    def scanned(*given: Any) -> Scanned:
        if given[-1][0] == 0:
            raise KeyboardInterrupt
        go_on.wait()
        return scan_compiled(*given)

    monkeypatch.setattr("tracekit.parse.fast.threads.scan_compiled", scanned)
    try:
        with pytest.raises(KeyboardInterrupt):
            scan_threads(data, dialects[0], dispatch, tables, Events(messages), 0, [], [0, len(data) // 2, len(data)])
    finally:
        go_on.set()


def test_for_a_smaller_log_nothing_is_compiled(samples: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr(parsing, "LEAST", 0)
    monkeypatch.setattr(parallel, "LEAST", 0)
    monkeypatch.setattr("tracekit.parse.fast.tables.tables", lambda *_: asked.append("tables"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    log = str(samples / "4.23-kvm/a-healthy/management-server.log")
    for there in (False, True):
        folder = tmp_path / str(there)
        monkeypatch.setattr("tracekit.parse.fast.jit.machine_folder", lambda folder=folder: folder)
        if there:
            (folder / "fast").mkdir(parents=True)
            (folder / "fast" / "loop.nbi").touch()
        parse(open_sources([log]), Collector())
        assert bool(asked) is there


PLACES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=40)


@given(st.binary(min_size=1, max_size=60), PLACES)
def test_texts_are_the_same_whoever_cuts_them(data: bytes, places: list[tuple[int, int]]) -> None:
    starts = [place % len(data) for place, _ in places]
    spans = [(begin, min(begin + length, len(data))) for begin, (_, length) in zip(starts, places, strict=True)]
    begins, ends = (np.array([span[at] for span in spans], dtype=np.int64) for at in (0, 1))
    assert interned(data, begins, ends).list() == sliced(data, begins, ends).list()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"nothing"])
def test_a_damaged_cache_of_tables_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    _, dialects, dispatch, usual = known()
    few = Dispatch.of(dispatch.rules[:20])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = made.tables(few, dialects)
    (path,) = tmp_path.glob("tracekit/tables-*.npz")
    path.write_bytes(damage)
    second = made.tables(few, dialects)
    assert first.headers == second.headers == made.tables(few, dialects).headers
    for name, array in first.lookup._asdict().items():
        assert np.array_equal(array, getattr(second.lookup, name)), name
    assert len(usual.lookup.entries) > 20
