"""Runs: which records one thread wrote for one thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

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
