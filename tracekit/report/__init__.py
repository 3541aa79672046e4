"""The page and the summary: what a trace says, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracekit.report import context, page
from tracekit.report.model import PageContext

if TYPE_CHECKING:
    from tracekit.trace import Trace

__all__ = ["PageContext", "render"]


def render(trace: Trace, top: int = 20) -> tuple[str, PageContext]:
    """The page of a trace as one HTML text, and the context it was made from (for `text.summary`)."""
    made = context.from_trace(trace, top)
    return page.render(made), made
