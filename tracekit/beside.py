"""Work of a large log that another core does beside this one: in a child that has what its parent had by then."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

LEAST = 1 << 26  # bytes of logs for which a process is worth its while

Made = TypeVar("Made")


def beside(work: Callable[[], Made], size: int) -> Callable[[], Made]:
    """Begin `work` in a child where `size` bytes of logs and the machine are worth it; gives what waits for its result.

    Without a child, or where it died, the work is done when it is asked for.
    """
    if size < LEAST or not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        return work
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=send, args=(there, work), daemon=True)
    child.start()
    there.close()

    def result() -> Made:
        packed = received(here)
        child.join()
        made: Made = work() if packed is None else pickle.loads(packed)  # this program wrote it
        return made

    return result


def send(there: Connection, work: Callable[[], object]) -> None:
    """Do the work in a child and send what comes of it to the parent."""
    there.send_bytes(pickle.dumps(work(), pickle.HIGHEST_PROTOCOL))
    there.close()


def received(here: Connection) -> bytes | None:
    """What a child sent; None when it died."""
    try:
        return here.recv_bytes()
    except (EOFError, OSError):
        return None
    finally:
        here.close()
