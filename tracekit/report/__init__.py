"""The page and the summary: what a trace says, for people.

Both are written from one context; who wants both makes it once: ``made, html = page.page_of(trace, top)``, then
``text.summary(made)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracekit.trace import Trace

__all__ = ["render", "summarise"]


def render(trace: Trace, top: int = 20) -> str:
    """The page of a trace as one HTML text; `top` operations in full."""
    from tracekit.report import page  # not for who wants another module of this package

    return page.page_of(trace, top)[1]


def summarise(trace: Trace, top: int = 20) -> str:
    """Ten lines for the terminal."""
    from tracekit.report import context, text

    basis = context.Basis.of(trace, top)
    return text.summary(basis.judged(basis.page()))
