"""The context through the templates into one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
from jinja2.bccache import Bucket

from tracekit.cache import cache_folder, keep, prune
from tracekit.processes import Forked, idle_core
from tracekit.report.context import Basis
from tracekit.report.figures import bundle
from tracekit.report.model import Detail, PageContext
from tracekit.report.words import words
from tracekit.resources import reports
from tracekit.trace import FORKED

if TYPE_CHECKING:
    from tracekit.report.diff import DiffContext
    from tracekit.trace import Trace

# plotly.js adds a <style> element without text and fills it by script: this is the hash of nothing.
_NOTHING = ""
SYNTAX: Mapping[str, Any] = {
    "autoescape": True,
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
DIGEST = 32  # bytes that tell whether a compiled template is whole
SHARED = 2  # every second operation is made by a fork
MOST = 60  # compiled templates that stay in the cache


class Section(NamedTuple):
    """One operation in full, as the page has it."""

    html: str
    canvas: bool  # the page needs the script for timelines of many spans


def page_of(trace: Trace, top: int, *, redacted: bool = False) -> tuple[PageContext, str]:
    """The page and what it says, but for the operations in full: half of those a fork makes, where there is a core."""
    basis = Basis.of(trace, top)
    page = basis.page(redacted=redacted)  # nothing of it waits for who looks for the findings
    made = basis.judged(page)
    every = range(len(basis.full))
    aside = every[::SHARED] if len(trace.records) <= FORKED and idle_core() else every[:0]
    fork = Forked(lambda: [tuple(_section(basis.detail(number))) for number in aside]) if aside else None
    sections = {number: _section(basis.detail(number)) for number in every if number not in aside}
    forked = fork.result() if fork else None
    if forked is None:  # it died, or there was none
        forked = [_section(basis.detail(number)) for number in aside]
    sections |= zip(aside, starmap(Section, forked), strict=True)
    return made, _rendered(made, [sections[number] for number in every])


def render(context: PageContext) -> str:
    """The page as text, the same for the same context. Its lines end with a line feed; write it as UTF-8."""
    return _rendered(context, [_section(detail) for detail in context.details])


def _section(detail: Detail) -> Section:
    template = _environment().get_template("_detail.html.j2")
    return Section(template.render(op=detail, page={"legend": words().categories}), detail.canvas is not None)


def _rendered(context: PageContext, sections: Sequence[Section]) -> str:
    style = _asset("page.css")
    script = _asset("page.js")
    drawn = context.overview is not None
    plotly = bundle() if drawn else None
    canvas = _canvas_script(section.canvas for section in sections)
    scripts = [script, *([plotly.script] if plotly else []), *([canvas] if canvas else [])]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=context,
            sections=[section.html for section in sections],
            policy=policy(scripts, [style, _NOTHING] if plotly else [style]),
            style=style,
            script=script,
            canvas_script=canvas,
            plotly=plotly.packed if plotly else "",
            figure=_packed(context.overview.figure) if context.overview else "",
        )
    )


def render_diff(made: DiffContext) -> str:
    """The page of a comparison; as `render`."""
    style, script = _asset("page.css"), _asset("page.js")
    canvas = _canvas_script(detail.canvas is not None for detail in made.details)
    template = _environment().get_template("diff.html.j2")
    allowed = policy([script, canvas] if canvas else [script], [style])
    return template.render(page=made, policy=allowed, style=style, script=script, canvas_script=canvas)


def _canvas_script(drawn: Iterable[bool]) -> str:
    """The script for timelines of many spans, where an operation is drawn by it."""
    return _asset("canvas.js") if any(drawn) else ""


def policy(scripts: list[str], styles: list[str]) -> str:
    """The content security policy: nothing from anywhere, but for these scripts and style sheets, named by hash.

    The scripts of the page are run by their hash also where they are unpacked and added by another script, so neither
    `unsafe-inline` nor `unsafe-eval` nor `blob:` is needed.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(map(_hash, scripts)),
            "style-src " + " ".join(map(_hash, styles)),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _packed(figure: Mapping[str, object]) -> str:
    """JSON as the page's script unpacks it: gzip, base64; the same bytes for the same figure."""
    said = json.dumps(figure, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(said.encode("utf-8"), mtime=0)).decode("ascii")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _environment() -> jinja2.Environment:
    folder = reports() / "templates"

    def load(name: str) -> str | None:
        template = folder / name
        return template.read_text(encoding="utf-8") if template.is_file() else None

    return jinja2.Environment(loader=jinja2.FunctionLoader(load), bytecode_cache=Compiled(), **SYNTAX)


class Compiled(jinja2.BytecodeCache):
    """Templates as Python's code in the user's cache folder: to compile them takes 0.4 s."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket if the template is in the cache, and whole: damaged code would end Python itself."""
        with contextlib.suppress(OSError):
            content = self.path(bucket).read_bytes()
            if content[:DIGEST] == hashlib.sha256(content[DIGEST:]).digest():
                bucket.bytecode_from_string(content[DIGEST:])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        path, code = self.path(bucket), bucket.bytecode_to_string()
        if keep(path, lambda draft: draft.write_bytes(hashlib.sha256(code).digest() + code)):
            prune(path.parent, "template-*.bin", MOST)

    def path(self, bucket: Bucket) -> Path:
        """The file of one text under one name, of this release of jinja."""
        about = repr((bucket.key, bucket.checksum, jinja2.__version__, sys.version, SYNTAX))
        return cache_folder() / f"template-{hashlib.sha256(about.encode()).hexdigest()[:32]}.bin"


@cache
def _asset(name: str) -> str:
    """A style sheet or script of ours, as it stands inside its element: comments and indentation dropped."""
    text = (reports() / "assets" / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return "\n".join(line for line in (line.strip() for line in text.splitlines()) if line)
