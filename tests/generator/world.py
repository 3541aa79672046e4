"""A small CloudStack: plays operations on its threads and keeps what really happened as the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from generator.layouts import LEVELS, LOGGERS, Layout
from generator.truth import READ, CommandTruth, JobTruth, Line, OperationTruth, Run, Truth

HEARTBEAT = 2000  # milliseconds between two looks into the queues
HOSTS = (1, 2, 3)
DEPLOY = ("deployVirtualMachine", "org.apache.cloudstack.api.command.user.vm.DeployVMCmd")
STOP = ("stopVirtualMachine", "org.apache.cloudstack.api.command.user.vm.StopVMCmd")
START = ("startVirtualMachine", "org.apache.cloudstack.api.command.user.vm.StartVMCmd")
SNAPSHOT = ("createSnapshot", "org.apache.cloudstack.api.command.user.snapshot.CreateSnapshotCmd")
WORK_START, WORK_STOP = "com.cloud.vm.VmWorkStart", "com.cloud.vm.VmWorkStop"
REFUSAL = "no bridge on this host"
TRACE = (
    "\n\tat com.cloud.vm.VirtualMachineManagerImpl.orchestrateStart(VirtualMachineManagerImpl.java:1204)"
    "\n\tat java.base/java.lang.Thread.run(Thread.java:829)\nCaused by: java.io.IOException: gone\n\t... 12 more"
)


@dataclass
class Thread:
    """A run that is being written: where its clock stands, its context and logid."""

    run: Run
    now: int
    context: tuple[str, ...]
    logid: str
    operation: str | None


@dataclass
class World:
    """Plays operations. `direct`: hosts live inside the server, else commands go over the network."""

    layout: Layout
    random: random.Random
    direct: bool = False
    first_job: int = 100
    first_vm: int = 10
    truth: Truth = field(default_factory=Truth)
    lines: list[Line] = field(default_factory=list)
    life: int = 0

    def __post_init__(self) -> None:
        self.next_job, self.next_vm = self.first_job, self.first_vm
        self.ticks: dict[int, Thread] = {}
        self.vm_free: dict[int, int] = {}
        self.begin_life()

    def begin_life(self) -> None:
        """Sequence numbers begin anew with every life of the server, and here with the same number."""
        self.seq = {host: host * 2_000_000_000_000_000_000 + 100 for host in HOSTS}

    # --- lines

    def thread(self, pool: str, at: int, context: Sequence[str], logid: str, operation: str | None) -> Thread:
        return Thread(Run(pool, self.life), at, tuple(context), logid, operation)

    def say(
        self,
        thread: Thread,
        statement: str,
        wait: int | None = None,
        tail: str = "",
        logid: str | None = None,
        **values: object,
    ) -> Line:
        """One more line of `thread`, `wait` milliseconds after the one before."""
        thread.now += self.random.randint(0, 4) if wait is None else wait
        message = self.layout.say(statement, **values) + tail
        line = Line(
            thread.now,
            statement,
            LEVELS.get(statement, "DEBUG"),
            LOGGERS.get(statement, "o.a.c.f.j.i.AsyncJobManagerImpl"),
            thread.context,
            thread.logid if logid is None else logid,
            message,
            thread.run,
            thread.operation,
        )
        thread.run.lines.append(line)
        self.lines.append(line)
        return line

    def noise(self, thread: Thread, wait: int | None = None) -> None:
        self.say(thread, "noise", wait, what=self.hexes(4))

    def hexes(self, length: int = 8) -> str:
        return "".join(self.random.choices("0123456789abcdef", k=length))

    def ctx(self) -> str:
        return f"ctx-{self.hexes()}"

    def uuid(self) -> str:
        return "-".join(self.hexes(length) for length in (8, 4, 4, 4, 12))

    # --- requests

    def request(
        self, at: int, command: str, parameters: dict[str, str], *, post: bool, took: int, operation: str | None
    ) -> tuple[Thread, str, tuple[str, dict[str, object], str]]:
        """A request's thread after its START, its ctx, and how to say its END."""
        ctx = self.ctx()
        thread = self.thread("qtp77-", at, [ctx], self.hexes(), operation)
        pairs = {**parameters, "command": command, "response": "json"}
        if post:
            tail = "".join(f"\n{key}={value} " for key, value in pairs.items()) + "\n" if self.layout.parameters else ""
            words: tuple[str, dict[str, object], str] = ("post", {"query": ""}, tail)
        else:
            words = ("get", {"query": "&".join(f"{key}={value}" for key, value in pairs.items()) + "&"}, "")
        self.say(thread, words[0], 0, words[2], mark="START", **words[1])
        thread.context = (ctx, self.ctx())
        self.noise(thread, took)
        return thread, ctx.removeprefix("ctx-"), words

    def end(self, thread: Thread, words: tuple[str, dict[str, object], str]) -> Line:
        return self.say(thread, words[0], None, words[2], mark="END", **words[1])

    def sync(self, at: int, command: str, *, post: bool = False, took: int = 20) -> OperationTruth:
        """A request that the API thread answers itself."""
        thread, ctx, words = self.request(at, command, {"name": "net"}, post=post, took=took, operation=None)
        thread.operation = f"req-{ctx}"
        told = not post or self.layout.parameters
        operation = OperationTruth(f"req-{ctx}", command if told else None, ctx, thread.run, thread.run.lines[0])
        operation.end = self.end(thread, words)
        for line in thread.run.lines:
            line.operation = operation.operation
        self.truth.operations.append(operation)
        return operation

    def polls(self, operation: OperationTruth, at: int, period: int, most: int = 40) -> None:
        """The client asks for the job's state until an answer could tell of its end."""
        job = operation.job
        for turn in range(most):
            began = at + turn * period
            thread, _, words = self.request(
                began, "queryAsyncJobResult", {"jobid": job.uuid}, post=False, took=6, operation=operation.operation
            )
            end = self.end(thread, words)
            operation.polls.append((thread.run.lines[0], end))
            done = [line.when for line in job.lines("update", "cancel")]
            if not done or end.when - READ >= done[-1]:
                return

    # --- jobs

    def job(self, kind: str, cls: str, operation: str, origin: int | None = None, vm: int | None = None) -> JobTruth:
        """A new job. Its uuid is told by its details from 4.20.1 on."""
        number = self.next_job
        self.next_job += 1
        told = {"uuid"} if '"uuid":"$uuid"' in self.layout.words["details"] else set()
        told |= {"logid"} if self.layout.logids else set()
        self.truth.jobs[number] = JobTruth(number, origin, kind, vm, cls, self.uuid(), operation, told=frozenset(told))
        return self.truth.jobs[number]

    def tell(
        self,
        thread: Thread,
        job: JobTruth,
        statement: str,
        wait: int | None = None,
        logid: str | None = None,
        **values: object,
    ) -> Line:
        """A line about a job, kept in its truth."""
        line = self.say(
            thread, statement, wait, logid=logid, job=job.job, cls=job.cls, vm=job.vm, origin=job.origin, **values
        )
        job.said.setdefault(statement, []).append(line)
        return line

    def api(
        self,
        at: int,
        what: tuple[str, str],
        *,
        post: bool = True,
        took: int = 60,
        late: int = 3,
        entity: str = "web",
        vm: int = 3,
        queue: str | None = None,
    ) -> tuple[OperationTruth, Thread]:
        """A request that submits a job, and the job's thread after `Executing`. `late`: submit minus Add."""
        command, cls = what
        operation = OperationTruth(f"job-{self.next_job}", command)
        job = operation.job = self.job("api", cls, operation.operation)
        thread, operation.ctx, words = self.request(
            at, command, {"name": entity}, post=post, took=took, operation=operation.operation
        )
        operation.asked, operation.start = thread.run, thread.run.lines[0]
        details = self.layout.say(
            "details", job=job.job, cls=cls, vm=vm, entity=entity, entity_uuid=self.uuid(), uuid=job.uuid
        )
        begin = thread.now + 5
        if queue is not None:
            self.tell(thread, job, "sync", 2, queue=queue, item=vm)
            begin = self.take(job, thread.now)
        thread.now = max(thread.now, begin + late) if queue is None else thread.now
        self.tell(thread, job, "submit", 1, details=details)
        operation.end = self.end(thread, words)
        worker = self.thread(
            "API-Job-Executor-", begin, [self.ctx(), f"job-{job.job}"], job.uuid[:8], operation.operation
        )
        job.run = worker.run
        operation.runs.append(worker.run)
        self.tell(worker, job, "add", 0, logid=self.hexes())
        self.tell(worker, job, "execute", details=details)
        worker.context = (*worker.context, self.ctx())
        self.noise(worker)
        self.truth.operations.append(operation)
        return operation, worker

    def take(self, job: JobTruth, since: int) -> int:
        """The heartbeat takes a job from its queue; when a thread may begin with it."""
        tick = (since // HEARTBEAT + 1) * HEARTBEAT
        if tick not in self.ticks:
            self.ticks[tick] = self.thread("AsyncJobMgr-Heartbeat-1", tick, [self.ctx()], self.hexes(), None)
        thread = self.ticks[tick]
        thread.operation = job.operation
        if "dequeue" in self.layout.words:
            self.tell(thread, job, "dequeue", 0)
        self.tell(thread, job, "schedule", 0)
        return tick + self.random.randint(1, 8)

    def finish(self, thread: Thread, job: JobTruth, wait: int | None = None) -> None:
        """From `Complete` to `Remove`; a work job ends behind its dispatcher's last line."""
        result = "null"
        if job.outcome == "failed" and job.kind == "api":
            result = (
                'org.apache.cloudstack.api.response.ExceptionResponse/null/{"uuidList":[],"errorcode":"530",'
                f'"errortext":"{job.error}"}}'
            )
        self.tell(thread, job, "complete", wait, status=job.outcome.upper(), code=job.code, result=result)
        for statement in ("publish", "wake", "update", "joined"):
            self.tell(thread, job, statement)
        thread.context = thread.context[:2]
        if job.kind == "work":
            self.tell(thread, job, "work_done")
        self.tell(thread, job, "done")
        self.tell(thread, job, "remove")

    def fail(self, job: JobTruth) -> None:
        job.outcome, job.code, job.error = "failed", 530 if job.kind == "api" else 0, "Unable to start a VM"

    def begin_work(
        self, parent: Thread, operation: OperationTruth, cls: str, vm: int, logid: str, origin: int
    ) -> tuple[JobTruth, Thread]:
        """A work job from its `Sync` line to its handler's first line."""
        job = self.job("work", cls, operation.operation, origin, vm)
        if parent.context[1:]:
            job.told |= {"origin"}
        queued = self.tell(parent, job, "sync", queue="VmWorkJobQueue", item=vm).when
        begin = self.take(job, max(queued, self.vm_free.get(vm, 0)))
        thread = self.thread(
            "Work-Job-Executor-", begin, [self.ctx(), f"job-{origin}/job-{job.job}"], logid, operation.operation
        )
        job.run = thread.run
        operation.runs.append(thread.run)
        self.tell(thread, job, "add", 0, logid=self.hexes())
        details = self.layout.say("work_details", job=job.job, cls=cls, uuid=job.uuid)
        self.tell(thread, job, "execute", details=details)
        self.tell(thread, job, "work")
        thread.context = (*thread.context, self.ctx())
        self.tell(thread, job, "work_execute")
        return job, thread

    def end_work(self, thread: Thread, job: JobTruth) -> None:
        self.tell(thread, job, "work_executed")
        self.finish(thread, job)
        self.vm_free[job.vm or 0] = thread.now

    # --- virtual machines and hosts

    def state(self, thread: Thread, vm: int, kind: str, old: str, new: str, event: str) -> None:
        name = f"r-{vm}-VM" if kind == "DomainRouter" else f"i-4-{vm}-VM"
        entity = self.layout.say("vm", vm=vm, name=name, uuid=f"{vm:08x}-1111-2222-3333-444455556666", type=kind)
        self.say(thread, "transit", entity=entity, old=old, new=new, event=event)

    def command(
        self,
        thread: Thread,
        job: JobTruth,
        names: Sequence[str],
        *,
        host: int,
        took: int,
        refused: bool = False,
        waits: int = 0,
        ends: str = "receive",
    ) -> CommandTruth:
        """One command out and back. `ends`: receive, timeout (and a late answer), silence."""
        seq = self.seq[host] = self.seq[host] + 1
        truth = CommandTruth(host, seq, self.life, tuple(names), job.job, job.operation, refused)
        self.truth.commands.append(truth)
        body = ",".join(
            f'{{"com.cloud.agent.api.{name}":{{"vm":{{"id":"4","note":"a "quoted" word"}},"wait":"0"}}}}'
            for name in names
        )
        shown = self.random.choice(HOSTS) if self.layout.lying_hosts else host
        said: dict[str, object] = {
            "host": host,
            "seq": seq,
            "name": f"kvm{host}.cloud.local",
            "flags": "100111",
            "body": f"[{body}]",
            "shown": shown,
            "behind": seq - 1,
        }

        def note(who: Thread, statement: str, wait: int | None = None, **values: object) -> None:
            truth.said[statement] = self.say(who, statement, wait, **{**said, **values})

        if self.layout.lying_hosts:
            self.say(thread, "routed", **said)
        note(thread, "wait" if waits else "send")
        other = self.handler(thread, job)
        if waits:
            other.now = thread.now
            note(other, "now", waits)
        if self.direct:
            note(other if waits else thread, "direct", 1)
            other = self.handler(thread, job, after=other.now if waits else thread.now)
            note(other, "begun", 1)
        elif waits:
            other = self.handler(thread, job, after=other.now)
        if ends == "silence":
            return truth
        if ends == "timeout":
            note(thread, "timeout", waits + took)
        other.now = max(other.now, thread.now)
        if self.direct:
            note(other, "ended", took)
        answer = (
            f'{{"com.cloud.agent.api.Answer":{{"result":"{str(not refused).lower()}"'
            + (f',"details":"{REFUSAL}"' if refused else "")
            + ',"wait":"0"}}'
        )
        note(other, "answer", 1 if self.direct else took, body=f"[{answer}]")
        self.say(other, "unheard" if ends == "timeout" else "none_left", **said)
        if ends == "receive":
            thread.now = max(thread.now, other.now)
            note(thread, "receive", 1, answers=", ".join(name.replace("Command", "Answer") for name in names))
        return truth

    def handler(self, thread: Thread, job: JobTruth, after: int | None = None) -> Thread:
        """The thread on which an answer comes in; inside the server the one that executes the command."""
        at = thread.now if after is None else after
        if self.direct:
            return self.thread("DirectAgent-", at, [self.ctx()], self.hexes(), thread.operation)
        return self.thread("AgentManager-Handler-", at, [], "", thread.operation)
