"""Columns of texts as codes, and events as places: the values that went in come out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from tracekit.build.mentions import with_records
from tracekit.frames import look_up, numbered
from tracekit.parse.coded import Coded, coded, concatenated
from tracekit.parse.events import Events, Rows, Texts
from tracekit.parse.grammar import load_messages
from tracekit.resources import grammars
from tracekit.schema import LISTED, frame, listed

COLUMN = st.lists(st.none() | st.binary(max_size=3))
NUMBERS = st.lists(st.none() | st.integers(-(2**62), 2**62))


@given(COLUMN, COLUMN)
def test_a_coded_column_has_the_values_that_it_was_given(one: list[bytes | None], two: list[bytes | None]) -> None:
    assert coded(one).list() == one
    assert len(set(coded(one).values)) == len(coded(one).values)
    whole = concatenated([coded(one), Coded.absent(2), coded(two)])
    assert whole.list() == [*one, None, None, *two]
    assert whole.take(np.arange(len(whole))[::-1]).list() == [*two[::-1], None, None, *one[::-1]]
    assert concatenated([whole, coded(two)]).used().list() == [*whole.list(), *two]


@given(COLUMN)
def test_a_category_has_the_decoded_values_in_order(values: list[bytes | None]) -> None:
    texts = [None if value is None else value.decode("utf-8", "replace") for value in values]
    made = coded(values).category()
    assert [None if pd.isna(text) else text for text in made] == texts
    assert list(made.categories) == sorted({text for text in texts if text is not None})
    assert [None if pd.isna(text) else text for text in coded(values).texts()] == texts


@given(NUMBERS)
def test_numbers_are_read_once_each(values: list[int | None]) -> None:
    made = coded([None if value is None else b"%d" % value for value in values]).numbers()
    assert [None if pd.isna(value) else int(value) for value in made] == values


def some_events() -> Events:
    events = Events(load_messages(grammars()))
    first, second = events.texts.add(b"job-1 and job-2\n"), events.texts.add(b"job-30\n")
    spans = np.array([[4, 5], [-1, -1]], dtype=np.int32)
    events.places = np.array([first, 0, first + 10, 0, 0, second])
    events.add("job_add", ("JOB",), Rows(np.array([0, 2], dtype=np.int32), spans))
    events.add("job_add", ("JOB",), Rows(np.array([5], dtype=np.int32), np.array([[4, 6]], dtype=np.int32)))
    return events


def test_values_are_cut_out_of_the_source_that_a_place_is_in() -> None:
    table = some_events().table(columns=["JOB"])
    assert table["record"].tolist() == [0, 2, 5]
    assert table["JOB"].dtype == "Int64"
    assert table["JOB"].fillna(0).tolist() == [1, 0, 30]


def test_what_is_known_of_a_column_is_what_it_says() -> None:
    cut = some_events().cutter(["job_add"])
    assert cut.known("JOB").tolist() == (~cut.column("JOB").isna()).tolist() == [True, False, True]
    assert not cut.known("UUID").any()
    assert cut.column("JOB", np.array([2, 0])).tolist() == [30, 1]


def test_a_column_that_nothing_fills_is_no_other() -> None:
    table = some_events().table(columns=["UUID", "JOB", "CLASS"])
    table.loc[1, "UUID"] = "some"
    assert table["UUID"].tolist()[1] == "some"
    assert table["CLASS"].isna().all()


def test_events_with_what_their_records_say() -> None:
    records = pd.DataFrame({"job": pd.array([7, None, 8, 9, 9, 9], dtype="Int64"), "ts": range(6)})
    made = with_records(some_events().cutter(["job_add"]), ["JOB"], records, "ts", in_job="job")
    assert list(made) == ["record", "JOB", "means", "ts", "in_job"]
    assert made[["ts", "in_job"]].values.tolist() == [[0, 7], [2, 8], [5, 9]]


DTYPES = ("int64", "Int64", "str", "object", "category", "datetime64[us]", "timedelta64[us]", "float64", "bool")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keys", [[2, 1], [1, 5, 2, None], [5], []])
def test_looked_up_is_what_stands_at_the_key(dtype: str, keys: list[int | None]) -> None:
    table = pd.Series([3, 4], index=[1, 2], name="value").astype(dtype)
    at = np.array([[1, 2].index(key) if key in (1, 2) else -1 for key in keys], dtype=np.int64)
    asked = pd.Series(keys, index=range(10, 10 + len(keys)), dtype="Int64")
    wanted = table.reset_index(drop=True).reindex(at).set_axis(asked.index)
    pd.testing.assert_series_equal(look_up(asked, table), wanted)
    if None not in keys:
        pd.testing.assert_series_equal(look_up(asked.astype("int64"), table), wanted)


def test_renumbered_events_are_in_the_order_of_their_new_numbers() -> None:
    numbers = np.array([3, -1, -1, -1, -1, 1])
    made = some_events().renumbered(numbers)
    assert made.table(columns=["JOB"])[["record", "JOB"]].values.tolist() == [[1, 30], [3, 1]]
    assert list(some_events().renumbered(np.full(6, -1))) == []


def test_packed_events_are_the_same_events() -> None:
    made, events = Events(load_messages(grammars())), some_events()
    made.places = events.places
    made.unpack(events.packed())
    assert made.equals(events)
    assert not made.equals(some_events().renumbered(np.arange(6)[::-1]))


def test_a_source_is_taken_in_once() -> None:
    texts, data = Texts(), b"abc"
    assert (texts.add(data), texts.add(b"de"), texts.add(data), texts.size) == (0, 3, 0, 5)


@pytest.mark.parametrize("dtype", ["str", "object"])
def test_numbers_of_texts_give_the_texts_back(dtype: str) -> None:
    texts = pd.Series(["b", None, "a", "b", None, ""], dtype=dtype)
    names, numbers = numbered(texts)
    assert numbers.tolist() == [0, 1, 2, 0, 1, 3]
    pd.testing.assert_series_equal(names.take(numbers).reset_index(drop=True), texts)
    assert [len(part) for part in numbered(texts[:0])] == [0, 0]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        *((dtype, values) for dtype in LISTED for values in ([], [None, None])),
        ("Int64", [3, None, 1 << 62, 3]),
        *((dtype, ["b", None, "", "a\u00e9", "b", float("nan")]) for dtype in ("str", "category")),
    ],
)
def test_a_list_is_what_a_series_of_it_is(dtype: str, values: list[object]) -> None:
    made, cast = pd.Series(listed(values, dtype)), pd.Series(values, dtype="object").astype(dtype)
    pd.testing.assert_series_equal(made, cast)


def test_a_frame_has_the_columns_of_its_schema_and_null_for_those_that_are_not_given() -> None:
    for some in ([], [7, 8], range(7, 9), np.array([7, 8]), pd.array([7, 8], dtype="Int64"), pd.Series([7, 8])):
        made = frame({"a": "int64", "b": "category", "c": "Int64", "d": "str"}, {"a": some})
        assert made.dtypes.map(str).tolist() == ["int64", "category", "Int64", "str"]
        assert made[["b", "c", "d"]].isna().to_numpy().all()
        assert made["a"].tolist() == list(some)
