"""Exported files have what pandas would write of each table, whatever the texts, in portions of any size; each is whole
or not there.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from command_line import run
from tracekit.errors import UsageError
from tracekit.export import csv as export
from tracekit.redact import mask
from tracekit.trace import Trace, read_trace

TEXTS = st.sampled_from(["", "NaN", "=1+1", "-", "\ud800", "password=x, y", 'a,"b"', "1\r2"]) | st.text(
    st.sampled_from("=+-@\t\r\n\",' aé\0\udcff%s")
)
ATTRIBUTES = st.just({"b": 1, "a": "-"}) | st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=2)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "datetime64[us]": st.none() | st.datetimes(datetime(1000, 1, 1)),
    "timedelta64[us]": st.none() | st.timedeltas(timedelta(-9999), timedelta(9999)),
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "float64": st.floats(),
    "bool": st.booleans(),
    "str": st.none() | TEXTS,
    "category": st.none() | TEXTS,
    "object": st.none() | ATTRIBUTES | st.lists(st.integers() | TEXTS, max_size=2) | TEXTS,
}


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    dtypes = draw(st.lists(st.sampled_from([*CELLS]), min_size=2, max_size=6))
    rows = draw(st.integers(0, 5))
    columns = [(dtype, draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows))) for dtype in dtypes]
    made = {f"{number} {dtype}": pd.Series(cells, dtype="object") for number, (dtype, cells) in enumerate(columns)}
    return pd.DataFrame({name: cells.astype(name.partition(" ")[2]) for name, cells in made.items()})


def shown(value: object) -> object:
    """A cell as pandas is to write it."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dict | list):
        value = json.dumps(value, sort_keys=True)
    if isinstance(value, str):
        text = mask(value)
        return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
    return value


def by_pandas(table: pd.DataFrame) -> str:
    made = {}
    for name, column in table.items():
        if column.dtype.kind == "m":
            made[f"{name}_ms"] = column.dt.total_seconds() * 1000
        elif column.dtype.kind in "ifb":
            made[str(name)] = column
        else:
            made[str(name)] = pd.Series([shown(value) for value in column], dtype="object")
    return pd.DataFrame(made).to_csv(index=False, lineterminator="\n")


@given(table=tables(), portion=st.integers(1, 6))
def test_a_table_is_written_as_pandas_writes_it(table: pd.DataFrame, portion: int) -> None:
    with patch.object(export, "PORTION", portion):
        assert "".join(export.table_text(table)) == by_pandas(table)


@pytest.fixture(scope="module")
def trace(healthy: Path, samples: Path) -> Trace:
    return read_trace([str(healthy), str(samples / "4.18" / "a-healthy" / "management-server.log")])


@pytest.mark.parametrize("portion", [100, 1 << 20])
def test_events_are_those_of_their_table_in_portions_of_any_size(trace: Trace, portion: int) -> None:
    with patch.object(export, "PORTION", portion):
        assert "".join(export.events_text(trace.events)) == by_pandas(trace.events.table())


def test_what_cannot_be_written_leaves_the_files_as_they_were(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: pd.DataFrame) -> Iterator[str]:
        yield "source,line\n"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "records.csv").write_text("older")
    monkeypatch.setattr(export, "table_text", cut)
    with pytest.raises(UsageError, match=r"records\.csv: cannot be written \(No space left on device\)"):
        export.export_csv(trace, tmp_path, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("records.csv", "older")]


def test_a_log_whose_name_is_no_utf8_is_exported(
    healthy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / os.fsdecode(b"\xff.log")
    log.write_bytes(healthy.read_bytes())
    assert run(capsys, "export", str(log), "--to", "csv", "-o", str(tmp_path / "x"))[0] == 0
    assert b"\xff.log,1,1,0," in (tmp_path / "x" / "records.csv").read_bytes()
