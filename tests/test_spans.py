"""The rows of spans that the page is made from say what the table says, in numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from tracekit import frames
from tracekit.report.scale import Axis, tenths
from tracekit.report.spans import Span, interval_rows, span_rows
from tracekit.schema import SPANS, frame
from tracekit.trace import read_trace

T = pd.Timestamp("2026-11-22 17:00:00.123456")


def made(**cells: object) -> Span:
    """One row of SPANS, that of an open call without a parent or a name, but for some cells."""
    known = {"span": 0, "depth": 0, "kind": "call", "start": T, "status": "open", "ends": "open", "attributes": {}}
    (row,) = span_rows(frame(SPANS, {name: [(known | cells).get(name)] for name in SPANS}))
    return row


def test_what_is_not_known_is_told_from_every_number() -> None:
    row = made()
    assert (row.parent, row.name) == (-1, "")
    assert (row.stop, row.end, row.is_open, row.took) == (frames.NEVER, None, True, 0.0)
    assert math.isnan(row.own)


def test_times_are_exact_to_the_microsecond() -> None:
    length = pd.Timedelta(microseconds=1)
    row = made(end=T + length, duration=length, self_time=length, ends="logged")
    assert (row.start, row.end, row.stop - row.begin, row.is_open) == (T, T + length, 1, False)
    assert row.took == row.own == 1e-6


@pytest.mark.parametrize("log", ["4.18/a-healthy", "4.23/f-insufficient-capacity"])
def test_rows_say_what_the_table_says(samples: Path, log: str) -> None:
    table = read_trace([str(samples / log / "management-server.log")]).spans
    rows = span_rows(table)
    assert [(row.span, row.depth, row.kind) for row in rows] == list(
        zip(table["span"], table["depth"], table["kind"], strict=True)
    )
    assert [row.parent for row in rows] == table["parent"].fillna(-1).tolist()
    assert [row.start for row in rows] == table["start"].tolist()
    lengths = (length.total_seconds() if length else 0.0 for length in frames.plain_cells(table["duration"]))
    assert [row.took for row in rows] == list(lengths)


def test_a_ledger_adds_up_as_its_table_does(samples: Path) -> None:
    table = read_trace([str(samples / "4.18/a-healthy" / "management-server.log")]).ledger
    rows = interval_rows(table)
    assert [(row.start, row.end) for row in rows] == list(zip(table["start"], table["end"], strict=True))
    assert [row.span for row in rows] == table["span"].fillna(-1).tolist()
    assert sum(row.stop - row.begin for row in rows) == (table["end"] - table["start"]).sum() // pd.Timedelta("1us")
    assert all(row.took == (row.end - row.start).total_seconds() for row in rows)


@pytest.mark.parametrize(
    ("after", "said"), [(-1, 0.0), (0, 0.0), (1, 0.00005), (500_000, 25.0), (2_000_000, 100.0), (3_000_000, 100.0)]
)
def test_an_axis_keeps_every_time_within_the_drawing(after: int, said: float) -> None:
    begin = frames.micros(T)
    assert Axis(begin, 2.0).at(begin + after) == pytest.approx(said)
    assert Axis(begin, 0.0).at(begin + after) == 0.0
    assert Axis(begin, 2.0).start == T


@pytest.mark.parametrize(("value", "said"), [(0, "0"), (0.04, "0"), (12.34, "12.3"), (99.96, "100"), (100.0, "100")])
def test_tenths_have_one_decimal_at_most(value: float, said: str) -> None:
    assert tenths(value) == said
