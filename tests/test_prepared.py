"""Values that are made once and kept in the cache folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tracekit.prepared import SMALL, prepared, read_together, read_toml

MADE = {"rule": ("Class.method", None, 3), "other": ("x" * 1000, "begin", 0)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tracekit"


def never() -> Any:
    raise AssertionError("made again")


def test_a_value_is_made_once_for_each_key(folder: Path) -> None:
    assert prepared("some", "one", lambda: MADE) == MADE
    assert prepared("some", "two", lambda: [1]) == [1]
    assert prepared("some", "one", never) == MADE
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_file_that_was_cut_is_made_again(folder: Path, left: int) -> None:
    prepared("some", "one", lambda: MADE)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:left])
    assert prepared("some", "one", lambda: MADE) == MADE
    assert prepared("some", "one", never) == MADE


def test_without_a_folder_it_is_made_each_time(folder: Path) -> None:
    folder.write_text("no folder")
    assert [prepared("some", "one", lambda number=number: number) for number in (1, 2)] == [1, 2]


@pytest.mark.parametrize(("line", "kept"), [("n = 1", 1), ("n = 2026-11-30", 0)])
def test_a_toml_file_is_kept_unless_it_has_a_date(folder: Path, line: str, kept: int) -> None:
    text = f"# {'x' * SMALL}\n{line}\n"
    first = read_toml(text, "some.toml")
    assert list(first) == ["n"]
    assert read_toml(text, "some.toml") == first
    assert len(list(folder.glob("toml-some-*"))) == kept


def test_the_files_of_a_folder_are_kept_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a.toml": "n = 1\n", "b.toml": "n = 2\n"}
    made = read_together(texts, "some")
    assert made == {"a.toml": {"n": 1}, "b.toml": {"n": 2}}
    monkeypatch.setattr("tracekit.prepared.read_toml", never)
    assert read_together(texts, "some") == made
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
    assert read_together({**texts, "b.toml": "n = 3\n"}, "some")["b.toml"] == {"n": 3}
    assert list(read_together({"c.toml": "n = 1\n", "b.toml": "n = 2\n"}, "some")) == ["c.toml", "b.toml"]
