"""One operation as Markdown, to be pasted into a ticket."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tracekit.report.model import Detail

MAX_LINES, MAX_FINDINGS, MAX_EVIDENCE = 12, 4, 3


def markdown(detail: Detail) -> str:
    """Sentence, facts, stages, sums, findings and critical path of one operation."""
    parts = [
        f"### {_cell(detail.operation)} {_cell(detail.command)} {_cell(detail.entity)}".rstrip(),
        _cell(detail.sentence),
    ]
    if detail.error:
        parts.append(f"Error: {_cell(detail.error)}")
    parts.append("\n".join(f"- {fact.term}: {_cell(fact.value)}" for fact in detail.facts))
    if detail.stages:
        rows = [(stage.name, stage.start, stage.time) for stage in detail.stages]
        parts.append(_table(("Stage", "Begins", "Time"), rows))
    if detail.ledger:
        shares = [(share.label, share.time, share.percent) for share in detail.ledger.shares]
        parts.append(
            _table(("Where the time went", "Time", "Share"), [*shares, ("wall", detail.ledger.total, "100.0 %")])
        )
    if detail.path:
        steps = [(step.name, step.host, step.time, step.saves) for step in detail.path.steps[:MAX_LINES]]
        parts.append(_table(("Critical path", "Host", "Time", "Saved without it"), steps))
    for finding in detail.findings[:MAX_FINDINGS]:
        said = f"**{finding.severity}: {_cell(finding.title)}**" + (f" ({finding.cost})" if finding.cost else "")
        lines = [f"    {line.where} {line.time} {line.level} {line.text}" for line in finding.evidence[:MAX_EVIDENCE]]
        parts.append("\n\n".join([said, *map(_cell, finding.advice), "\n".join(lines)]).rstrip())
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines: list[Sequence[str]] = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(said: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", said)
