"""One table of what the lines call VMs, hosts, networks, ...: every rendering, and what real logs give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from tracekit.build.entities import with_host_names
from tracekit.parse.named import LONGEST, Groups, Named, Reading, Rendering, check_renderings, united
from tracekit.parse.search import Search
from tracekit.resources import grammars
from tracekit.schema import ENTITIES, frame
from tracekit.trace import read_trace


def test_every_sample_is_read_as_it_says() -> None:
    assert list(check_renderings(RENDERINGS)) == []


SEARCH = Search.of(grammars())
RENDERINGS = SEARCH.renderings
BEGINS = [one.begins for one in (*RENDERINGS.every, *SEARCH.tellings)]
SAMPLES = [sample["text"].encode() for one in (*RENDERINGS.every, *SEARCH.tellings) for sample in one.samples]
WHOLE = st.sampled_from(SAMPLES)
CUT = st.builds(lambda text, begin, end: text[begin:end], WHOLE, st.integers(0, 20), st.integers(0, 200))
PART = WHOLE | CUT | st.sampled_from([*BEGINS, b"VM", b"x", b"}", b"\n", b'"id":1,', b"|"]) | st.binary(max_size=3)


def separately(
    data: bytes, low: int, high: int, begins: bytes, pattern: re.Pattern[bytes]
) -> Iterator[tuple[Groups, int]]:
    """What `pattern` reads wherever `begins` stands, one behind the other, and where it ends: a search of its own."""
    at = data.find(begins, low, high)
    while at >= 0:
        match = pattern.match(data, at, high)
        if match:
            yield match.groups(), match.end()
        at = data.find(begins, match.end() if match else at + 1, high)


@given(
    st.lists(PART, max_size=12),
    st.sampled_from([0, LONGEST]),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from([1, 7, 16, 100, 1 << 18]),
)
def test_one_pass_reads_what_a_search_for_each_rendering_reads(
    parts: list[bytes], behind: int, left: int, right: int, step: int
) -> None:
    data = b"".join(parts) + bytes(behind)
    low, high = min(left, len(data)), max(len(data) - right, 0)
    readings, hearings = SEARCH.within(data, low, high, step)
    for reading, rendering in zip(readings, RENDERINGS.every, strict=True):
        said = separately(data, low, high, rendering.begins, rendering.pattern)
        assert list(reading.all().items()) == list(Counter(groups for groups, _ in said).items())
    for hearing, telling in zip(hearings, SEARCH.tellings, strict=True):
        different = list(hearing.known)
        found = [(different[number], end) for number, end in zip(hearing.numbers, hearing.ends, strict=True)]
        assert found == list(separately(data, low, high, telling.begins, telling.pattern))


class Counting:
    """A pattern that counts how often it is asked."""

    asked = 0

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern

    def match(self, data: bytes, low: int, high: int) -> re.Match[bytes] | None:
        self.asked += 1
        return self.pattern.match(data, low, high)


@pytest.mark.parametrize("rendering", [rendering for rendering in RENDERINGS.every if rendering.ends])
def test_a_line_of_beginnings_without_an_end_is_tried_once(rendering: Rendering) -> None:
    sample = rendering.samples[0]["text"].encode()
    data = rendering.begins * 500 + b"\n" + sample
    pattern: Any = Counting(rendering.pattern)
    reading = Reading(rendering._replace(pattern=pattern), data, len(data))
    reading.read([match.start() for match in re.finditer(re.escape(rendering.begins), data)])
    assert pattern.asked == 2
    assert reading.all().total() == 1


def test_a_line_of_jobs_without_a_uuid_names_none() -> None:
    data = b'AsyncJob {"id": 1, ' * 3000
    assert not any(reading.all() for reading in SEARCH.within(data, 0, len(data))[0])


def test_a_text_that_stands_there_again_is_counted_unless_one_overlaps_it() -> None:
    host = b'Host {"id":1,"name":"kvm1"}'
    nested = b'Host {Host {"id":1,"name":"kvm1"}'
    data = b" ".join([host, host, nested, nested, b"Host {" + bytes(500) + b"}", host])
    readings, _ = SEARCH.within(data, 0, len(data))
    (said,) = (reading.all() for reading in readings if reading.rendering.begins == b"Host {")
    assert list(said.values()) == [3, 2, 1]


def test_lines_that_say_different_things_of_one_entity_are_put_together() -> None:
    uuid = "b1bf2c31-2ba7-4b8c-ab3e-9b28e1d1f1a5"
    named = {
        Named("vm", 6, None, "i-2-6-VM"): 3,
        Named("vm", 6, uuid, None): 1,
        Named("vm", None, uuid, None): 2,
        Named("host", 6, None, None): 1,
    }
    assert sorted(united(named)) == [(Named("host", 6, None, None), 1), (Named("vm", 6, uuid, "i-2-6-VM"), 6)]


@pytest.mark.parametrize("log", ["4.23-kvm/a-healthy/management-server.log", "4.18/a-healthy/management-server.log"])
def test_a_real_log_names_its_vms_and_hosts(samples: Path, log: str) -> None:
    path = samples / log
    if not path.exists():
        pytest.skip(f"no {log} among the sample logs")
    entities = read_trace([str(path)]).entities
    vms = entities[entities["kind"] == "vm"]
    assert len(vms) >= 2
    assert vms[["id", "uuid", "name"]].notna().all(axis=None)
    hosts = entities[entities["kind"] == "host"]
    assert hosts["name"].notna().any()
    assert not entities.duplicated(["kind", "id"])[entities["id"].notna()].any()


def test_commands_without_a_hosts_name_get_the_one_that_other_lines_say() -> None:
    commands = pd.DataFrame(
        {
            "host": pd.Series([1, 1, 2, None], dtype="Int64"),
            "host_name": pd.Series([None, "given", None, None], dtype="str"),
        }
    )
    entities = frame(ENTITIES, {"kind": ["host", "vm"], "id": [1, 2], "name": ["kvm1", "v"], "count": [1, 1]})
    assert with_host_names(commands, entities)["host_name"].fillna("-").tolist() == ["kvm1", "given", "-", "-"]
