"""The critical path of one operation: the steps that held it up and what would be saved without each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tracekit.report.critical import Step, critical_path, savings
from tracekit.report.log import Log
from tracekit.report.shapes import CriticalPath, PathStep
from tracekit.report.spans import Span
from tracekit.report.svg import css_of, span_name
from tracekit.report.words import clock, count, exact, known, seconds, shares, text

MAX_STEPS = 16


def steps_of(operation: Any, spans: Sequence[Span]) -> list[Step]:
    """The path from `submitted` to `completed`; [] where one of the two is not known."""
    if not (known(operation.submitted) and known(operation.completed)) or operation.completed <= operation.submitted:
        return []
    return critical_path(spans, operation.submitted, operation.completed)


def view(steps: Sequence[Step], spans: Sequence[Span], rows: Mapping[int, Span], log: Log) -> CriticalPath | None:
    """The longest MAX_STEPS of the path in time order; `rows` are the spans by number. None without a path."""
    if not steps:
        return None
    lengths = [step.duration.total_seconds() for step in steps]
    percents = shares(lengths)
    saved = savings(steps, spans)
    longest = sorted(range(len(steps)), key=lambda i: (-lengths[i], i))[:MAX_STEPS]
    shown = set(longest)
    hidden = [lengths[i] for i in range(len(steps)) if i not in shown]
    rest = f"{count(len(hidden), 'shorter step')} between them, together {exact(sum(hidden))}" if hidden else ""
    return CriticalPath(
        tuple(_step(steps[i], rows[steps[i].span], percents[i], saved[steps[i].span], log) for i in sorted(longest)),
        rest,
        exact(sum(lengths)),
    )


def _step(step: Step, row: Span, percent: float, saved: timedelta, log: Log) -> PathStep:
    host = row.attributes.get("host_name")
    return PathStep(
        css=css_of(row),
        name=span_name(row, 90) + ("" if row.kind in ("call", "command") else f" ({row.kind})"),
        host=log.names.short(text(host, 120)),
        start=clock(step.start),
        time=exact(seconds(step.duration)),
        share=f"{percent:.1f} %",
        saves=exact(seconds(saved)),
        lines=log.span(row.first_record, row.last_record),
    )
