"""From the lines of a world to the bytes of a log: threads get their names, the clock its steps, lines their order."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from generator.truth import Line, Run, Truth
from generator.world import World

EPOCH = datetime(2026, 11, 22, 16, 0)
CUT = 14  # bytes of a torn line: less than a time stamp, so nobody can take it for a record


@dataclass(frozen=True)
class Damage:
    """What happens to a log on its way to its reader."""

    jitter: int = 0  # milliseconds by which lines of different threads change their order
    step: int = 0  # milliseconds by which the clock is set back, once
    step_at: float = 0.5  # where, as a share of the log
    begin: float = 0.0  # share of the records that a rotation took away
    end: float = 0.0
    torn: bool = False  # the cuts go through lines
    crlf: bool = False


@dataclass(frozen=True)
class Log:
    """Records of one log in their order, with the truth of what they tell."""

    records: tuple[tuple[Line, bytes], ...]
    truth: Truth
    before: bytes = b""
    after: bytes = b""

    @property
    def data(self) -> bytes:
        return self.before + b"".join(text for _, text in self.records) + self.after

    def parts(self, at: Iterable[float]) -> list[bytes]:
        """The log cut at record starts, at these shares of its records."""
        places = [0, *sorted(round(share * len(self.records)) for share in at), len(self.records)]
        pieces = [b"".join(text for _, text in self.records[a:b]) for a, b in pairwise(places)]
        return [piece for piece in [self.before + pieces[0], *pieces[1:-1], pieces[-1] + self.after] if piece]

    def only(self, operation: str) -> bytes:
        """The lines of one operation, whichever thread printed them."""
        return b"".join(text for line, text in self.records if line.operation == operation)


def printed(world: World, damage: Damage = Damage()) -> Log:
    """Print the lines of a world. Marks in its truth what was printed and at which time."""
    alive = [line for line in world.lines if line.printed]
    name_threads(alive)
    set_clock(alive, damage)
    order = interleaved(alive, damage.jitter, world.random)
    low, high = round(damage.begin * len(order)), len(order) - round(damage.end * len(order))
    high = max(high, low + 1)
    texts = [text(world, line, damage.crlf) for line in order]
    for line in order[:low] + order[high:]:
        line.printed = False
    before = texts[low - 1][-CUT:] if damage.torn and low else b""
    after = texts[high][:CUT] if damage.torn and high < len(order) else b""
    return Log(tuple(zip(order[low:high], texts[low:high], strict=True)), world.truth, before, after)


def name_threads(lines: Iterable[Line]) -> None:
    """Each run gets the lowest number of its pool that is free, as executors give them; a life numbers anew."""
    spans: dict[Run, list[int]] = defaultdict(list)
    for line in lines:
        spans[line.run].append(line.when)
    busy: dict[tuple[int, str], list[int]] = defaultdict(list)  # until when each thread of a pool is
    for run, times in sorted(spans.items(), key=lambda item: min(item[1])):
        if not run.pool.endswith("-"):
            run.thread = run.pool
            continue
        pool = busy[run.life, run.pool]
        number = next((i for i, until in enumerate(pool) if until + 50 < min(times)), len(pool))
        pool[number : number + 1] = [max(times)]
        run.thread = f"{run.pool}{number + 1}"


def set_clock(lines: list[Line], damage: Damage) -> None:
    times = sorted(line.when for line in lines)
    at = times[min(len(times) - 1, int(damage.step_at * len(times)))] if times else 0
    for line in lines:
        line.ts = line.when - (damage.step if line.when >= at else 0)


def interleaved(lines: list[Line], jitter: int, chance: random.Random) -> list[Line]:
    """The order in the file: by time, but lines of different threads overtake each other a little."""
    keys: dict[Line, int] = {}
    held: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: line.when):
        key = line.when + (chance.randint(0, jitter) if jitter else 0)
        keys[line] = held[line.run.thread] = max(key, held.get(line.run.thread, key))
    return sorted(keys, key=lambda line: keys[line])


def text(world: World, line: Line, crlf: bool) -> bytes:
    stamp = (EPOCH + timedelta(milliseconds=line.ts)).isoformat(" ", "milliseconds")
    head = world.layout.head(stamp, line.level, line.logger, line.run.thread, line.context, line.logid)
    made = f"{head}{line.message}\n"
    return (made.replace("\n", "\r\n") if crlf else made).encode()


def restart(world: World, at: int, down: int = 20_000) -> int:
    """Kill the server at `at`: what was not printed by then never is; the next life cancels the jobs that were left.

    Gives the moment from which the new server takes requests.
    """
    for line in world.lines:
        line.printed = line.printed and line.when <= at
    world.truth.commands = [command for command in world.truth.commands if command.known]
    world.truth.operations = [
        operation
        for operation in world.truth.operations
        if operation.start.printed or any(line.printed for run in operation.runs for line in run.lines)
    ]
    world.life += 1
    world.begin_life()
    world.ticks.clear()
    main = world.thread("main", at + down // 2, [], "", None)
    world.say(main, "server")
    world.say(main, "daemon")
    main.now = at + down
    left = [job for job in world.truth.jobs.values() if job.known and job.completed is None]
    for job in left:
        main.operation = job.operation
        world.tell(main, job, "cancel")
        world.tell(main, job, "purge")
    for operation in world.truth.operations:
        if operation.job in left and operation.end is not None and operation.end.printed:
            world.polls(operation, main.now + 500, 1000, most=2)
    return main.now + 3000
