"""Runs: which records one thread wrote for one thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from tracekit.build.context import turns
from tracekit.frames import joint

# A log may name any job, also one whose number fills 64 bits.
NUMBERS = st.sampled_from([-1, 0, 1, 2, 1 << 40, (1 << 63) - 1])
ROWS = st.lists(st.tuples(*[NUMBERS] * 5), min_size=1, max_size=60)


@given(ROWS)
def test_different_rows_have_different_numbers_in_their_order(rows: list[tuple[int, ...]]) -> None:
    columns = np.array(rows, dtype=np.int64).T
    numbers = joint(*columns).tolist()
    order = list(dict.fromkeys(rows))
    assert numbers == [order.index(row) for row in rows]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_a_turn_counts_what_began_until_then_under_its_key(rows: list[tuple[int, bool]]) -> None:
    key = np.array([key for key, _ in rows], dtype=np.int64)
    begins = np.flatnonzero(np.array([begins for _, begins in rows], dtype=np.bool_))
    made = [sum(begins for other, begins in rows[: at + 1] if other == own) for at, (own, _) in enumerate(rows)]
    assert turns(key, begins).tolist() == made
