"""The compiled patterns of the cache: the same as compiled anew, and made again where the file is no good."""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracekit.container import Values
from tracekit.parse.derived import derived_rules
from tracekit.parse.grammar import load_messages
from tracekit.patterns import compiled, keep_compiled, pattern_of, program_of, programs
from tracekit.resources import grammars


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, read anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    programs.cache_clear()
    yield tmp_path / "tracekit"
    programs.cache_clear()


def kept() -> int:
    """How many programs the cache has."""
    there = programs().kept
    assert there is not None
    return len(there)


def test_programs_make_the_patterns_of_all_message_rules() -> None:
    for rule in derived_rules(load_messages(grammars()))[::20]:
        made = re.compile(rule.pattern.encode())
        assert pattern_of(made.pattern, program_of(made, 0)) == made


def test_a_kept_pattern_reads_as_the_compiled_one(folder: Path) -> None:
    made = compiled(rb"^(?P<head>a+)(b)?", re.M)
    keep_compiled()
    programs.cache_clear()
    assert kept() == 1
    again = compiled(rb"^(?P<head>a+)(b)?", re.M)
    assert again == made
    assert not programs().new
    assert [found.groupdict() for found in again.finditer(b"aab\na")] == [{"head": b"aa"}, {"head": b"a"}]
    assert compiled(rb"^(?P<head>a+)(b)?").flags == made.flags & ~re.M


def test_what_two_processes_compiled_is_kept(folder: Path) -> None:
    mine = programs()
    compiled(b"one")
    programs.cache_clear()
    compiled(b"two")
    keep_compiled()
    mine.keep()
    programs.cache_clear()
    assert kept() == 2


@pytest.mark.parametrize("harm", ["cut", "altered", "empty"])
def test_a_damaged_file_is_made_again(folder: Path, harm: str) -> None:
    compiled(b"one")
    keep_compiled()
    (path,) = folder.glob("patterns-*.bin")
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-3], "altered": whole[:-3] + b"xyz", "empty": b""}[harm])
    programs.cache_clear()
    assert compiled(b"one").fullmatch(b"one")
    keep_compiled()
    assert path.read_bytes() == whole
    assert len(Values(path)) == 1


def test_of_several_values_each_is_checked_alone_and_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "values.bin"
    assert Values(path).get(b"a") is None
    assert Values(path).add({b"a": (1, b"x"), b"b": ["two"]}, most=3)
    before = Values(path)
    assert before.add({b"c": 3, b"d": 4}, most=3)
    assert (before.get(b"a"), before.get(b"c")) == ((1, b"x"), None)
    there = Values(path)
    assert [there.get(key) for key in (b"a", b"b", b"c", b"d")] == [None, ["two"], 3, 4]
    whole = path.read_bytes()
    last = whole.rindex(marshal.dumps(4))
    path.write_bytes(whole[:last] + bytes([whole[last] ^ 1]) + whole[last + 1 :])
    assert [Values(path).get(key) for key in (b"b", b"c", b"d")] == [["two"], 3, None]


def test_without_the_inside_of_re_everything_is_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracekit.patterns.inside", object)
    assert compiled(b"one").fullmatch(b"one")
    keep_compiled()
    assert not folder.exists()
