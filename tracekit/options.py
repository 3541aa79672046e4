"""What a user asked to see: the filters that every command takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracekit.errors import UsageError

if TYPE_CHECKING:  # a log is scanned while pandas is imported
    import pandas as pd

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_JOB = re.compile(r"job-\d+(@.+)?(#\d+)?")
_UNITS = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Filters(NamedTuple):
    """Conditions on operations; one that is None does not filter."""

    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    job: str | None = None  # of one operation, or of all that have this number
    vm: str | None = None
    command: str | None = None
    failed: bool = False
    slower_than: pd.Timedelta | None = None

    def apply(self, operations: pd.DataFrame) -> pd.DataFrame:
        """The rows of an operations table that meet every condition."""
        import pandas as pd

        kept = pd.Series(True, index=operations.index)
        if self.since is not None:
            kept &= operations["submitted"] >= self.since
        if self.until is not None:
            kept &= operations["submitted"] <= self.until
        if self.job is not None:
            number = operations["job"].astype("str") == self.job.removeprefix("job-")
            kept &= (operations["operation"] == self.job) | number.fillna(False)
        if self.vm is not None:
            named = operations["entity"].fillna("").str.contains(self.vm, case=False, regex=False)
            kept &= named | (operations["entity_uuid"] == self.vm)
        if self.command is not None:
            kept &= operations["command"].fillna("").str.contains(self.command, case=False, regex=False)
        if self.failed:
            kept &= operations["status"].isin(["failed", "cancelled"])
        if self.slower_than is not None:
            kept &= operations["wall"] > self.slower_than
        return operations[kept]


def duration(text: str) -> pd.Timedelta:
    """`2s`, `150ms`, `1.5m`, `2h`, or seconds. Raises UsageError for anything else."""
    import pandas as pd

    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no duration: 150ms, 2s, 1.5m, 1h")
    return pd.Timedelta(seconds=float(found.group(1)) * _UNITS[found.group(2)])


def moment(text: str) -> pd.Timestamp:
    """A time of the log's own clock: `2026-11-22 16:50`, with or without seconds. Raises UsageError otherwise."""
    import pandas as pd

    try:
        made = pd.Timestamp(text.replace(",", "."))
    except ValueError as error:
        raise UsageError(f"{text!r} is no time: 2026-11-22 16:50, or with seconds") from error
    if made.tzinfo is not None:
        raise UsageError(f"{text!r}: times are the log's own clock, without a zone")
    return made


def job_name(text: str) -> str:
    """`job-43` of `job-43` or `43`; `job-43#2` and `job-43@server` as they are. Raises UsageError for anything else."""
    name = text if text.startswith("job-") else f"job-{text}"
    if not _JOB.fullmatch(name):
        raise UsageError(f"{text!r} is no job: job-43, 43, or job-43#2 where its number comes again")
    return name
