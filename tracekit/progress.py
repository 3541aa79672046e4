"""What somebody who waits at a terminal sees: what is being done, and for how long.

A fork draws it, made while this process is small: it goes on where this one is in a loop of compiled code, and needs
no thread, beside which nothing could be forked.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn, TextIO

from tracekit.processes import reap

if TYPE_CHECKING:
    import socket

AFTER = 1.0  # seconds from which on something is shown
EVERY = 0.25  # seconds
END = b"\n"  # of what the fork is told, and what it answers when nothing of it is to be seen any more


class Progress:
    """Shows steps on a terminal; on anything else nothing."""

    def __init__(self, stream: TextIO | None, after: float = AFTER) -> None:
        self._told: socket.socket | None = None
        if stream is None or not stream.isatty() or not sys.platform.startswith("linux"):
            return
        import socket  # only for who waits at a terminal

        with contextlib.suppress(OSError):
            told, heard = socket.socketpair()
            with heard:
                pid = os.fork()
                if pid == 0:
                    told.close()
                    draw(heard, stream, after)
            weakref.finalize(self, reap, pid)
            weakref.finalize(self, told.close)
            self._told = told

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` as long as it takes. Behind it nothing of it is left on the terminal."""
        self.tell(name)
        try:
            yield
        finally:
            self.tell("")

    def tell(self, name: str) -> None:
        """Show `name` from now on; "": nothing."""
        if self._told is not None:
            with contextlib.suppress(OSError):  # the fork was ended
                self._told.sendall(name.encode() + END)
                self._told.recv(1)


def draw(heard: socket.socket, stream: TextIO, after: float) -> NoReturn:
    """Show what is heard until nobody is there to tell more."""
    parent = os.getppid()
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        name, begin, shown = "", time.monotonic(), 0
        while os.getppid() == parent:
            if select.select([heard], [], [], EVERY)[0]:
                told = heard.recv(1 << 10)
                if not told:
                    break
                name, shown = told.rstrip(END).decode(), drawn(stream, "", shown)
                heard.sendall(END)
            elif name and time.monotonic() - begin >= after:
                shown = drawn(stream, f"{name}, {time.monotonic() - begin:.0f} s", shown)
    os._exit(0)


def drawn(stream: TextIO, text: str, before: int) -> int:
    """Write a text over one of `before` characters; how many it has."""
    if text or before:
        stream.write("\r" + text.ljust(before) + ("" if text else "\r"))
        stream.flush()
    return len(text)
