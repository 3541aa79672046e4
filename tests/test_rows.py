"""Rows whose columns are made when asked for, and what is built of them: pairs, and what goes with a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tracekit.diagnose.pairs import pairs
from tracekit.diagnose.rows import EVERY, Rows
from tracekit.diagnose.select import Overlap


def rows(**columns: list[Any]) -> Rows:
    """Rows with these columns."""
    return Rows.of(pd.DataFrame(columns))


def at(*seconds: int) -> list[pd.Timestamp]:
    """Times on one day."""
    return [pd.Timestamp("2026-03-01") + pd.Timedelta(seconds=s) for s in seconds]


def test_a_column_is_made_for_the_rows_that_are_left() -> None:
    asked: list[Any] = []

    def make(chosen: Any) -> Any:
        asked.append(chosen)
        return np.arange(100)[chosen]

    left = Rows(100, {"a": make}).take(np.array([5, 50, 70])).take(np.array([0, 2]))
    assert asked == []
    assert left["a"].tolist() == [5, 70]
    assert left["a"].tolist() == [5, 70]
    assert [part.tolist() for part in asked] == [[5, 70]]


def test_a_column_that_was_made_whole_is_not_made_again() -> None:
    asked: list[Any] = []

    def make(chosen: Any) -> Any:
        asked.append(chosen)
        return np.arange(100)[chosen]

    whole = Rows(100, {"a": make})
    assert len(whole["a"]) == 100
    assert whole.take(np.array([5, 50]))["a"].tolist() == [5, 50]
    assert asked == [EVERY]


def test_columns_beside_and_instead_of_others() -> None:
    made = rows(a=[1, 2, 3], b=[4, 5, 6]).take(np.array([2, 0])).having(b=np.array([7, 8]).__getitem__)
    assert made.names == {"a", "b"}
    assert "a" in made
    assert "c" not in made
    assert made.where(np.array([False, True]))["a"].tolist() == [1]
    assert made.where(np.array([False, True]))["b"].tolist() == [8]


def test_null_is_none_among_objects_and_in_keys() -> None:
    made = Rows.of(pd.DataFrame({"a": pd.Series([1, None, 1], dtype="Int64"), "b": ["x", None, "x"]}))
    assert made.objects("a").tolist() == [1, None, 1]
    assert {key: part.tolist() for key, part in made.by("a", "b").items()} == {(1, "x"): [0, 2], (None, None): [1]}
    assert {key: part.tolist() for key, part in made.by().items()} == {(): [0, 1, 2]}


def test_different_texts_are_those_of_texts_and_of_categories() -> None:
    for dtype in ("str", "category", "object"):
        made = Rows.of(pd.DataFrame({"a": pd.Series(["x", None, "y", "x"], dtype="object").astype(dtype)}))
        whole = made.different("a")
        few = made.take(np.array([1, 2])).different("a")
        assert whole[0][whole[1]].tolist() == ["x", None, "y", "x"]
        assert few[0][few[1]].tolist() == [None, "y"]


def test_of_many_names_only_those_of_the_rows_are_different() -> None:
    names = pd.Categorical(["x", None, "y"], categories=["w", "x", "y", "z"])
    different, codes = Rows.of(pd.DataFrame({"a": names})).different("a")
    assert set(different) == {"x", "y", None}
    assert different[codes].tolist() == ["x", None, "y"]


def test_a_pair_is_a_beginning_and_the_next_end_with_its_key() -> None:
    begins = rows(record=[1, 2, 5, 9], ts=at(1, 2, 5, 9), job=[7, 8, 7, 8], operation=["a", "b", "a", "b"])
    ends = rows(record=[3, 5, 6], ts=at(3, 5, 6), job=[7, 8, 7], operation=["a", "b", "a"])
    made = pairs(begins, ends, ("job",), None)
    assert made["record"].tolist() == [1, 2, 5]
    assert made["last"].tolist() == [3, 5, 6]
    assert made["end"].tolist() == at(3, 5, 6)
    whatever = pairs(begins, ends, (), None)
    assert whatever["last"].tolist() == [3, 3, 6]


def test_a_pair_without_an_end_lasts_as_long_as_its_operation() -> None:
    begins = rows(record=[1, 2], ts=at(1, 2), operation=["a", "b"])
    none = begins.take(np.empty(0, dtype=np.int64))
    over = pd.Series(at(20), index=["b"])
    assert pairs(begins, none, (), over)["end"].tolist() == at(20)
    assert pairs(begins, none, (), over).objects("last").tolist() == [None]
    assert len(pairs(begins, none, (), None)) == 0


def test_stretches_overlap_when_they_share_time() -> None:
    others = Overlap(np.array([5.0, 0.0, 8.0]), np.array([6.0, 3.0, np.nan]))
    assert others.any(2.0, 4.0)
    assert others.any(0.0, 9.0)
    assert not others.any(3.0, 5.0)
    assert not others.any(7.0, 9.0)
    assert not others.any(4.0, np.nan)
    assert not others.any(np.nan, 9.0)
