"""What Hypothesis draws: which operations overlap how, on which release, and what happens to the log."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import strategies as st

from generator import operations
from generator.layouts import LAYOUTS
from generator.log import Damage, Log, printed, restart
from generator.operations import Deploy
from generator.world import World

KINDS = (
    "deploy",
    "stop",
    "snapshot",
    "queued snapshot",
    "sync",
    "sync post",
    "twice",
    "pseudo",
    "background",
    "same vm",
)


@dataclass(frozen=True)
class Step:
    """One operation: what, how long after the one before, and how it goes."""

    kind: str
    after: int
    how: Deploy = field(default_factory=Deploy)
    post: bool = True
    late: int = 3
    period: int = 1000


@dataclass(frozen=True)
class Plan:
    """A whole log. `killed`: milliseconds after the last operation's begin at which the server dies."""

    layout: str
    steps: tuple[Step, ...]
    direct: bool = False
    seed: int = 0
    killed: int | None = None
    damage: Damage = field(default_factory=Damage)

    def play(self) -> World:
        world = World(LAYOUTS[self.layout], random.Random(self.seed), self.direct)
        at = 1000
        for step in self.steps:
            at += step.after
            play(world, step, at)
        if self.killed is not None:
            at = restart(world, at + self.killed)
            for step in self.steps[:2]:
                play(world, step, at)
        return world

    def log(self) -> Log:
        return printed(self.play(), self.damage)


def play(world: World, step: Step, at: int) -> None:
    """One step on the threads of `world`."""
    if step.kind == "deploy":
        operations.deploy(world, at, step.how, post=step.post, late=step.late, period=step.period)
    elif step.kind in ("stop", "same vm"):
        vm = 9 if step.kind == "same vm" else world.next_vm + 500
        world.next_vm += 1
        operations.stop(world, at, vm, post=step.post, late=step.late)
    elif step.kind.endswith("snapshot"):
        operations.snapshot(world, at, queued=step.kind.startswith("queued"), late=step.late)
    elif step.kind.startswith("sync"):
        world.sync(at, "listNetworks", post=step.kind == "sync post")
    elif step.kind == "twice":
        operations.start_twice(world, at, late=step.late)
    elif step.kind == "pseudo":
        operations.pseudo(world, at)
    else:
        operations.background(world, at)


def deploys() -> st.SearchStrategy[Deploy]:
    return st.builds(
        Deploy,
        router=st.booleans(),
        refusals=st.integers(0, 2),
        second=st.booleans(),
        fails=st.booleans(),
        waits=st.sampled_from([0, 0, 1500]),
        took=st.integers(20, 9000),
        ends=st.sampled_from(["receive", "receive", "timeout"]),
    )


def steps(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        kind=st.sampled_from(kinds),
        after=st.integers(0, 4000),
        how=deploys(),
        post=st.booleans(),
        late=st.integers(-4, 30),
        period=st.integers(700, 4000),
    )


def damages(cut: bool) -> st.SearchStrategy[Damage]:
    """Overtaking, clock steps and CRLF; with `cut` a beginning and an end that are missing."""
    share = st.floats(0, 0.4) if cut else st.just(0.0)
    return st.builds(
        Damage,
        jitter=st.integers(0, 30),
        step=st.integers(0, 9),
        step_at=st.floats(0, 1),
        begin=share,
        end=share,
        torn=st.booleans() if cut else st.just(False),
        crlf=st.booleans(),
    )


def plans(*, cut: bool = False, killed: bool = False, least: int = 1, most: int = 12) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        layout=st.sampled_from(list(LAYOUTS)),
        steps=st.lists(steps(), min_size=least, max_size=most).map(tuple),
        direct=st.booleans(),
        seed=st.integers(0, 2**16),
        killed=st.integers(0, 9000) if killed else st.none(),
        damage=damages(cut),
    )
