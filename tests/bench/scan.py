"""`python -m tests.bench.scan LOG [re]`: records and events of one log, nothing behind them; prints what it counted.

With `re`, without the compiled scanner.
"""

from __future__ import annotations

import sys

from tracekit.memory import settle
from tracekit.parse import parse
from tracekit.quality import Collector
from tracekit.read.files import open_sources


def main(path: str, compiled: bool) -> None:
    """Print records, those that a rule knows, bytes of all records."""
    settle()  # as every command does
    records = parse(open_sources([path]), Collector(), compiled=compiled).records
    sys.stdout.write(f"{len(records)} {int(records['event'].notna().sum())} {int(records['length'].sum())}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] != ["re"])
