"""Work that a fork of this process does meanwhile, on another core. Other systems than Linux have no safe forks."""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

FLAT = 2  # marshal's version that looks for no object twice


def cores() -> int:
    """How many processes can run at the same time; 1 where none can be forked."""
    return len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else 1


def idle_core() -> bool:
    """Whether there is a core for a fork, and no other thread, which might hold a lock that the fork would wait for."""
    return cores() > 1 and threading.active_count() == 1


class Forked:
    """What `make` gives, made by a fork of this process while this one goes on: something that marshal can write.

    A fork that dies, or that the system does not grant, costs time and nothing else: who asked makes it himself.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        here, there = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            pid = None
        if pid == 0:
            os.close(here)
            send(make, there)
        os.close(there)
        self._here: BinaryIO = open(here, "rb")  # noqa: SIM115 (closed by who asks, or with this object)
        self._pid = pid
        self._end = weakref.finalize(self, end, pid, self._here)  # when nobody asks, or this process ends before

    def result(self) -> Any:
        """What was made, which can be asked for once; None when the fork died."""
        with self._here as stream:
            content = stream.read()
        self._end.detach()
        reap(self._pid)
        try:
            return marshal.loads(content)  # this program wrote it
        except EOFError:  # it did not write all
            return None


def send(make: Callable[[], Any], there: int) -> NoReturn:
    """Make it, send it and end, whatever happens: a fork never goes back to what its parent was doing."""
    try:
        with open(there, "wb") as stream:
            stream.write(marshal.dumps(make(), FLAT))
    finally:
        os._exit(0)


def end(pid: int | None, here: BinaryIO) -> None:
    """End a fork that goes on."""
    here.close()
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reap(pid)


def reap(pid: int | None) -> None:
    """Take note of the end of a fork."""
    if pid is not None:
        with contextlib.suppress(ChildProcessError):  # the system was told to do so by itself
            os.waitpid(pid, 0)
