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
from tracekit.frames import instants, places
from tracekit.parse.events import Events
from tracekit.quality import Collector

ONCE = ("job.submit", "job.queue", "job.execute")  # said once of a job


def databases(
    records: pd.DataFrame, events: Events, installation: pd.Series[Any] | None, quality: Collector
) -> pd.Series[Any] | None:
    """The group of each record: its installation, divided where job numbers begin anew; None where there is one."""
    placed = pd.Series(0, index=records.index) if installation is None else installation
    born = births(records, events, placed)
    if not born.duplicated(["group", "word", "job"]).any():
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
    made = events.meaning(*ONCE, "job.add", columns=["JOB"])[["record", "means", "JOB"]]
    said = records.loc[made["record"], ["job", "server"]].set_index(made.index)
    added = made["means"] == "job.add"
    # What a thread says when it adds its job is said once by each server.
    words = np.where(added, len(ONCE) + 1 + said["server"].cat.codes, places(made["means"], ONCE))
    born = pd.DataFrame(
        {
            "record": made["record"],
            "job": made["JOB"].fillna(said["job"]),
            "word": words,
            "group": placed.loc[made["record"]].to_numpy(),
        }
    )
    if born.duplicated(["group", "word", "job"]).any():
        # A thread that is woken up adds its job again; in another life of the server it can only be another job.
        life = add_lives(records, events)["life"].loc[made["record"]].to_numpy()
        born = born[~(added & born.assign(life=life).duplicated(["word", "job", "life"]))]
    return born.dropna(subset=["job"])


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
