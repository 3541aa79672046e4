"""grammars/ and reports/ are found beside a checkout; test_package.py has the installed form."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from tracekit import resources
from tracekit.errors import TracekitError


@pytest.mark.parametrize(("find", "name"), [(resources.grammars, "grammars"), (resources.reports, "reports")])
def test_found_in_a_checkout(find: Callable[[], Traversable], name: str, root: Path) -> None:
    assert find() == root / name
    assert any(True for _ in find().iterdir())


def test_the_installed_folder_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "grammars").mkdir()
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    assert resources.grammars() == tmp_path / "grammars"


@pytest.mark.parametrize("checkout", [True, False])
def test_only_a_checkout_has_them_beside_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: bool
) -> None:
    (tmp_path / "tracekit").mkdir()
    (tmp_path / "reports").mkdir()
    monkeypatch.setattr(resources, "files", lambda _: tmp_path / "tracekit")
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "tracekit" / "resources.py"))
    if checkout:
        (tmp_path / "pyproject.toml").touch()
        assert resources.reports() == tmp_path / "reports"
    else:
        with pytest.raises(TracekitError, match="without its reports/ files"):
            resources.reports()
