"""Finds grammars/ and reports/: inside an installed package (folder or zip), or beside it in a checkout.

Everything that loads a grammar, a rule, a template or an asset goes through here, because `PackageLoader` and
`Lark.open_from_package` see only the installed form.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tracekit.errors import TracekitError


def grammars() -> Traversable:
    """The folder of line grammars, message grammars, dialects and rules. TracekitError when it is not there."""
    return _folder("grammars")


def reports() -> Traversable:
    """The folder of page templates and assets. TracekitError when it is not there."""
    return _folder("reports")


def _folder(name: str) -> Traversable:
    installed = files("tracekit") / name
    if installed.is_dir():
        return installed
    checkout = Path(__file__).resolve().parent.parent
    # Only beside a pyproject.toml: a stranger's folder `reports` in site-packages is not ours.
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise TracekitError(f"tracekit was installed without its {name}/ files: install it again from a complete source")
