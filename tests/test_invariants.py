"""What holds for every input: real logs, cut ones, damaged ones. Nothing but a TracekitError may be raised."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from generator.invariants import broken
from generator.plan import Plan, plans
from generator.reading import grammars_once, read
from tracekit.errors import NotOurLogError, SourceError

SAMPLES = Path(__file__).resolve().parent.parent / "sample_logs"
LOGS = sorted([*SAMPLES.glob("*/*/management-server.log"), *SAMPLES.glob("*/*/management-server.log.gz")])
few = settings(derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


def text(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}")
def test_a_real_log(path: Path) -> None:
    data = text(path)
    assert broken(read(data), len(data)) == []


@pytest.mark.parametrize(
    "path",
    [path for path in LOGS if path.stat().st_size < 400_000],
    ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}",
)
def test_a_real_log_from_its_middle_to_the_middle_of_a_line(path: Path) -> None:
    data = text(path)
    part = data[len(data) // 3 : len(data) * 3 // 4]
    assert broken(read(part), len(part)) == []


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Every thousandth byte is another."""
    made = bytearray(data)
    for _ in range(len(made) // 1000 + 1):
        made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made)


def truncated(data: bytes, chance: random.Random) -> bytes:
    low, high = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[low : high + 200]


def lines_lost(data: bytes, chance: random.Random) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if chance.random() > 0.2)


def blocks_shuffled(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    size = max(1, len(lines) // 8)
    blocks = [lines[at : at + size] for at in range(0, len(lines), size)]
    chance.shuffle(blocks)
    return b"".join(line for block in blocks for line in block)


def lines_twice(data: bytes, chance: random.Random) -> bytes:
    return b"".join(line * chance.choice([1, 1, 2]) for line in data.splitlines(keepends=True))


DAMAGES = {made.__name__: made for made in (bytes_changed, truncated, lines_lost, blocks_shuffled, lines_twice)}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_log(name: str) -> None:
    @given(plans(least=2, most=5, killed=True), st.integers(0, 2**16))
    @settings(few, max_examples=4)
    def holds(plan: Plan, seed: int) -> None:
        data = DAMAGES[name](plan.log().data, random.Random(seed))
        try:
            trace = read(data)
        except (NotOurLogError, SourceError):  # every other TracekitError would be a mistake of tracekit's
            return
        else:
            assert broken(trace, len(data)) == []

    holds()
