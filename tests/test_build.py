"""What build does with whole columns or without looking twice, against the simple definition of the same."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
from hypothesis import given, settings, strategies as st

from tracekit.build.context import turns
from tracekit.build.operations import Assigned, of_sequences
from tracekit.build.pairing import class_names
from tracekit.build.requests import lowered
from tracekit.build.spans import SpanRows, Told, self_times
from tracekit.frames import NEVER, distinct, figures, first_places, firsts, joint, used_only

SMALL = st.integers(0, 5)
TREES = st.lists(st.tuples(st.integers(-1, 30), st.integers(0, 50), st.integers(-3, 50)), max_size=30)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_distinct_numbers_are_sorted_and_each_there_once(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, dtype=np.int64)).tolist() == sorted(set(numbers))


@given(st.lists(SMALL, min_size=1))
def test_each_number_comes_first_where_it_was_not_before(values: list[int]) -> None:
    numbers = joint(np.array(values, dtype=np.int64))
    assert firsts(numbers).tolist() == [at for at, value in enumerate(values) if value not in values[:at]]


@given(st.lists(st.integers(-2, 5)))
def test_numbers_come_first_at_their_first_places_and_negative_ones_are_none(values: list[int]) -> None:
    first = [at for at, value in enumerate(values) if value >= 0 and value not in values[:at]]
    assert first_places(np.array(values, dtype=np.int64)).tolist() == first


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_used_names_are_those_that_pandas_leaves(values: list[str | None]) -> None:
    column = pd.Categorical(values, categories=["c", "a", "b"])
    left = column.remove_unused_categories()
    made = used_only(column)
    assert made.categories.tolist() == left.categories.tolist()
    assert made.codes.tolist() == left.codes.tolist()


@given(st.lists(st.none() | st.integers(0, 2**53)), st.booleans())
def test_figures_are_the_numbers_and_microseconds_of_a_table(values: list[int | None], times: bool) -> None:
    column = pd.Series(values, dtype="Int64")
    if times:
        column = pd.Series(values, dtype="object").astype("datetime64[us]")
    unknown = NEVER if times else -1
    expected = [unknown if value is None else value for value in values]
    table = pd.DataFrame({"a": column, "b": pd.Series(map(str, values), dtype="object"), "c": column})
    assert figures(table, ["a"])["a"].tolist() == expected
    made = figures(table, ["b", "a"], np.arange(len(values))[::-1])
    assert made["a"].tolist() == expected[::-1]
    assert made["b"].tolist() == table["b"].tolist()[::-1]
    assert made.index.tolist() == table.index.tolist()[::-1]
    assert made.dtypes.tolist() == ["object", "int64"]


@given(st.lists(st.tuples(SMALL, st.booleans()), min_size=1))
def test_turns_count_the_begins_of_each_key(rows: list[tuple[int, bool]]) -> None:
    key = joint(np.array([key for key, _ in rows], dtype=np.int64))
    begins = np.flatnonzero([begin for _, begin in rows])
    simple = [sum(begin for own, begin in rows[: at + 1] if own == key) for at, (key, _) in enumerate(rows)]
    assert turns(key, begins).tolist() == simple


@given(st.text("ab=&+%4A1\u00e4;", max_size=20))
def test_parameters_are_those_of_the_standard_library(query: str) -> None:
    assert lowered(query) == {key.lower(): value for key, value in parse_qsl(query, keep_blank_values=True)}


@given(st.lists(st.sampled_from(["{", "}", '{"a.b.C"', '{"c"', ",", "x", '"d.E"'])).map("".join))
def test_commands_are_named_where_the_depth_goes_from_none_to_one(body: str) -> None:
    names, depth = [], 0
    for brace in re.finditer("[{}]", body):
        found = re.match(r'"([\w.$]+)"', body[brace.end() :])
        if brace.group() == "{" and depth == 0 and found and "." in found.group(1):
            names.append(found.group(1).rpartition(".")[2])
        depth += 1 if brace.group() == "{" else -1
        if depth < 0:
            break
    assert class_names("[" + body) == names


@given(st.lists(st.tuples(SMALL, SMALL, st.integers(-1, 3))), st.lists(st.tuples(SMALL, st.none() | SMALL)))
def test_a_sequence_number_tells_the_operation_of_one_command(
    sent: list[tuple[int, int, int]], said: list[tuple[int, int | None]]
) -> None:
    commands = pd.DataFrame(sent, columns=["life", "SEQ", "operation"])
    rows = pd.DataFrame({"life": [row[0] for row in said], "SEQ": pd.array([row[1] for row in said], dtype="Int64")})
    found = of_sequences(rows, commands[["life", "SEQ"]].astype("int64"), commands["operation"].to_numpy(np.int64))
    fitting = [[of for life, number, of in sent if (life, number) == row] for row in said]
    assert found.tolist() == [of[0] if len(of) == 1 else -1 for of in fitting]


@given(st.lists(st.tuples(SMALL, st.none() | st.sampled_from("zab"))))
def test_a_record_has_the_first_operation_that_it_is_given(said: list[tuple[int, str | None]]) -> None:
    made = Assigned(pd.Index(["z", "b", "a", "c"]), np.full(6, -1, dtype=np.int32))
    for part in (said[::2], said[1::2]):
        operations = pd.Series([name for _, name in part], dtype="object")
        made.fill(np.array([record for record, _ in part], dtype=np.int64), made.numbers(operations))
    first: dict[int, str] = {}
    for record, name in [*said[::2], *said[1::2]]:
        if name is not None:
            first.setdefault(record, name)
    simple = pd.Series([first.get(record) for record in range(6)], dtype="object").astype("category")
    pd.testing.assert_series_equal(pd.Series(made.column()), simple)


@settings(max_examples=200)
@given(TREES)
def test_self_time_is_what_no_child_covers(spans: list[tuple[int, int, int]]) -> None:
    parents = [above if above < span else -1 for span, (above, _, _) in enumerate(spans)]
    start = [begin for _, begin, _ in spans]
    end = [begin + length if length >= 0 else NEVER for _, begin, length in spans]
    made = self_times(*(np.array(column, dtype=np.int64) for column in (parents, start, end)))
    for span in range(len(spans)):
        if end[span] == NEVER:
            assert np.isnat(made[span])
            continue
        own = set(range(start[span], end[span]))
        for child in (child for child, parent in enumerate(parents) if parent == span):
            own -= set(range(start[child], end[span] if end[child] == NEVER else end[child]))
        assert made[span] == np.timedelta64(len(own), "us")


def test_a_call_has_the_place_of_its_run() -> None:
    rows = SpanRows()

    def added(span: int, kind: str, parent: int, end: int) -> Told:
        number = np.array([span])
        return Told.of(number, kind, kind, "job-1", parent, 0, end, [{}])

    # A job with two calls, and a work job behind them.
    assert rows.reserve(4) == 0
    rows.add(added(3, "work", 0, NEVER), added(0, "job", -1, 9))
    column = np.array([1, 2], dtype=np.int32)
    rows.calls = rows.calls._replace(span=column, root=np.zeros(2, dtype=np.int32), depth=column - 1)
    assert rows.told.span.tolist() == [0, 3], "in the order of their numbers"
    assert rows.roots(np.array([3, 2, 1, 0, -1])).tolist() == [1, 0, 0, 0, -1]
    assert rows.reserve(2) == 4
    rows.add(added(4, "stage", 2, 2), added(5, "command", 4, 2))
    assert rows.told.status.tolist() == ["ok", "open", "ok", "ok"]
    assert rows.depths().tolist() == [0, 1, 3, 4]
