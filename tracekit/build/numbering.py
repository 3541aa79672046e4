"""Job numbers that begin anew in one log: a second database behind the same server, or logs of two put together.

CloudStack counts jobs in its database and never runs one again: a restart cancels what was left (AsyncJobManagerImpl,
all releases). A job that is submitted, queued, executed or, by a later life of its server, added a second time is
therefore another one, and from there on every number is of another database. Each is built for itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.context import add_lives
from tracekit.build.mentions import coalesced
from tracekit.frames import instants, joint, numbers_of, places
from tracekit.parse.events import Events
from tracekit.quality import Collector

ONCE = ("job.submit", "job.queue", "job.execute")  # said once of a job


def databases(
    records: pd.DataFrame, events: Events, installation: pd.Series[Any] | None, quality: Collector
) -> pd.Series[Any] | None:
    """The group of each record: its installation, divided where job numbers begin anew; None where there is one."""
    placed = pd.Series(0, index=records.index) if installation is None else installation
    born = births(records, events, placed)
    if not repeated(born):
        return installation
    records = add_lives(records, events)
    turn = pd.Series(0, index=records.index)
    for group, rows in born.groupby("group"):
        for cut in cuts(rows, records[placed == group]):
            turn[(placed == group) & (records.index >= cut)] += 1
    quality.add("job numbers that begin anew", "note", int(turn.max()), example="later ones are named job-N#2")
    return pd.DataFrame({"group": placed, "turn": turn}).groupby(["group", "turn"]).ngroup()


def births(records: pd.DataFrame, events: Events, placed: pd.Series[Any]) -> pd.DataFrame:
    """What can be said of a job only once: `record`, `job`, `word` by number and the installation's `group`."""
    cut = events.meant(*ONCE, "job.add")
    record, known = cut.records, places(cut.means(), ONCE)
    # What a thread says when it adds its job is said once by each server.
    words = np.where(known < 0, len(ONCE) + 1 + records["server"].array.codes[record], known)
    born = pd.DataFrame(
        {
            "record": record,
            "job": coalesced(cut.column("JOB"), records["job"].array.take(record)),
            "word": words,
            "group": placed.to_numpy()[record],
        }
    )
    if repeated(born):
        # A thread that is woken up adds its job again; in another life of the server it can only be another job.
        life = add_lives(records, events)["life"].to_numpy()[record]
        added = (known < 0) & born.assign(life=life).duplicated(["word", "job", "life"])
        # A line that the log has twice is of one time.
        same = born.assign(ts=instants(records["ts"])[record]).duplicated(["group", "word", "job", "ts"])
        born = born[~(added | same)]
    return born[born["job"].notna().to_numpy()]


def repeated(born: pd.DataFrame) -> bool:
    """Whether anything is said twice."""
    number = joint(*(numbers_of(born[name]) for name in ("group", "word", "job")))
    return int(number.max(initial=-1)) + 1 < len(number)


def cuts(born: pd.DataFrame, records: pd.DataFrame) -> list[int]:
    """Records of one installation from which on a job's number is of another database."""
    breaks = [place for column in ("life", "source") for place in records.index[~records[column].duplicated()]]
    made: list[int] = []
    seen: dict[tuple[int, int], int] = {}
    for record, word, job in zip(born["record"], born["word"], born["job"], strict=True):
        before = seen.get((word, job))
        if before is not None:
            between = [place for place in breaks if before < place <= record]
            made.append(max(between) if between else widest(records["ts"], before, record))
            seen = {key: place for key, place in seen.items() if place >= made[-1]}
        seen[(word, job)] = int(record)
    return made


def widest(ts: pd.Series[Any], before: int, record: int) -> int:
    """The record behind the longest step of the clock, for databases change while no server runs."""
    part = ts.loc[before:record]
    steps = np.abs(np.diff(instants(part)))
    return int(part.index[1 + int(steps.argmax())])
