"""The critical path: each instant of the wall time on one step, over all threads of the operation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from tracekit.report.critical import Step, critical_path, savings
from tracekit.report.spans import span_rows
from tracekit.trace import Trace, read_trace


@pytest.fixture(scope="module")
def trace(samples: Path) -> Trace:
    return read_trace([str(samples / "4.18" / "a-healthy" / "management-server.log")])


def of(trace: Trace, operation: str) -> tuple[pd.Series, pd.DataFrame]:
    row = trace.operations[trace.operations["operation"] == operation].iloc[0]
    return row, trace.spans[trace.spans["operation"] == operation]


def path(row: pd.Series, spans: pd.DataFrame) -> list[Step]:
    return critical_path(span_rows(spans), row["submitted"], row["completed"])


def test_the_steps_cover_the_wall_time_without_hole_or_overlap(trace: Trace) -> None:
    done = trace.operations.dropna(subset=["wall"])
    assert len(done) == 5
    for operation in done["operation"]:
        row, spans = of(trace, operation)
        steps = path(row, spans)
        assert (steps[0].start, steps[-1].end) == (row["submitted"], row["completed"])
        assert all(one.end == two.start for one, two in pairwise(steps))
        assert sum((step.duration for step in steps), pd.Timedelta(0)) == row["wall"]


def test_the_queue_and_the_commands_are_steps_of_their_own(trace: Trace) -> None:
    row, spans = of(trace, "job-19")
    names = spans.set_index("span")["name"]
    steps = path(row, spans)
    held = {str(names[step.span]): step.duration / pd.Timedelta(milliseconds=1) for step in steps}
    # Sync job-20 at 16:50:24.556, Execute sync-queue item at 16:50:25.777
    assert held["VmWorkJobQueue.5"] == 1221
    # Seq 1-8543047018145120272: Sending at 16:50:28.143, Received at 16:50:29.058; its last line before the answer
    # that it sends is a step of the sender's own call.
    assert held["StartCommand"] == pytest.approx(913, abs=3)


def test_a_thread_that_waits_is_not_a_step_while_it_waits(trace: Trace) -> None:
    row, spans = of(trace, "job-16")
    work = spans[spans["kind"] == "work"].iloc[0]
    below = {int(work["span"])}
    for span, parent in zip(spans["span"], spans["parent"], strict=True):
        if pd.notna(parent) and int(parent) in below:
            below.add(int(span))
    steps = path(row, spans)
    while_working = [step for step in steps if step.start >= work["start"] and step.end <= work["end"]]
    assert while_working
    assert {step.span for step in while_working} <= below


def test_without_a_step_all_that_lies_in_it_is_saved(trace: Trace) -> None:
    row, spans = of(trace, "job-16")
    steps = path(row, spans)
    saved = savings(steps, span_rows(spans))
    work = spans[spans["kind"] == "work"].iloc[0]
    assert saved[int(work["span"])] == work["duration"]
    assert max(saved.values()) <= row["wall"]


def test_nothing_is_made_up_for_an_operation_without_spans() -> None:
    assert critical_path([], pd.Timestamp("2026-11-22"), pd.Timestamp("2026-11-23")) == []
