"""Time stamps as layouts print them → microseconds, naive, in the log's own wall clock: a zone is read over.

Where a stamp lacks its year (syslog) the first line's is taken for YEAR, where it lacks its date (a paste) the first
line's day is taken for the first of January; years and days are counted on when the clock goes back. Durations are
right then; who shows a date must say that it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tracekit.errors import GrammarError

Times = npt.NDArray[np.datetime64]
Rows = npt.NDArray[np.int64]

YEAR = 1972  # a leap year: a stamp of 29 February has its day
HALF_YEAR, HALF_DAY = 6, 12  # a clock that goes back further has begun anew
# English, and what strftime's %b prints in the other languages of glibc that CloudStack is translated into.
MONTHS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "jan ene janv gen янв jän led sty",
            "feb fév févr фев lut úno",
            "mar mär mars мар märz mrt bře",
            "apr abr avr авр апр kwi dub",
            "may mai mag май maj kvě mei",
            "jun juin giu июн cze čen",
            "jul juil lug июл lip čec",
            "aug ago août авг sie srp",
            "sep sept set сен wrz zář",
            "oct oct. okt ott out окт paź říj",
            "nov ноя lis",
            "dec dic déc dez дек gru pro",
        ),
        1,
    )
    for name in names.split()
}
_DIRECTIVES: Mapping[str, str] = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d\d)",
    "%d": r" ?(?P<d>\d{1,2})",
    "%b": r"(?P<b>\d{1,2}月|[^\s\d:]+)",
    "%H": r"(?P<H>\d\d)",
    "%M": r"(?P<M>\d\d)",
    "%S": r"(?P<S>\d\d)",
    "%f": r"(?P<f>\d{1,9})",
}
_ZONE = r"(?: ?(?:Z|[+-]\d\d:?\d\d))?"
FIXED: Mapping[str, int] = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%f": 3}  # digits, in a row's order


class Clock:
    """Times of stamps that come in portions, each in one of `formats` (strptime's directives)."""

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = tuple(formats)
        self.places = fixed(formats[0])
        self.parts: list[Times | None] = []  # None: the next of `slow`
        self.slow: list[Rows] = []

    def add(self, stamps: Sequence[bytes | None]) -> None:
        """Read the next stamps; None is a record without one."""
        given = [stamp for stamp in stamps if stamp is not None]
        if self.places is not None and len(given) == len(stamps) and {*map(len, given)} == {self.places[1]}:
            self.parts.append(quick(np.frombuffer(b"".join(given), np.uint8).reshape(len(given), -1), self.places[0]))
            return
        rows = np.full((len(stamps), 7), -1, dtype=np.int64)  # year, month, day, hour, minute, second, microsecond
        for at, stamp in enumerate(stamps):
            if stamp is not None:
                rows[at] = fields(stamp.decode("utf-8", "replace"), self.formats)
        self.slow.append(rows)
        self.parts.append(None)

    def times(self) -> Times:
        """All of them, NaT where there is none. Years and days that are not said are counted on over all portions."""
        rows = np.concatenate([np.empty((0, 7), dtype=np.int64), *self.slow])
        known = rows[:, 3] >= 0
        read: Times = np.full(len(rows), "NaT", dtype="datetime64[us]")
        read[known] = assembled(completed(rows[known]))
        slow = iter(np.split(read, np.cumsum([len(part) for part in self.slow])))
        parts = [next(slow) if part is None else part for part in self.parts]
        return np.concatenate([np.empty(0, dtype="datetime64[us]"), *parts])


def times(stamps: Sequence[bytes | None], formats: Sequence[str]) -> Times:
    """Times of `stamps`, each in one of `formats`; NaT where there is no stamp."""
    clock = Clock(formats)
    clock.add(stamps)
    return clock.times()


def quick(stamps: npt.NDArray[np.uint8], places: Mapping[str, tuple[int, int]]) -> Times:
    """Times of stamps, one a row of bytes, that all have the same digits in the same places."""
    digits = stamps.T.astype(np.int16) - ord("0")
    rows = np.zeros((len(FIXED), len(stamps)), dtype=np.int64)
    for row, name in zip(rows, FIXED, strict=True):
        at, width = places[name]
        for digit in digits[at : at + width]:
            row *= 10
            row += digit
    rows[-1] *= 1000  # milliseconds
    return assembled(rows.T)


@lru_cache
def fixed(form: str) -> tuple[dict[str, tuple[int, int]], int] | None:
    """Where each part of a form of fixed width stands, and the width; None for a form that is not of that kind."""
    places, at, rest = {}, 0, form
    while rest:
        width = FIXED.get(rest[:2])
        if width:
            places[rest[:2]] = (at, width)
        elif rest[0] == "%":
            return None
        at, rest = (at + width, rest[2:]) if width else (at + 1, rest[1:])
    return (places, at) if len(places) == len(FIXED) else None


@lru_cache
def pattern(form: str) -> re.Pattern[str]:
    """Reads one form, whatever zone stands behind it. Raises GrammarError for a directive that is none of ours."""
    parts = []
    for part in re.findall(r"%.|[^%]+", form):
        if part[0] == "%" and part not in _DIRECTIVES:
            raise GrammarError(f"grammars: timestamps: {part} in {form!r} is none of {' '.join(_DIRECTIVES)}")
        parts.append(_DIRECTIVES.get(part, re.escape(part)))
    return re.compile("".join(parts) + _ZONE)


def fields(stamp: str, formats: tuple[str, ...]) -> tuple[int, ...]:
    """Year to microsecond of one stamp, -1 for what it does not say; the hour is -1 where no form reads it."""
    for form in formats:
        found = pattern(form).fullmatch(stamp)
        if found is None:
            continue
        said = found.groupdict()
        month = month_of(said["b"]) if said.get("b") else int(said.get("m") or -1)
        micro = int((said.get("f") or "0").ljust(6, "0")[:6])
        year, day = int(said.get("Y") or -1), int(said.get("d") or -1)
        if month == 0:
            continue
        return year, month, day, int(said["H"]), int(said["M"]), int(said["S"]), micro
    return (-1,) * 7


def month_of(name: str) -> int:
    """Number of a month's short name in any language that we know; 0 for another."""
    if name.endswith("月"):
        return int(name[:-1])
    plain = name.lower().rstrip(".")
    return MONTHS.get(plain) or MONTHS.get(plain[:3], 0)


def completed(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows with the years and days that they do not say."""
    dateless = rows[:, 2] < 0
    rows[dateless, 1] = 1
    day = 1 + turns(rows[dateless, 3], HALF_DAY)
    rows[dateless, 2] = day
    yearless = rows[:, 0] < 0
    rows[yearless, 0] = YEAR + turns(rows[yearless, 1], HALF_YEAR)
    return rows


def turns(values: npt.NDArray[np.int64], half: int) -> npt.NDArray[np.int64]:
    """How often a counter that runs in circles has begun anew before each of its values."""
    steps = np.diff(values, prepend=values[:1])
    return np.cumsum((steps < -half).astype(np.int64) - (steps > half).astype(np.int64))


def assembled(rows: npt.NDArray[np.int64]) -> Times:
    """Rows of year, month, day, hour, minute, second, microsecond as times."""
    months = (rows[:, 0] - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (rows[:, 1] - 1)
    micros = ((rows[:, 3] * 60 + rows[:, 4]) * 60 + rows[:, 5]) * 1_000_000 + rows[:, 6]
    made: Times = (
        months.astype("datetime64[D]").astype("datetime64[us]")
        + (rows[:, 2] - 1).astype("timedelta64[D]")
        + micros.astype("timedelta64[us]")
    )
    return made
