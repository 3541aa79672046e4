"""Several texts found in one pass stand where a search for each finds them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tracekit.parse.needles import Needles

TEXTS = (
    b"VM[",
    b"VM {id: ",
    b"StoragePool {",
    b"Pool {",
    b"{",
    b"{{{",
    b"via: ",
    b'"vm":{"id":',
    b"[a[a",
    b"\x01[\xff",
    b"a longer one, with [ in its middle, and more",
)
MARKS = b"{[v"


def separately(data: bytes, low: int, high: int) -> dict[int, list[int]]:
    """Every place of every text, one search each."""
    return {
        number: [at for at in range(low, high - len(text) + 1) if data.startswith(text, at)]
        for number, text in enumerate(TEXTS)
    }


def together(data: bytes, low: int, high: int, step: int) -> dict[int, list[int]]:
    """The same in one pass."""
    found: dict[int, list[int]] = {number: [] for number in range(len(TEXTS))}
    for number, places in Needles.of(TEXTS, MARKS).within(data, low, high, step):
        found[number] += places.tolist()
    return found


@given(
    st.lists(st.sampled_from(TEXTS) | st.sampled_from([text[:-1] for text in TEXTS]) | st.binary(max_size=3)),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(1, 40),
)
def test_every_place_of_every_text_is_found_whatever_the_blocks_are(
    parts: list[bytes], left: int, right: int, step: int
) -> None:
    data = b"".join(parts)
    low, high = min(left, len(data)), max(len(data) - right, 0)
    assert together(data, low, high, step) == separately(data, low, high)


@pytest.mark.parametrize("step", [1, 2, 5, 8, 13, 1 << 18])
def test_a_text_at_either_end_and_across_blocks_is_found(step: int) -> None:
    data = b"StoragePool { VM[VM[ via: StoragePool {"
    assert together(data, 0, len(data), step) == separately(data, 0, len(data))
    assert together(data, 0, len(data), step)[2] == [0, 26]


@pytest.mark.parametrize("text", [b"Host", b"Host {\0"])
def test_a_text_without_a_mark_or_with_a_zero_byte_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="Host"):
        Needles.of([b"VM {", text], MARKS)
