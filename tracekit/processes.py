"""Work that a fork of this process, or a thread, does meanwhile on another core. Other systems than Linux have no safe
forks.
"""

from __future__ import annotations

import contextlib
import marshal
import mmap
import os
import select
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

Made = TypeVar("Made")

SHARES = 4096  # of which forks take one at a time
WIDTH = 4  # bytes of its number; a pipe takes all of them at once
FLAT = 2  # marshal's version that looks for no object twice
FORKED = 1 << 19  # records; tables of more are too large to have a fork write into copies of their pages


def cores() -> int:
    """How many processes can run at the same time; 1 where none can be forked."""
    return len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else 1


def idle_core(records: int = 0) -> bool:
    """Whether there is a core for a fork of a process that has so many records, and no other thread, which might hold a
    lock that the fork would wait for.
    """
    return records <= FORKED and cores() > 1 and threading.active_count() == 1


def forked(records: int) -> type[Forked] | None:
    """Who makes something of so many records meanwhile: a fork, where there is a core for it."""
    return Forked if idle_core(records) else None


class Forked:
    """What `make` gives, made by a fork of this process while this one goes on: something that marshal can write.

    A fork that dies, or that the system does not grant, costs time and nothing else: who asked makes it himself.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        # Not a pipe: a fork that is done ends, and with it the memory that it has, before somebody asks.
        self._made: int | None = None
        self._pid: int | None = None
        with contextlib.suppress(OSError):
            self._made = os.memfd_create("made")
            self._pid = os.fork()
        if self._made is not None and self._pid == 0:
            send(make, self._made)
        self._end = weakref.finalize(self, end, self._pid, self._made)  # when nobody asks, or this process ends before

    def result(self) -> Any:
        """What was made, which can be asked for once, and once by each later fork; None when the fork died."""
        reap(self._pid)
        self._end.detach()
        return None if self._made is None else written(self._made)


class Early(Forked):
    """A fork that makes something else first, which can be had before."""

    def __init__(self, first: Callable[[], Any], make: Callable[[], Any]) -> None:
        self._here, there = os.pipe()
        self._first = os.memfd_create("first")
        self._unasked = weakref.finalize(self, shut, self._here, self._first)
        super().__init__(partial(in_turn, first, self._first, there, make))
        os.close(there)

    def first(self) -> Any:
        """What was made first, which can be asked for once; None when the fork died of it."""
        self._unasked.detach()
        os.read(self._here, 1)  # which ends when the fork closes the other end
        os.close(self._here)
        return written(self._first)


class Waiting(Forked):
    """A fork made early, of a process that is still small, which begins when it is told to."""

    def __init__(self, make: Callable[[], Any]) -> None:
        here, there = os.pipe()
        self._there = there
        self._untold = weakref.finalize(self, os.close, there)
        super().__init__(partial(once_told, here, there, make))
        os.close(here)

    def begin(self) -> None:
        """Have the fork begin."""
        self._untold.detach()
        with contextlib.suppress(OSError):  # it died
            os.write(self._there, b"!")
        os.close(self._there)


class Threaded:
    """What `make` gives, made by a thread of this process: for what is too large to be forked, and waits for files and
    numpy more than it runs Python. One that fails made nothing.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, None
        self._thread = threading.Thread(target=self._run, daemon=True)  # who ends the program does not wait for it
        self._thread.start()

    def _run(self) -> None:
        self._made = self._make()

    def result(self) -> Any:
        """What was made, once it is."""
        self._thread.join()
        return self._made


class Meanwhile(Generic[Made]):
    """What `make` gives, waited for when it is asked for: `by` whom it is made from now on, in case that one does not
    fail; None: by who asks first.

    `packed` puts it into something that marshal can write, `unpacked` makes the same of that again.
    """

    def __init__(
        self,
        make: Callable[[], Made],
        packed: Callable[[Made], Any] = lambda made: made,
        unpacked: Callable[[Any], Made] = lambda made: made,
        *,
        by: type[Forked | Threaded] | None,
    ) -> None:
        self._make, self._unpacked = make, unpacked
        self._made: list[Made] = []
        self._asked = threading.Lock()  # two threads may ask
        self._maker = by(lambda: packed(make())) if by else None

    @property
    def made(self) -> Made:
        """What was made. Raises the errors of `make`, which is asked here where another failed."""
        with self._asked:
            if not self._made:
                packed = self._maker.result() if self._maker else None
                self._made.append(self._make() if packed is None else self._unpacked(packed))
        return self._made[0]


class Shared:
    """Numbers below `count` that this process and its forks take one by one, each of them once: who is free goes on."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._here, there = os.pipe()
        weakref.finalize(self, os.close, self._here)
        os.write(there, b"".join(number.to_bytes(WIDTH, "little") for number in range(min(count, SHARES))))
        os.close(there)

    def __iter__(self) -> Iterator[int]:
        while taken := os.read(self._here, WIDTH):
            yield from range(int.from_bytes(taken, "little"), self._count, SHARES)


def in_turn(first: Callable[[], Any], there: int, told: int, make: Callable[[], Any]) -> Any:
    """Make something and write it, and then another thing; `told` is closed in between."""
    write(first, there)
    os.close(told)
    return make()


def once_told(here: int, there: int, make: Callable[[], Any]) -> Any:
    """Make it when the parent of this fork says so. Raises EOFError when that ends before."""
    os.close(there)
    if not os.read(here, 1):
        raise EOFError
    return make()


def send(make: Callable[[], Any], there: int) -> NoReturn:
    """Make it, write it and end, whatever happens: a fork never goes back to what its parent was doing."""
    try:
        write(make, there)
    finally:
        os._exit(0)


def write(make: Callable[[], Any], there: int) -> None:
    """Make it, and write it to a file in memory."""
    with open(there, "wb") as stream:
        stream.write(marshal.dumps(make(), FLAT))


def written(here: int) -> Any:
    """What a file in memory has, which is closed; None when a fork did not write all, or nothing."""
    try:
        # Not read: other forks have the same place in the file.
        with mmap.mmap(here, 0, access=mmap.ACCESS_READ) as content:
            return marshal.loads(content)  # this program wrote it
    except (EOFError, ValueError):
        return None
    finally:
        os.close(here)


def shut(*files: int) -> None:
    """Close files that nobody asked for."""
    for file in files:
        os.close(file)


def end(pid: int | None, made: int | None) -> None:
    """End a fork that goes on."""
    if made is not None:
        os.close(made)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reap(pid)


def reap(pid: int | None) -> None:
    """Wait for the end of a fork, of this process or of that which forked this one."""
    if pid is None:
        return
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:  # another's, or the system was told to take note of its end by itself
        with contextlib.suppress(OSError):  # it has ended, and somebody took note
            state = os.pidfd_open(pid)
            select.select([state], [], [])
            os.close(state)
