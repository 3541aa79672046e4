"""What was printed, as the tables of tracekit/schema.py should give it back.

A truth is a function of the lines that were really printed: each time is that of a named line, so a log that was cut
or interrupted has its own truth without being made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Line:
    """One statement of one thread. `when` orders the work, `ts` is what the clock showed, both in milliseconds."""

    when: int
    statement: str
    level: str
    logger: str
    context: tuple[str, ...]
    logid: str
    message: str
    run: Run
    operation: str | None = None  # None: nobody's
    ts: int = 0
    printed: bool = True


@dataclass(eq=False)
class Run:
    """What one thread did under one context, and in which pool the thread is."""

    pool: str  # thread name, ends with "-" where a number is to be chosen
    life: int  # of the server
    lines: list[Line] = field(default_factory=list)
    thread: str = ""


def first(lines: Iterable[Line]) -> int | None:
    """Time of the first of `lines` that was printed."""
    return next((line.ts for line in lines if line.printed), None)


READ = 2  # milliseconds before its END a poll reads the row of the job
TELLING = ("submit", "sync", "dequeue", "schedule", "add", "execute", "work", "complete", "update", "cancel")


@dataclass(eq=False)
class JobTruth:
    """One job. `said` has its lines by statement."""

    job: int
    origin: int | None
    kind: str
    vm: int | None
    cls: str
    uuid: str
    operation: str
    outcome: str = "succeeded"
    code: int = 0
    error: str | None = None
    said: dict[str, list[Line]] = field(default_factory=dict)
    told: frozenset[str] = frozenset()  # how its lines tell who it is: "uuid", "logid", "origin"
    run: Run | None = None  # on its executor

    def lines(self, *statements: str) -> list[Line]:
        return [line for statement in statements for line in self.said.get(statement, ())]

    @property
    def known(self) -> bool:
        """Whether a line that speaks of the job, or that it wrote, was printed."""
        ran = self.run.lines if self.run else []
        return first(self.lines(*TELLING)) is not None or any(line.printed for line in ran)

    @property
    def ran(self) -> bool:
        """Whether a line of its own thread was printed."""
        return self.run is not None and any(line.printed for line in self.run.lines)

    @property
    def seen_kind(self) -> str:
        """A job is an API job until a line says more."""
        return self.kind if self.ran or first(self.lines("sync")) is not None else "api"

    @property
    def seen_origin(self) -> int | None:
        """The job it works for, from its context or that of the thread that queued it."""
        queued = first(self.lines("sync")) is not None and "origin" in self.told
        return self.origin if self.ran or queued else None

    @property
    def seen_vm(self) -> int | None:
        """Its VM, where a line says it."""
        return self.vm if first(self.lines("sync", "work")) is not None else None

    @property
    def submitted(self) -> int | None:
        return first(self.lines("submit", "sync"))

    @property
    def queued(self) -> int | None:
        return first(self.lines("sync"))

    @property
    def scheduled(self) -> int | None:
        return first([*self.lines("dequeue"), *self.lines("schedule")])

    @property
    def started(self) -> int | None:
        return first(self.lines("execute", "add"))

    @property
    def completed(self) -> int | None:
        ended = first(self.lines("update", "complete", "cancel"))
        return first(self.lines("remove")) if ended is None else ended

    @property
    def status(self) -> str:
        if first(self.lines("complete")) is not None:
            return self.outcome
        if first(self.lines("cancel")) is not None:
            return "cancelled"
        if self.completed is not None:
            return "unknown"
        return "unfinished" if self.started is not None or self.submitted is not None else "unknown"


@dataclass(eq=False)
class CommandTruth:
    """One agent command: host, sequence number, classes, and its lines by statement."""

    host: int
    seq: int
    life: int
    names: tuple[str, ...]
    job: int
    operation: str
    refused: bool = False
    said: dict[str, Line] = field(default_factory=dict)

    def when(self, *statements: str) -> int | None:
        return first(self.said[statement] for statement in statements if statement in self.said)

    @property
    def known(self) -> bool:
        return self.when("send", "wait", "answer", "receive") is not None

    @property
    def scheduled(self) -> int | None:
        return self.when("wait")

    @property
    def sent(self) -> int | None:
        return self.when("now") if self.scheduled is not None else self.when("send", "direct")

    @property
    def outcome(self) -> str:
        if self.when("timeout") is not None:
            return "timed out"
        if self.when("answer") is not None and self.refused:
            return "failed"
        return "answered" if self.when("answer", "receive") is not None else "unanswered"


@dataclass(eq=False)
class OperationTruth:
    """One operation: its request, its topmost job, every run that worked for it, its polls as (START, END)."""

    operation: str
    command: str | None
    ctx: str | None = None  # of its request
    asked: Run | None = None  # its request
    start: Line | None = None
    end: Line | None = None
    job: JobTruth | None = None
    runs: list[Run] = field(default_factory=list)  # of its jobs
    polls: list[tuple[Line, Line]] = field(default_factory=list)

    def expected(self) -> list[Expected]:
        """The operations that the printed lines make of it: two where the line that joins request and job is gone."""
        request = first(line for line in (self.start, self.end) if line) is not None
        joined = self.job is None or first(self.job.lines("submit")) is not None
        began, returned = first([self.start] if self.start else ()), first([self.end] if self.end else ())
        made = []
        if self.job is None or (request and not joined):
            if request:
                end = "unfinished" if returned is None else "succeeded"
                submitted = began if began is not None else returned
                made.append(Expected(f"req-{self.ctx}", submitted, returned, returned, end, None))
            if self.job is None:
                return made
        times = [line.ts for run in self.runs for line in run.lines if line.printed]
        if not times and not (joined and request):
            if self.job.known:
                made.append(Expected(self.operation, None, None, self.job.completed, self.job.status, None))
            return made
        if not (joined and began is not None):
            asked = self.asked.lines if joined and self.asked else []
            began = min([*times, *(line.ts for line in asked if line.printed)])
        done = self.job.completed
        seen = self.seen(done) if done is not None and self.uuid_known else None
        made.append(Expected(self.operation, began, returned if joined else None, done, self.job.status, seen))
        return made

    def seen(self, done: int) -> int | None:
        """END of the first poll that could read the job's end: it does so just before it answers."""
        ends = [end.ts for _, end in self.polls if end.printed and end.ts - READ >= done]
        return min(ends, default=None)

    @property
    def uuid_known(self) -> bool:
        """Whether anything says which job a poll asks about: its details, or the logid of its thread."""
        mine = [line for line in self.runs[0].lines if line.logid == self.job.uuid[:8]]
        if "logid" in self.job.told and first(mine) is not None:
            return True
        return "uuid" in self.job.told and first(self.job.lines("execute", "submit")) is not None


@dataclass(frozen=True)
class Expected:
    """A row of the operations table; times in milliseconds."""

    operation: str
    submitted: int | None
    returned: int | None
    completed: int | None
    status: str
    client_seen: int | None


@dataclass
class Truth:
    """Everything that a log should give back."""

    operations: list[OperationTruth] = field(default_factory=list)
    jobs: dict[int, JobTruth] = field(default_factory=dict)
    commands: list[CommandTruth] = field(default_factory=list)
    pseudo: dict[str, OperationTruth] = field(default_factory=dict)  # behind jobs that only a context names

    def expected(self) -> dict[str, Expected]:
        """Rows of the operations table by name; operations behind a pseudo job are not among them."""
        made = {row.operation: row for operation in self.operations for row in operation.expected()}
        for job in self.jobs.values():
            if job.kind == "work" and job.known and job.seen_origin is None:
                # Nothing is left that says whose it was.
                made[f"job-{job.job}"] = Expected(f"job-{job.job}", None, None, job.completed, job.status, None)
        return made
