"""Hatchling calls this while a wheel is built: what takes long to read out of grammars/ is put into the package.

Of tracekit only modules are imported that need no more than Lark, for the build environment has no pandas.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "tracekit/grammars/derived.json"
MODULE = "tracekit/parse/grammar.py"


class DerivedRules(BuildHookInterface[Any]):
    """Writes `derived.json`, which `tracekit/prepared.py` reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install works on the grammars of the checkout, which change: the user's cache serves them.
        if version == "editable":
            return
        self.folder = tempfile.TemporaryDirectory()
        made = Path(self.folder.name) / "derived.json"
        made.write_text(json.dumps(derived(Path(self.root))), encoding="utf-8")
        build_data["force_include"][str(made)] = TARGET

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()


def derived(root: Path) -> dict[str, Any]:
    """Rules of every grammar and JSON of every TOML file by digest, and the digest of the code that derives."""
    grammar = load(root)
    folder = root / "grammars"
    lines = sorted(f"lines/{path.name}" for path in (folder / "lines").glob("*.lark"))
    known = [grammar.line_grammar(folder, name) for name in lines if name != grammar.PARTS]
    known += grammar.load_messages(folder).grammars
    texts = [path.read_text(encoding="utf-8") for top in (folder, root / "reports") for path in top.rglob("*.toml")]
    return {
        "code": hashlib.sha256((root / MODULE).read_bytes()).hexdigest(),
        "grammars": {one.digest: one.derive() for one in known},
        "toml": {hashlib.sha256(text.encode()).hexdigest(): json.dumps(tomllib.loads(text)) for text in texts},
    }


def load(root: Path) -> Any:
    """The module `tracekit.parse.grammar` by itself, without its package."""
    spec = importlib.util.spec_from_file_location("tracekit_grammar", root / MODULE)
    if spec is None or spec.loader is None:
        raise ImportError(f"{root / MODULE}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(root))  # for what it imports
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(root))
    return module
