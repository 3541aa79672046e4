"""The kinds of operations, each a short play on the threads of a world."""

from __future__ import annotations

from dataclasses import dataclass

from generator.truth import OperationTruth
from generator.world import DEPLOY, SNAPSHOT, START, STOP, TRACE, WORK_START, WORK_STOP, Thread, World


@dataclass(frozen=True)
class Deploy:
    """How a deploy goes."""

    router: bool = False  # the network's router is started first, inside the work job
    refusals: int = 0  # hosts that refuse before one accepts: a new attempt in the same work job
    second: bool = False  # the first work job fails, a second one succeeds
    fails: bool = False  # no host accepts, the deploy fails
    waits: int = 0  # milliseconds in a host's sequence
    took: int = 700  # of the start command
    ends: str = "receive"


def deploy(
    world: World, at: int, how: Deploy, *, post: bool = True, late: int = 3, period: int = 1000
) -> OperationTruth:
    """A deploy: request, API job, one or two work jobs, commands, polls."""
    vm = world.next_vm
    world.next_vm += 2
    operation, worker = world.api(at, DEPLOY, post=post, late=late, vm=vm, entity=f"web{vm}")
    tries = [False] if how.fails else [False, True] if how.second else [True]
    for good in tries:
        job, thread = world.begin_work(worker, operation, WORK_START, vm, operation.job.uuid[:8], operation.job.job)
        start(world, thread, job.job, vm, how, good)
        if not good:
            world.fail(job)
        world.end_work(thread, job)
        worker.now = thread.now + 3
        if not good:
            world.say(worker, "child_failed", job=job.job)
    if how.fails:
        world.fail(operation.job)
    world.finish(worker, operation.job, 9)
    world.polls(operation, operation.end.when + 400, period)
    return operation


def start(world: World, thread: Thread, number: int, vm: int, how: Deploy, good: bool) -> None:
    """What VmWorkStart does on its thread."""
    job = world.truth.jobs[number]
    world.state(thread, vm, "User", "Stopped", "Starting", "StartRequested")
    if how.router:
        world.say(thread, "network")
        world.state(thread, vm + 1, "DomainRouter", "Stopped", "Starting", "StartRequested")
        world.say(thread, "attempt", attempt=1)
        world.command(thread, job, ["StartCommand", "CheckSshCommand", "GetDomRVersionCmd"], host=2, took=how.took)
        world.state(thread, vm + 1, "DomainRouter", "Starting", "Running", "OperationSucceeded")
    attempts = how.refusals + 1 if good else max(1, how.refusals)
    for attempt in range(1, attempts + 1):
        world.say(thread, "attempt", attempt=attempt)
        world.command(thread, job, ["DhcpEntryCommand"], host=2, took=120)
        refused = attempt < attempts or not good
        world.command(
            thread,
            job,
            ["StartCommand"],
            host=1 + attempt % 3,
            took=how.took,
            refused=refused,
            waits=how.waits,
            ends=how.ends if refused else "receive",
        )
        if refused:
            tail = (
                f" com.cloud.utils.exception.CloudRuntimeException: no{TRACE}"
                if world.layout.exceptions_inline
                else f"\ncom.cloud.utils.exception.CloudRuntimeException: no{TRACE}"
            )
            world.say(thread, "failure", what="no", tail=tail)
    world.state(thread, vm, "User", "Starting", "Running" if good else "Stopped", "OperationSucceeded")


def stop(world: World, at: int, vm: int, *, post: bool = False, late: int = 3) -> OperationTruth:
    """A stop: one work job in the queue of its VM, one command."""
    operation, worker = world.api(at, STOP, post=post, late=late, vm=vm)
    job, thread = world.begin_work(worker, operation, WORK_STOP, vm, operation.job.uuid[:8], operation.job.job)
    world.command(thread, job, ["StopCommand"], host=1, took=300)
    world.state(thread, vm, "User", "Running", "Stopped", "OperationSucceeded")
    world.end_work(thread, job)
    worker.now = thread.now + 3
    world.finish(worker, operation.job)
    world.polls(operation, operation.end.when + 300, 900)
    return operation


def snapshot(world: World, at: int, *, queued: bool, late: int = 3) -> OperationTruth:
    """A job without a work job, with or without a queue of its own object."""
    operation, worker = world.api(at, SNAPSHOT, late=late, vm=5, queue="volume" if queued else None)
    world.noise(worker, 400)
    world.command(worker, operation.job, ["CreateObjectCommand"], host=3, took=250)
    world.finish(worker, operation.job)
    return operation


def start_twice(world: World, at: int, *, late: int = 3) -> tuple[OperationTruth, OperationTruth]:
    """Two clients start one VM: the second API job waits for the work job of the first, and says nothing meanwhile."""
    vm = world.next_vm
    world.next_vm += 2
    holder, worker = world.api(at, START, late=late, vm=vm)
    waiter, waiting = world.api(at + 150, START, late=late, vm=vm)
    job, thread = world.begin_work(worker, holder, WORK_START, vm, holder.job.uuid[:8], holder.job.job)
    start(world, thread, job.job, vm, Deploy(), True)
    world.end_work(thread, job)
    for operation, who in ((holder, worker), (waiter, waiting)):
        who.now = max(who.now, thread.now + 2)
        world.finish(who, operation.job)
        world.polls(operation, operation.end.when + 500, 1500)
    return holder, waiter


def pseudo(world: World, at: int) -> OperationTruth:
    """A background thread stops a VM: its job is seen only in the context of the work job."""
    origin = world.next_job
    world.next_job += 1
    operation = world.truth.pseudo[f"job-{origin}"] = OperationTruth(f"job-{origin}", None)
    logid = world.hexes()
    scavenger = world.thread("UserVm-Scavenger-", at, [world.ctx()], logid, operation.operation)
    world.say(scavenger, "pseudo")
    job, thread = world.begin_work(scavenger, operation, WORK_STOP, 77, world.hexes(), origin)
    world.command(thread, job, ["StopCommand"], host=2, took=300)
    world.end_work(thread, job)
    return operation


def background(world: World, at: int) -> None:
    """What goes on in every server: statistics under a context of their own, commands that nobody asked for."""
    thread = world.thread("StatsCollector-", at, [world.ctx()], world.hexes(), None)
    world.noise(thread)
    host = 1 + at % 3
    world.seq[host] += 1
    world.say(
        thread, "receive", host=host, seq=world.seq[host], name=f"kvm{host}.cloud.local", answers="GetHostStatsAnswer"
    )
    world.noise(thread)
