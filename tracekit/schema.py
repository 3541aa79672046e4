"""Names, dtypes and invariants of every table that passes between two steps.

A frame is checked with :func:`check` when it leaves the step that made it, so a mistake is found where it was
made and not on the page. All times are the log's own wall clock, naive, in ``datetime64[us]``; durations are
``timedelta64[us]``. A number that may be unknown is a nullable ``Int64``; unknown text is a null string, never ``""``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tracekit.errors import SchemaError

if TYPE_CHECKING:  # who counts needs no tables
    import pandas as pd

TIME = "datetime64[us]"
SPAN_OF_TIME = "timedelta64[us]"
TEXT = "str"
NUMBER = "Int64"
ROW = "int64"
SMALL = "int32"
NAME = "category"
FLAG = "bool"
FRACTION = "float64"
OBJECT = "object"
LISTED = (TEXT, NUMBER, NAME)  # what lists are made into at once

RECORDS: Mapping[str, str] = {
    "source": NAME,  # path as given on the command line
    "line": SMALL,  # 1-based number of the record's first line
    "lines": SMALL,  # lines of the record, continuation lines included
    "offset": ROW,  # byte of the source where the record begins
    "length": ROW,  # bytes of the record, its last newline included
    "message": SMALL,  # bytes from `offset` to the first byte of the message
    "ts": TIME,
    "level": NAME,
    "logger": NAME,
    "thread": NAME,
    "ctx": NAME,  # first `ctx-` of the context, its eight hex digits
    "origin": NUMBER,  # P of a `job-P/job-C` context
    "job": NUMBER,  # N of `job-N`, C of `job-P/job-C`
    "logid": NAME,
    "server": NAME,  # the machine that wrote it: number or name of a management server, name of a host
    "event": NAME,  # name of the rule that reads the message; null where none does
    "run": NUMBER,  # the stretch of one thread's work that this record belongs to
    "operation": NAME,
    "span": NUMBER,  # innermost span that was open
}

SPANS: Mapping[str, str] = {
    "span": ROW,  # = row number
    "parent": NUMBER,  # null for roots
    "depth": ROW,
    "operation": TEXT,
    "kind": NAME,
    "name": TEXT,
    "thread": NAME,
    "server": NAME,
    "start": TIME,
    "end": TIME,  # NaT while open
    "duration": SPAN_OF_TIME,
    "self_time": SPAN_OF_TIME,  # duration minus the union of the children, clipped to the span
    "status": NAME,
    "ends": NAME,  # how the end is known
    "first_record": NUMBER,
    "last_record": NUMBER,
    "attributes": OBJECT,  # dict of str to str/int, what the lines of the span say
}
SPAN_KINDS = ("request", "job", "queue", "work", "stage", "call", "command", "state", "wait")
SPAN_STATUS = ("ok", "error", "open", "orphan")
SPAN_ENDS = ("logged", "before", "open")  # "before": it ended before the next line that is known to be outside

OPERATIONS: Mapping[str, str] = {
    "operation": TEXT,  # job-43, without a job req-<ctx>
    "command": TEXT,  # API command; null when nothing names it
    "request": NUMBER,  # span of the API request
    "job": NUMBER,
    "uuid": TEXT,  # of the job, or its first eight digits where only the logid tells it
    "account": TEXT,
    "user": TEXT,
    "caller": TEXT,  # client address
    "entity": TEXT,  # instance name of the VM (or other resource) it is about
    "entity_uuid": TEXT,
    "submitted": TIME,
    "returned": TIME,
    "queued": TIME,
    "started": TIME,
    "completed": TIME,
    "client_seen": TIME,
    "wall": SPAN_OF_TIME,
    "sync": SPAN_OF_TIME,
    "queue": SPAN_OF_TIME,
    "run": SPAN_OF_TIME,
    "owner": TEXT,  # who had most of its wall time, by the ledger; null where there is none for it
    "share": FRACTION,  # of its wall time that this owner had
    "status": NAME,
    "error": TEXT,
    "doubts": TEXT,  # joins that had two possible ends, sentences joined by "; "; null where there was none
    "server": NAME,
}
STATUS = ("succeeded", "failed", "cancelled", "unfinished", "unknown")

JOBS: Mapping[str, str] = {
    "job": ROW,
    "uuid": TEXT,
    "origin": NUMBER,
    "kind": NAME,  # api or work
    "command": TEXT,  # VmWork class of a work job, command class of an API job
    "vm": NUMBER,
    "server": NAME,
    "operation": TEXT,
    "submitted": TIME,
    "queued": TIME,
    "scheduled": TIME,
    "started": TIME,
    "completed": TIME,
    "status": NAME,
    "result_code": NUMBER,
    "error": TEXT,
}

COMMANDS: Mapping[str, str] = {
    "host": NUMBER,  # the number in `Seq h-n` of a `Request` line
    "host_name": TEXT,
    "seq": ROW,
    "command": TEXT,  # simple class names, comma separated
    "job": NUMBER,
    "operation": TEXT,
    "thread": NAME,
    "scheduled": TIME,
    "sent": TIME,
    "answered": TIME,
    "received": TIME,
    "host_received": TIME,
    "host_answered": TIME,
    "result": TEXT,
    "details": TEXT,
    "span": NUMBER,
}

LEDGER: Mapping[str, str] = {
    "operation": TEXT,
    "start": TIME,
    "end": TIME,
    "category": NAME,
    "owner": TEXT,
    "span": NUMBER,
    "first_record": NUMBER,  # the two lines that bound the interval
    "last_record": NUMBER,
}
# Where several categories could claim an instant, the earlier one does.
CATEGORIES = ("agent", "queue", "executor", "lock", "database", "execution", "client", "unlogged")

FINDINGS: Mapping[str, str] = {
    "rule": TEXT,
    "severity": NAME,
    "verdict": NAME,
    "operation": TEXT,
    "span": NUMBER,
    "cost": SPAN_OF_TIME,
    "title": TEXT,
    "evidence": OBJECT,  # list of record numbers
    "advice": TEXT,
    "certainty": NAME,
    "holder": TEXT,  # who held what was waited for: a job, a command, a thread, a host
}
SEVERITIES = ("error", "warning", "note")
# A literal was read; a gap between two lines whose code is known; neither.
CERTAINTIES = ("certain", "likely", "possible")

QUALITY: Mapping[str, str] = {
    "counter": TEXT,
    "severity": NAME,
    "count": ROW,
    "example": TEXT,
    "where": TEXT,  # source:line
}

UNKNOWN: Mapping[str, str] = {
    "template": TEXT,  # words that its messages share, `<*>` for what differs
    "count": ROW,
    "level": NAME,
    "logger": NAME,  # simple class name
    "example": TEXT,  # first line of the first message
    "where": TEXT,  # source:line
}

ENTITIES: Mapping[str, str] = {
    "kind": NAME,  # vm, host, network, volume, ...
    "id": NUMBER,  # database id
    "uuid": TEXT,
    "name": TEXT,  # of a VM its instance name
    "count": ROW,  # times that lines name it
}
ENTITY_KINDS = (
    *("vm", "host", "network", "volume", "pool", "store", "template", "account", "user", "domain", "zone", "pod"),
    *("cluster", "snapshot", "vpc", "job"),
)

TOLD: Mapping[str, str] = {
    "what": NAME,  # machine, host, database, primary or secondary storage
    "record": ROW,  # the first that tells of it, of a machine each that tells a host to start it
    "end": NUMBER,  # byte of the source where that is said of a machine; its nics stand behind it
    "host": NUMBER,  # the host that is told to start the machine, by its number
    "host_name": TEXT,  # by its name; of storage a host whose commands name it
    "seq": NUMBER,  # of the command
    "name": TEXT,
    "id": TEXT,
    "type": TEXT,
    "address": TEXT,
    "path": TEXT,
}

GROUPS: Mapping[str, str] = {
    "by": TEXT,  # host, pool, router, template, account, hour, command
    "name": TEXT,
    "count": ROW,  # operations
    "failed": ROW,
    "compared": ROW,  # those whose duration can be compared with others of their API command
    "slow": ROW,  # of these
    "expected": FRACTION,  # slow ones that it would have if it were like the rest of the same API commands
    "rest": ROW,  # compared operations of the other groups
    "median": SPAN_OF_TIME,  # wall times, without failures that took less than is usual
    "p95": SPAN_OF_TIME,
    "worst": SPAN_OF_TIME,
    "total": SPAN_OF_TIME,
    "slowest": TEXT,  # the operation that took longest
    "p": FRACTION,  # that so many are slow by chance; null where there are too few to tell
    "odd": FLAG,  # whether it stands out
}

COMMAND_TIMES: Mapping[str, str] = {
    "command": TEXT,
    "host": TEXT,  # null: all hosts
    "count": ROW,  # answered
    "failed": ROW,
    "median": SPAN_OF_TIME,
    "p95": SPAN_OF_TIME,
    "p99": SPAN_OF_TIME,
    "worst": SPAN_OF_TIME,
    "total": SPAN_OF_TIME,
    "rest": ROW,  # answers of the other hosts to the same command
    "rest_median": SPAN_OF_TIME,
    "p": FRACTION,  # that host and rest differ so much by chance; null where there are too few to tell
    "odd": FLAG,
}

STALLS: Mapping[str, str] = {
    "start": TIME,
    "end": TIME,
    "duration": SPAN_OF_TIME,
    "operations": ROW,  # that stood still together, at most
    "under_way": ROW,  # operations under way at that moment
    "waited": TEXT,  # for what most of them did
    "names": OBJECT,  # list of the operations
    "first_record": NUMBER,  # the two lines that bound it for one of them
    "last_record": NUMBER,
}

CHANGES: Mapping[str, str] = {
    "what": TEXT,  # API command, agent command
    "command": TEXT,
    "before": ROW,  # durations that begin in the first half
    "after": ROW,
    "before_median": SPAN_OF_TIME,
    "after_median": SPAN_OF_TIME,
    "p": FRACTION,  # that the halves differ so much by chance
    "odd": FLAG,
}

CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": (*dict.fromkeys((*SPAN_KINDS, "api", *ENTITY_KINDS)),),
    "status": SPAN_STATUS + STATUS,
    "ends": SPAN_ENDS,
    "category": CATEGORIES,
    "severity": SEVERITIES,
    "certainty": CERTAINTIES,
    "verdict": ("found", "clear", "not enough data"),
}


def frame(schema: Mapping[str, str], columns: Mapping[str, Any]) -> pd.DataFrame:
    """A frame with exactly the columns of `schema`, cast to its dtypes; columns not given are null."""
    import pandas as pd

    index = pd.RangeIndex(max((len(values) for values in columns.values() if hasattr(values, "__len__")), default=0))
    arrays = (np.ndarray, pd.api.extensions.ExtensionArray)
    nulls: dict[str, Any] = {}  # one null column of each dtype serves all that are not given
    made = {}
    for name, dtype in schema.items():
        values: Any = columns.get(name)
        if values is None:
            if dtype not in nulls:
                nulls[dtype] = null_column(dtype, index)
            made[name] = nulls[dtype]
        elif isinstance(values, list) and dtype in LISTED:
            made[name] = listed(values, dtype)
        elif isinstance(values, arrays) and values.dtype.name == dtype != OBJECT:
            made[name] = values
        else:
            column: Any = pd.Series(values, copy=False) if not isinstance(values, pd.Series) else values
            made[name] = (column if column.dtype.name == dtype else column.astype(dtype)).set_axis(index)
    return pd.DataFrame(made, index=index, copy=False)


def listed(values: list[Any], dtype: str) -> Any:
    """A list as an array of one of LISTED, without a series that finds out what is in the list before it is cast."""
    import pandas as pd

    if dtype == NUMBER:
        return pd.array(values, dtype=pd.Int64Dtype())
    if dtype == TEXT:
        return pd.array(values, dtype=pd.StringDtype(na_value=np.nan))
    names = sorted(name for name in set(values) if pd.notna(name))
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place.get(name, -1) for name in values], dtype=np.int64)
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype=TEXT if names else OBJECT))


def null_column(dtype: str, index: pd.Index[Any]) -> pd.Series[Any]:
    """A column without a value."""
    import pandas as pd

    if len(index):
        return pd.Series(null(dtype).take(np.zeros(len(index), dtype=np.int64)), index)
    none: Any = pd.Series([], index, dtype=OBJECT)  # not every dtype has a null
    made: pd.Series[Any] = none.astype(dtype)
    return made


@cache
def null(dtype: str) -> Any:
    """An array of this dtype with one null."""
    import pandas as pd

    nulls: Any = pd.Series([None], dtype=OBJECT)
    return nulls.astype(dtype).array


def check(table: pd.DataFrame, schema: Mapping[str, str], name: str) -> pd.DataFrame:
    """`table` itself when it has the columns, dtypes and closed vocabularies of `schema`; else SchemaError."""
    if list(table.columns) != list(schema):
        raise SchemaError(f"{name}: columns {list(table.columns)} instead of {list(schema)}")
    for (column, dtype), own in zip(schema.items(), table.dtypes, strict=True):
        if own.name != dtype:
            raise SchemaError(f"{name}.{column}: dtype {own} instead of {dtype}")
        # What a category might say is looked for only where it names what it must not say.
        if column in CHOICES and not set(own.categories) <= set(CHOICES[column]):
            strange = set(table[column].dropna().unique()) - set(CHOICES[column])
            if strange:
                raise SchemaError(f"{name}.{column}: unknown {sorted(strange)}")
    return table


def check_spans(spans: pd.DataFrame) -> pd.DataFrame:
    """The invariants of a span tree on top of its dtypes: row numbers, parents first, depth, no negative self time."""
    check(spans, SPANS, "spans")
    rows = np.arange(len(spans))
    if (spans["span"].to_numpy() != rows).any():
        raise SchemaError("spans.span: not the row number")
    parents = spans["parent"].to_numpy(dtype=np.int64, na_value=-1)
    if (parents >= rows).any():
        raise SchemaError("spans.parent: a parent stands after its child")
    depth = spans["depth"].to_numpy()
    above = np.where(parents < 0, -1, depth[parents])  # of a root -1
    if (depth != above + 1).any():
        raise SchemaError("spans.depth: not the parent's plus one")
    own = spans["self_time"].to_numpy()
    if (own < np.timedelta64(0)).any():  # an unknown one is not
        raise SchemaError("spans.self_time: negative")
    return spans
