"""Who could own which stretch of an operation's time, as columns; of commands, queues and waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.runspans import HAND_OVERS
from tracekit.build.tree import Tree
from tracekit.frames import NEVER, Numbers, Small, firsts, instants, joint, numbers_of, objects, rows
from tracekit.schema import CATEGORIES

RANK: Mapping[str, int] = {category: rank for rank, category in enumerate(CATEGORIES)}
WEAK = len(CATEGORIES)


class Claim(NamedTuple):
    """Someone who could own the time from `start` to `end` (microseconds) of an operation."""

    operation: int  # its row in the table of operations
    start: int
    end: int
    rank: int  # who claims with the smallest has it
    category: str
    owner: str
    span: int | None
    first: int | None  # records
    last: int | None


@dataclass
class Owners:
    """Category and owner of claims by number: equal ones have one number."""

    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def number(self, category: str, owner: str) -> int:
        """The number of a category and owner."""
        return self.numbers.setdefault((category, owner), len(self.numbers))

    def of(self, category: str, owners: Iterable[str]) -> Numbers:
        """The numbers of owners of one category."""
        return np.array([self.number(category, owner) for owner in owners], dtype=np.int64)


class Claims(NamedTuple):
    """Claims as columns; -1 where a span or record is unknown."""

    operation: Small
    start: Numbers
    end: Numbers
    rank: npt.NDArray[np.int8]
    what: Small  # number in Owners
    span: Small
    first: Small
    last: Small

    @classmethod
    def made(cls, *columns: npt.NDArray[Any] | int) -> Claims:
        """From columns of any whole numbers; a single number is that of all claims."""
        kinds = (np.int32, np.int64, np.int64, np.int8, *[np.int32] * 4)
        whole = np.broadcast_arrays(*columns)
        return cls(*(column.astype(kind, copy=False) for column, kind in zip(whole, kinds, strict=True)))

    @classmethod
    def of(cls, made: Sequence[Claim], owners: Owners) -> Claims:
        """From single ones."""
        numbers = [
            (*claim[:4], owners.number(claim.category, claim.owner), *(-1 if n is None else n for n in claim[6:]))
            for claim in made
        ]
        return cls.made(*np.array(numbers, dtype=np.int64).reshape(-1, len(cls._fields)).T)

    @classmethod
    def joined(cls, parts: Sequence[Claims]) -> Claims:
        """All of them, one behind the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def at(self, chosen: npt.NDArray[Any]) -> Claims:
        """Those of these rows."""
        return Claims(*(column[chosen] for column in self))


def command_claims(commands: pd.DataFrame, of: Numbers, owners: Owners) -> Claims:
    """Commands that are out at a host, and those that wait for their turn in its sequence; `of` is the operation of
    each, -1 for none.
    """
    scheduled, sent, received = (instants(commands[name]) for name in ("scheduled", "sent", "received"))
    back = np.where(received != NEVER, received, instants(commands["given_up"]))
    out = np.flatnonzero((of >= 0) & (sent != NEVER) & (back > sent))
    held = np.flatnonzero((of >= 0) & (scheduled != NEVER) & (sent > scheduled))
    asked, held_up = (commands[["host_name", "HOST", "command"]].iloc[some] for some in (out, held))
    alike = joint(*(pd.factorize(column)[0] for _, column in asked.items()))
    at_host = owners.of(
        "agent", (f"{host_of(n, h)}: {c or 'command'}" for _, n, h, c in rows(asked.iloc[firsts(alike)]))
    )
    ahead = zip(rows(held_up), ahead_of(held, commands), strict=True)
    in_turn = owners.of("queue", (f"{host_of(n, h)}: sequence, behind {other}" for (_, n, h, _), other in ahead))
    last = numbers_of(commands["receiver"].fillna(commands["closer"]))
    span, first = numbers_of(commands["span"]), numbers_of(commands["sender"])
    at_once = Claims.made(
        of[out], sent[out], back[out], RANK["agent"], at_host[alike], span[out], first[out], last[out]
    )
    after_others = Claims.made(
        *(of[held], scheduled[held], sent[held], RANK["queue"], in_turn, span[held], first[held], last[held])
    )
    return Claims.joined([at_once, after_others])


def host_of(name: Any, number: int) -> str:
    """What to call a host: its name, where lines say it."""
    return name if isinstance(name, str) else f"host {number}"


def ahead_of(held: Numbers, commands: pd.DataFrame) -> list[str]:
    """What stood before each of these commands, rows of the table, in the sequence of its host."""
    keys = [
        np.concatenate([numbers_of(commands[name]), numbers_of(commands[other])[held]])
        for name, other in (("life", "life"), ("HOST", "HOST"), ("SEQ", "behind"))
    ]
    number, sequence, many = joint(*keys), keys[-1], len(commands)
    known = np.flatnonzero(np.min(keys, axis=0)[:many] >= 0)
    last = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int64)
    last[number[known]] = known  # of one number the last
    command, operation = (objects(commands[name]).tolist() for name in ("command", "operation"))
    made = []
    for at, behind in zip(last[number[many:]].tolist(), sequence[many:].tolist(), strict=True):
        of = f" of {operation[at]}" if operation[at] is not None else ""
        made.append(f"{command[at] or behind}{of}" if at >= 0 else str(behind))
    return made


def wait_claims(tree: Tree, places: Mapping[str, int], owners: Owners) -> Claims:
    """Waits for a work job that another operation had asked for; `places` says where an operation stands."""
    told = tree.rows.told
    made: list[Claim] = []
    for at in np.flatnonzero(told.kind == "wait").tolist():
        if "holder" not in told.attributes[at] or told.operation[at] not in places:
            continue
        span, start, end, first, last = (int(c[at]) for c in (told.span, told.start, told.end, told.first, told.last))
        what = (RANK["queue"], "queue", f"waits for {told.name[at]}")
        made.append(Claim(places[told.operation[at]], start, end, *what, span, first, last))
    return Claims.of(made, owners)


class Queues(NamedTuple):
    """The work jobs of each VM: number, started, completed."""

    of_vm: Mapping[int, Sequence[tuple[int, int, int]]]

    @classmethod
    def of(cls, jobs: pd.DataFrame) -> Queues:
        """From the table of jobs."""
        numbers = (numbers_of(jobs[name]) for name in ("vm", "job"))
        columns = [*numbers, *(instants(jobs[name]) for name in ("started", "completed"))]
        work = np.flatnonzero((jobs["kind"] == "work").to_numpy() & (columns[0] >= 0))
        made: dict[int, list[tuple[int, int, int]]] = {}
        for vm, *job in zip(*(column[work].tolist() for column in columns), strict=True):
            made.setdefault(vm, []).append((job[0], job[1], job[2]))
        return cls(made)

    def owner(self, job: int, vm: Any, queued: int, scheduled: int) -> str:
        """The queue of a work job and, where another job of the same VM was running meanwhile, that job."""
        if pd.isna(vm):
            return "sync queue"
        ahead = [
            other
            for other, started, completed in self.of_vm.get(vm, ())
            if other != job and started != NEVER and started < scheduled and (completed == NEVER or completed > queued)
        ]
        behind = f", behind job-{ahead[-1]}" if ahead else ", until the heartbeat"
        return f"VmWorkJobQueue.{vm}{behind}"


def queue_claims(
    jobs: pd.DataFrame, runs: pd.DataFrame, of: tuple[Numbers, Numbers], queues: Queues, owners: Owners
) -> Claims:
    """Each job in its sync queue, then with its executor until a thread took it; `of` is the operation of each job and
    each run, -1 for none.
    """
    told = begun_jobs(jobs, runs, *of)
    submitted, queued, scheduled, begun = (told[name].to_numpy() for name in (*HAND_OVERS, "begun"))
    held = np.flatnonzero((queued != NEVER) & (scheduled > queued))
    waits = np.where(queued != NEVER, queued, submitted)
    waits[held] = scheduled[held]
    taken = np.flatnonzero((waits != NEVER) & (begun > waits))
    columns = (told[name].iloc[held].tolist() for name in ("job", "vm", "queued", "scheduled"))
    in_queue = owners.of("queue", (queues.owner(*row) for row in zip(*columns, strict=True)))
    with_executor = owners.of("executor", (f"{kind} job executor" for kind in told["kind"].iloc[taken]))
    operation, first = told["operation"].to_numpy(), told["first"].to_numpy()
    waiting = (operation[held], queued[held], scheduled[held], RANK["queue"], in_queue, -1, -1, first[held])
    handed_over = (operation[taken], waits[taken], begun[taken], RANK["executor"], with_executor, -1, -1, first[taken])
    return Claims.joined([Claims.made(*waiting), Claims.made(*handed_over)])


def begun_jobs(jobs: pd.DataFrame, runs: pd.DataFrame, of_job: Numbers, of_run: Numbers) -> pd.DataFrame:
    """Jobs that ran: microseconds of their hand-overs, when their first run in the operation began, its first line."""
    job, of = (np.concatenate(both) for both in ((jobs["job"], numbers_of(runs["job"])), (of_job, of_run)))
    number, many = joint(of, job), len(jobs)
    ran = np.flatnonzero((of[many:] >= 0) & (job[many:] >= 0))[::-1]
    first = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int64)
    first[number[many:][ran]] = ran  # the one that comes last stays
    told = np.flatnonzero(first[number[:many]] >= 0)
    run = first[number[told]]
    made = {
        "operation": of[told],
        "job": job[told],
        **{name: jobs[name].to_numpy(dtype=object)[told] for name in ("kind", "vm")},
        **{name: instants(jobs[name])[told] for name in HAND_OVERS},
        "begun": instants(runs["start"])[run],
        "first": runs["first"].to_numpy(dtype=np.int64)[run],
    }
    return pd.DataFrame(made, copy=False)
