"""sample_logs/manifest.toml equals the files beside it."""

from __future__ import annotations

import gzip
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from conftest import SAMPLES

MANIFEST = tomllib.loads((SAMPLES / "manifest.toml").read_text(encoding="utf-8"))
LOGS: list[dict[str, Any]] = MANIFEST["log"]


def test_every_log_is_listed_once_and_every_listed_log_is_there() -> None:
    there = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.log*") if path.is_file()}
    listed = [log["path"] for log in LOGS]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("log", LOGS, ids=[log["path"] for log in LOGS])
def test_lines_bytes_and_checksum(log: dict[str, Any]) -> None:
    data = (SAMPLES / log["path"]).read_bytes()
    text = gzip.decompress(data) if log["path"].endswith(".gz") else data
    assert log["bytes"] == len(data)
    assert log["text_bytes"] == len(text)
    assert log["lines"] == text.count(b"\n")
    assert log["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("log", LOGS, ids=[log["path"] for log in LOGS])
def test_every_log_says_what_it_is(log: dict[str, Any]) -> None:
    assert log["contents"].endswith(".")
    assert log["hosts"]
    release, scenario, name = Path(log["path"]).parts
    assert log["release"].startswith(release.removesuffix("-kvm"))
    assert f"`{release}/{scenario}`" in (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert name.removesuffix(".gz") == "management-server.log"


def test_both_releases_are_there_and_all_is_small() -> None:
    assert {log["release"] for log in LOGS} == {"4.18.0.0-SNAPSHOT", "4.23.0.0-SNAPSHOT"}
    assert sum(log["bytes"] for log in LOGS) < 3_000_000
    assert MANIFEST["origin"].startswith("a test installation of Apache CloudStack")
