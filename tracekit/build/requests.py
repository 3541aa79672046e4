"""API requests: one run of an HTTP thread, from START to END, with what it asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pandas as pd

from tracekit.build.model import Model
from tracekit.build.pairing import texts
from tracekit.frames import figures, firsts
from tracekit.parse.events import Events
from tracekit.read.files import Sources

SIDES = ("start", "end")  # of a request
OF_LINE = ("QUERY", "PARAMS", "record")  # what the line of either says


def build_requests(records: pd.DataFrame, events: Events, sources: Sources, model: Model) -> pd.DataFrame:
    """One row a request, by `run`: begin and end (record, ts), ctx, caller, command, polled (uuid of a job), name.

    A request that the file's beginning cut off has no begin, one that its end cut off has no end.
    """
    starts = bounds(records, events, "request.start").add_prefix("start_")
    ends = bounds(records, events, "request.end").add_prefix("end_")
    made = starts.join(ends, how="outer")
    text_of = texts(records, sources)
    queries = pd.concat([made["start_QUERY"], made["end_QUERY"]]).dropna().unique()
    # Most are polls, which are asked many times; a login is its bare command.
    known = {query: lowered(query) if "=" in query else {"command": query.strip()} for query in queries}
    known.pop("null", None)
    told = figures(made[[f"{side}_{name}" for side in SIDES for name in OF_LINE]])
    lines = (zip(*(told[f"{side}_{name}"].tolist() for name in OF_LINE), strict=True) for side in SIDES)
    asked = [parameters(both, known, text_of) for both in zip(*lines, strict=True)]
    made["command"] = [values.get("command") for values in asked]
    made["polled"] = [
        values.get(model.poll_parameter) if values.get("command") == model.poll_command else None for values in asked
    ]
    made["name"] = [values.get("name") or values.get("displayname") for values in asked]
    named = events.meaning("request.command", columns=["API"])
    said = pd.Series(named["API"].to_numpy(), index=records.loc[named["record"], "run"].to_numpy())
    made["command"] = made["command"].fillna(said[~said.index.duplicated()].reindex(made.index))
    first = firsts(records["run"].to_numpy())[made.index.to_numpy(dtype=np.int64)]
    return made.join(records[["ctx", "thread", "life", "logid"]].iloc[first].set_axis(made.index))


def bounds(records: pd.DataFrame, events: Events, word: str) -> pd.DataFrame:
    """First event of that meaning in each run."""
    rows = events.meaning(word, columns=["IP", "QUERY", "PARAMS"])
    rows = rows[["record", "IP", "QUERY", "PARAMS"]].assign(
        run=records.loc[rows["record"], "run"].to_numpy(), ts=records.loc[rows["record"], "ts"].to_numpy()
    )
    return rows.drop_duplicates("run").set_index("run")


def parameters(
    lines: Iterable[tuple[Any, float, float]], known: Mapping[str, dict[str, str]], text_of: Callable[[int, int], str]
) -> Mapping[str, str]:
    """Parameters of a request: the query's, which are `known`, or what a POST prints below its line; `lines` are its
    first and last: query, place of what is below, record.
    """
    for query, place, record in lines:
        found = known.get(query)
        if found is not None:
            return found
        if place >= 0:
            pairs = (line.partition("=") for line in text_of(int(record), int(place)).splitlines())
            return {key.strip().lower(): value.strip() for key, _, value in pairs if key}
    return {}


def lowered(query: str) -> dict[str, str]:
    """Parameters of a query string, keys in lower case: the API takes `jobId` and `jobid` for the same."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {plain(key).lower(): plain(value) for key, equals, value in pairs if key or equals}


def plain(text: str) -> str:
    """A key or value as it was before it was written into a query."""
    return unquote_plus(text) if "%" in text or "+" in text else text
