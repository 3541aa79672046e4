"""The ledger of one operation as a stacked bar, a sum by category and its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.report.log import Log
from tracekit.report.model import Interval as Listed, Ledger, Share
from tracekit.report.scale import stacked
from tracekit.report.spans import Interval
from tracekit.report.words import clock, count, duration, exact, shares, text, words

AFTER = "client"  # what comes after the end: told beside the sum, not in it


def view(ledger: Sequence[Interval], log: Log, most: int) -> Ledger | None:
    """`ledger`: the rows of one operation, in time order; None when there are none, or they take no time.

    At most `most` intervals are listed, the longest.
    """
    after = sum(row.took for row in ledger if row.category == AFTER)
    ledger = within(ledger)
    lengths = [row.took for row in ledger]
    total = sum(lengths)
    if total <= 0:
        return None
    categories = [row.category for row in ledger]
    percents = [f"{value:.1f} %" for value in shares(lengths)]
    shown = set(sorted(range(len(ledger)), key=lambda i: (-lengths[i], i))[:most])
    intervals = tuple(_interval(row, percents[i], log) for i, row in enumerate(ledger) if i in shown)
    hidden = [lengths[i] for i in range(len(ledger)) if i not in shown]
    rest = f"{count(len(hidden), 'shorter interval')} left out, together {exact(sum(hidden))}" if hidden else ""
    return Ledger(
        segments=stacked(zip(categories, lengths, strict=True)),
        shares=sums(categories, lengths),
        total=exact(total),
        intervals=intervals,
        rest=rest,
        after=f"Then {duration(after)} until the client asked and saw the end; not part of the sum." if after else "",
    )


def within(ledger: Sequence[Interval]) -> list[Interval]:
    """The rows of a ledger that add up to the wall time."""
    return [row for row in ledger if row.category != AFTER]


def sums(categories: list[str], lengths: list[float]) -> tuple[Share, ...]:
    """One row per category that has time, in the legend's order; the per cents add up to 100.0."""
    present = [entry for entry in words().categories if entry.key in set(categories)]
    times = [sum(t for c, t in zip(categories, lengths, strict=True) if c == entry.key) for entry in present]
    return tuple(
        Share(f"c-{entry.key}", entry.label, exact(time), f"{part:.1f} %", str(categories.count(entry.key)))
        for entry, time, part in zip(present, times, shares(times), strict=True)
    )


def _interval(row: Interval, percent: str, log: Log) -> Listed:
    return Listed(
        css=f"c-{row.category}",
        category=row.category,
        owner=text(row.owner, 160),
        start=clock(row.start),
        end=clock(row.end),
        time=exact(row.took),
        percent=percent,
        lines=log.span(row.first_record, row.last_record),
    )
