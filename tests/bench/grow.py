"""A large log made of a real one: the same statements again and again, with other times, ids and names.

Everything that joins lines is changed the same way wherever it stands, so each copy has the operations of the real
log; copies follow one another in time, as the hours of one server do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

STAMP = rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
FORM = "%Y-%m-%d %H:%M:%S,%f"
# Jobs, sequence numbers, queue items and machines are counted on; contexts, logids and uuids get other digits.
COUNTED = rb"(?<=job-)\d+|(?<=VmWorkJobQueue\.)\d+|(?<=Seq \d-)\d+|(?<=\bi-\d-)\d+(?=-VM)|(?<=VM instance \{\"id\":)\d+"
HASHED = rb"(?<=ctx-)[0-9a-f]{8}|(?<=logid:)[0-9a-f]{8}|\b[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-)"
TOKENS = re.compile(rb"(?P<stamp>%b)|(?P<counted>%b)|(?P<hashed>%b)" % (STAMP, COUNTED, HASHED), re.M)
COUNTS_ON = 100_000  # from copy to copy
DIGITS = 0x9E3779B1  # odd, so that every copy has digits of its own


def whole_records(log: bytes) -> bytes:
    """`log` from its first time stamp on, with a last newline."""
    begin = re.search(STAMP, log, re.M)
    if begin is None:
        raise ValueError("no line begins with a date and a time")
    return log[begin.start() :].rstrip(b"\n") + b"\n"


def span(log: bytes) -> timedelta:
    """From the first to the last time stamp, in whole seconds, and one more."""
    stamps = [match.group().decode() for match in re.finditer(STAMP, log, re.M)]
    times = sorted(datetime.strptime(stamp, FORM) for stamp in (stamps[0], *stamps[-100:]))
    return timedelta(seconds=int((times[-1] - times[0]).total_seconds()) + 1)


def copies(log: bytes, size: int) -> Iterator[bytes]:
    """Copies of `log` until they have `size` bytes; the first is the log itself."""
    step, made, number = span(log), 0, 0
    while made < size:
        text = TOKENS.sub(changer(number, step * number), log) if number else log
        made += len(text)
        number += 1
        yield text


def changer(number: int, later: timedelta) -> Callable[[re.Match[bytes]], bytes]:
    """What takes the place of a token in copy `number`, which is so much later than the log."""
    known: dict[bytes, bytes] = {}
    mask = number * DIGITS & 0xFFFFFFFF

    def change(token: re.Match[bytes]) -> bytes:
        text = token.group()
        made = known.get(text)
        if made is None:
            if token.lastgroup == "stamp":
                made = (datetime.strptime(text.decode(), FORM) + later).strftime(FORM)[:-3].encode()
            elif token.lastgroup == "counted":
                made = str(int(text) + number * COUNTS_ON).encode()
            else:
                made = f"{int(text, 16) ^ mask:08x}".encode()
            known[text] = made
        return made

    return change


def grow(log: bytes, size: int, target: Path) -> int:
    """Write a log of at least `size` bytes; how many copies it has."""
    count = 0
    with target.open("wb") as file:
        for text in copies(whole_records(log), size):
            file.write(text)
            count += 1
    return count
