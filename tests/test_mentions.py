"""Of several events that mean the same about one thing the first or the last, and what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tracekit.build.mentions import Mentions, coalesced

WORDS = ("begin", "end", "other")
EVENTS = pd.DataFrame(
    {
        "means": pd.array(["end", "begin", "begin", "end", "begin", "end"], dtype="str"),
        "record": np.array([3, 5, 8, 13, 21, 34]),
        "NUMBER": pd.array([None, None, 2, 4, 6, 8], dtype="Int64"),
        "NAME": pd.array(["a", "b", None, "d", "e", "f"], dtype="str"),
        "thread": pd.Categorical(["t1", None, "t2", "t1", "t1", "t2"]),
        "ts": np.array([1, 2, 3, 4, 5, 6], dtype="datetime64[us]"),
    }
)
ABOUT = np.array([0, 2, 0, 2, 0, -1])  # nothing is said of the second thing


@pytest.fixture
def told() -> Mentions:
    return Mentions.of(EVENTS, WORDS, ABOUT, 3)


def test_rows(told: Mentions) -> None:
    assert told.first("begin").tolist() == [2, -1, 1]
    assert told.last("begin").tolist() == [4, -1, 1]
    assert told.first("end").tolist() == told.last("end").tolist() == [0, -1, 3]
    assert told.first("other").tolist() == [-1, -1, -1]
    assert told.first("other", "end", "begin").tolist() == [0, -1, 3]


def test_what_rows_say(told: Mentions) -> None:
    begin, end = told.first("begin"), told.first("end")
    assert told.said("record", begin).tolist() == [8, pd.NA, 5]
    assert told.said("NUMBER", end, begin).tolist() == [2, pd.NA, 4]
    assert told.said("NAME", begin, end).isna().tolist() == [False, True, False]
    assert told.said("NAME", begin, end)[[0, 2]].tolist() == ["a", "b"]
    assert told.said("thread", begin, end)[[0, 2]].tolist() == ["t2", "t1"]
    assert told.said("ts", begin).astype("datetime64[us]").isna().tolist() == [False, True, False]


@pytest.mark.parametrize("column", [name for name in EVENTS if name != "record"])
def test_what_is_said_has_the_type_of_the_column(told: Mentions, column: str) -> None:
    assert told.said(column, told.first("begin")).dtype == EVENTS[column].dtype
    assert told.said(column, told.first("other")).isna().all()


def test_the_next_one_is_asked_where_nothing_is_known(told: Mentions) -> None:
    begin, end = (told.said("NUMBER", told.first(word)) for word in ("begin", "end"))
    assert coalesced(begin, end).tolist() == [2, pd.NA, 4]
    assert coalesced(end, begin).tolist() == [2, pd.NA, 4]
    assert end.tolist() == [pd.NA, pd.NA, 4]


def test_without_events_nothing_is_said() -> None:
    none = Mentions.of(EVENTS.iloc[:0], WORDS, ABOUT[:0], 0)
    assert all(len(none.said(name, none.first("begin"), none.last("end"))) == 0 for name in EVENTS)
