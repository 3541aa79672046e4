"""The context through the templates into one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.bccache import Bucket

from tracekit.cache import cache_folder, keep, prune
from tracekit.processes import Forked, Shared, idle_core
from tracekit.report.context import Basis
from tracekit.report.figures import bundle, digest_of
from tracekit.report.model import Detail, PageContext
from tracekit.report.words import words
from tracekit.resources import reports

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
MOST = 60  # compiled templates that stay in the cache


def page_of(trace: Trace, top: int, *, redacted: bool = False) -> tuple[PageContext, str]:
    """The page and what it says, but for the operations in full."""
    basis = Basis.of(trace, top)
    page = basis.page(redacted=redacted)
    page = basis.judged(page)  # waits for who looks for the findings, which the operations in full need
    sections = sections_of(basis, forked=idle_core(0 if trace.kept else len(trace.records)))
    return page, _rendered(page, sections, basis.needs_canvas())


def sections_of(basis: Basis, *, forked: bool) -> Iterator[str]:
    """The operations in full. Where there is a core a fork makes some, from now on; others are made when the first is
    asked for.
    """
    every = range(len(basis.full))
    if not (forked and every):
        return taken(basis, every, every, None)
    shared = Shared(len(every))
    fork = Forked(lambda: {number: _section(basis.detail(number)) for number in shared})
    return taken(basis, every, shared, fork)


def taken(basis: Basis, every: Iterable[int], shared: Iterable[int], fork: Forked | None) -> Iterator[str]:
    """What this process and a fork make together."""
    made = {number: _section(basis.detail(number)) for number in shared}
    made |= (fork.result() if fork else None) or {}  # none when it died
    for number in every:
        yield made[number] if number in made else _section(basis.detail(number))


def render(context: PageContext) -> str:
    """The page as text, the same for the same context. Its lines end with a line feed; write it as UTF-8."""
    canvas = any(detail.canvas is not None for detail in context.details)
    return _rendered(context, map(_section, context.details), canvas)


def _section(detail: Detail) -> str:
    template = _environment().get_template("_detail.html.j2")
    return template.render(op=detail, page=SimpleNamespace(legend=words().categories))


def _rendered(context: PageContext, sections: Iterable[str], canvas: bool) -> str:
    """The page. The sections are asked for when all that stands above them is made."""
    style = _asset("page.css")
    script = _asset("page.js")
    canvas_script = _asset("canvas.js") if canvas else ""
    plotly = bundle() if context.overview is not None else None
    scripts = [_digest(script), *([plotly.digest] if plotly else []), *([_digest(canvas_script)] if canvas else [])]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=context,
            sections=sections,
            policy=policy(scripts, [_digest(style), *([_digest(_NOTHING)] if plotly else [])]),
            style=style,
            script=script,
            canvas_script=canvas_script,
            plotly=plotly.packed if plotly else "",
            figure=_packed(context.overview.figure) if context.overview else "",
        )
    )


def render_diff(made: DiffContext) -> str:
    """The page of a comparison; as `render`."""
    style, script = _asset("page.css"), _asset("page.js")
    canvas = _asset("canvas.js") if any(detail.canvas is not None for detail in made.details) else ""
    template = _environment().get_template("diff.html.j2")
    allowed = policy([_digest(script), *([_digest(canvas)] if canvas else [])], [_digest(style)])
    return template.render(page=made, policy=allowed, style=style, script=script, canvas_script=canvas)


def policy(scripts: list[str], styles: list[str]) -> str:
    """The content security policy: nothing from anywhere, but for scripts and style sheets of these hashes.

    The scripts of the page are run by their hash also where they are unpacked and added by another script, so neither
    `unsafe-inline` nor `unsafe-eval` nor `blob:` is needed.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(scripts),
            "style-src " + " ".join(styles),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _packed(figure: Mapping[str, object]) -> str:
    """JSON as the page's script unpacks it: gzip, base64; the same bytes for the same figure."""
    said = json.dumps(figure, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(said.encode("utf-8"), mtime=0)).decode("ascii")


def _digest(text: str) -> str:
    return digest_of(text.encode("utf-8"))


@cache
def _environment() -> jinja2.Environment:
    folder = reports() / "templates"

    def load(name: str) -> str | None:
        template = folder / name
        return template.read_text(encoding="utf-8") if template.is_file() else None

    return Environment(loader=jinja2.FunctionLoader(load), bytecode_cache=Compiled(), **SYNTAX)


class Environment(jinja2.Environment):
    """Templates ask the model for attributes alone, a hundred thousand times a page: jinja would try keys as well."""

    getattr = staticmethod(getattr)  # type: ignore[assignment]


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
