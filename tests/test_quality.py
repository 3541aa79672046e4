"""Counters: one row a name, in the order seen, in the table's schema."""

from __future__ import annotations

import pytest

from tracekit.errors import SchemaError
from tracekit.quality import Collector
from tracekit.schema import QUALITY, check


def test_counts_add_up_and_the_first_example_stays() -> None:
    quality = Collector()
    quality.add("step back in time", "note", 3, example="first", where="a.log:7")
    quality.add("torn line", "warning")
    quality.add("step back in time", "note", 4, example="second", where="a.log:9")
    table = quality.frame()
    assert table["counter"].tolist() == ["step back in time", "torn line"]
    assert table["count"].tolist() == [7, 1]
    assert table["example"].iloc[0] == "first"
    assert table["where"].iloc[0] == "a.log:7"
    assert table[["example", "where"]].isna().iloc[1].all()


def test_a_collector_without_counters_is_an_empty_table_of_the_schema() -> None:
    table = Collector().frame()
    assert len(table) == 0
    check(table, QUALITY, "quality")


def test_extend_adds_what_another_step_counted() -> None:
    first, second = Collector(), Collector()
    first.add("torn line", "warning", 2, example="x")
    second.add("torn line", "warning", 5, example="y")
    second.add("unknown", "note")
    first.extend(second)
    assert [(row.counter, row.count, row.example) for row in first.rows()] == [
        ("torn line", 7, "x"),
        ("unknown", 1, None),
    ]


def test_a_severity_that_is_none_is_a_defect() -> None:
    with pytest.raises(SchemaError, match="fatal"):
        Collector().add("x", "fatal")
