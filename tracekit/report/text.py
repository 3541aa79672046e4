"""The summary in the terminal: ten lines that say what the page says first."""

from __future__ import annotations

from tracekit.report.model import PageContext, Row

WIDTH = 110
NAMED = 4  # operations


def summary(context: PageContext) -> str:
    """Ten lines at most, without a colour or control character of their own or of the log."""
    lines = [context.verdict.sentence, context.coverage.sentence]
    if not context.table.rows:
        return "\n".join(lines)
    answers = context.answers
    lines.append(f"{answers[1].answer}; {answers[1].note}")
    lines.append(f"where it went: {answers[3].answer}")
    lines.append(f"longest step: {answers[4].answer}" + (f" [{answers[4].note}]" if answers[4].note else ""))
    lines.append(f"first warning: {answers[6].answer}" + (f" [{answers[6].note}]" if answers[6].note else ""))
    by_href = {row.href: row for row in context.table.rows if row.href}
    lines += [_line(by_href[href]) for href in context.in_full[:NAMED]]
    return "\n".join(line if len(line) <= 2 * WIDTH else line[: 2 * WIDTH - 1] + "…" for line in lines)


def _line(row: Row) -> str:
    about = f"{row.command} {row.entity}".strip()
    return f"  {row.operation:<12} {row.status:<10} {row.wall:>10}  {about}" + (f"  {row.error}" if row.error else "")
