"""The page and the summary: what a trace says, for people.

Both are written from one context; who wants both makes it once: ``made = context.from_trace(trace)``, then
``page.render(made)`` and ``text.summary(made)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracekit.trace import Trace

__all__ = ["render", "summarise"]


def render(trace: Trace, top: int = 20) -> str:
    """The page of a trace as one HTML text; `top` operations in full."""
    from tracekit.report import context, page  # not for who wants another module of this package

    return page.render(context.from_trace(trace, top))


def summarise(trace: Trace, top: int = 20) -> str:
    """Ten lines for the terminal."""
    from tracekit.report import context, text

    return text.summary(context.from_trace(trace, top))
