"""The generator of large logs: so many times the records, events and operations of the real one."""

from __future__ import annotations

from pathlib import Path

from bench.grow import grow, whole_records
from tracekit.trace import read_trace

COPIES = 3


def test_a_grown_log_is_so_many_times_the_real_one(healthy: Path, tmp_path: Path) -> None:
    log = healthy.read_bytes()
    single, large = tmp_path / "one.log", tmp_path / "large.log"
    single.write_bytes(whole_records(log))
    assert grow(log, int((COPIES - 0.5) * len(log)), large) == COPIES
    one, many = read_trace([str(single)]), read_trace([str(large)])
    assert len(many.records) == COPIES * len(one.records)
    assert (many.records["event"].value_counts() == COPIES * one.records["event"].value_counts()).all()
    assert int(many.records["length"].sum()) == large.stat().st_size
    asked = one.operations["command"].value_counts()
    assert (many.operations["command"].value_counts() == COPIES * asked).all()
    assert many.operations["operation"].is_unique
    walls = sorted(one.operations["wall"].dropna())
    assert sorted(many.operations["wall"].dropna()) == sorted(walls * COPIES)
