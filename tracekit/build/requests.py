"""API requests: one run of an HTTP thread, from START to END, with what it asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pandas as pd

from tracekit.build.model import Model
from tracekit.build.pairing import texts
from tracekit.frames import Numbers, distinct, first_places, firsts, numbers_of
from tracekit.parse.events import Events
from tracekit.read.files import Sources

SIDES = {"start": ("IP", "QUERY", "PARAMS"), "end": ("QUERY", "PARAMS")}  # of a request, what is asked of their lines


def build_requests(records: pd.DataFrame, events: Events, sources: Sources, model: Model) -> pd.DataFrame:
    """One row a request, by `run`: begin and end, ctx, thread, caller, command, polled (uuid of a job), name.

    A request that the file's beginning cut off has no begin, one that its end cut off has no end.
    """
    run_of, text_of = records["run"].to_numpy(), texts(records, sources)
    sides = {side: bounds(run_of, events, f"request.{side}", columns) for side, columns in SIDES.items()}
    run = distinct(np.concatenate([own["run"] for own in sides.values()]))
    made: dict[str, Any] = {}
    for side, own in sides.items():
        at = pd.Index(own["run"]).get_indexer(pd.Index(run))
        made |= {f"{side}_{name}": pd.api.extensions.take(own[name], at, allow_fill=True) for name in SIDES[side]}
        record = made[f"{side}_record"] = np.where(at < 0, -1, np.append(own["record"], -1)[at])
        made[f"{side}_ts"] = records["ts"].array.take(record, allow_fill=True)
    # Most are polls, which are asked many times; a login is its bare command.
    queries = {side: made[f"{side}_QUERY"].tolist() for side in SIDES}
    different = {query for said in queries.values() for query in said if isinstance(query, str)} - {"null"}
    known = {query: lowered(query) if "=" in query else {"command": query.strip()} for query in different}
    lines = (
        zip(queries[side], numbers_of(made[f"{side}_PARAMS"]).tolist(), made[f"{side}_record"].tolist(), strict=True)
        for side in SIDES
    )
    asked = [parameters(both, known, text_of) for both in zip(*lines, strict=True)]
    named = events.meant("request.command")
    # Of a run's several lines the first.
    said = dict(zip(run_of[named.records][::-1].tolist(), named.column("API")[::-1], strict=True))
    commands = [values.get("command") for values in asked]
    first = firsts(run_of)[run]
    return pd.DataFrame(
        {
            **{name: made[name] for name in ("start_IP", "start_ts", "end_ts")},
            "command": [
                said.get(own) if name is None else name for own, name in zip(run.tolist(), commands, strict=True)
            ],
            "polled": [
                values.get(model.poll_parameter) if name == model.poll_command else None
                for name, values in zip(commands, asked, strict=True)
            ],
            "name": [values.get("name") or values.get("displayname") for values in asked],
            **{name: records[name].array.take(first) for name in ("ctx", "thread")},
        },
        index=pd.Index(run, name="run"),
    )


def bounds(run_of: Numbers, events: Events, word: str, columns: Iterable[str]) -> dict[str, Any]:
    """First event of that meaning in each run; `run_of` is the run of each record."""
    cut = events.meant(word)
    run = run_of[cut.records]
    first = first_places(run)
    return {"run": run[first], "record": cut.records[first], **{name: cut.column(name, first) for name in columns}}


def parameters(
    lines: Iterable[tuple[Any, int, int]], known: Mapping[str, dict[str, str]], text_of: Callable[[int, int], str]
) -> Mapping[str, str]:
    """Parameters of a request: the query's, which are `known`, or what a POST prints below its line; `lines` are its
    first and last: query, place of what is below, record.
    """
    for query, place, record in lines:
        found = known.get(query)
        if found is not None:
            return found
        if place >= 0:
            pairs = (line.partition("=") for line in text_of(record, place).splitlines())
            return {key.strip().lower(): value.strip() for key, _, value in pairs if key}
    return {}


def lowered(query: str) -> dict[str, str]:
    """Parameters of a query string, keys in lower case: the API takes `jobId` and `jobid` for the same."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {plain(key).lower(): plain(value) for key, equals, value in pairs if key or equals}


def plain(text: str) -> str:
    """A key or value as it was before it was written into a query."""
    return unquote_plus(text) if "%" in text or "+" in text else text
