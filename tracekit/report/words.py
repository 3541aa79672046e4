"""How numbers, times and names are written, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeGuard

from pandas import NA, NaT, Timedelta

from tracekit.prepared import toml_of
from tracekit.redact import shown
from tracekit.resources import reports
from tracekit.schema import CATEGORIES

UNKNOWN = "unknown"


class Category(NamedTuple):
    """A ledger category as the legend explains it."""

    key: str
    label: str
    meaning: str


class Form(NamedTuple):
    """How a value of a span is said."""

    attribute: str
    pattern: str
    say: str


class Words(NamedTuple):
    """The page's vocabulary, from reports/assets/words.toml."""

    categories: tuple[Category, ...]
    clauses: Mapping[str, str]
    commands: Mapping[str, str]
    causes: Mapping[str, str]
    details: tuple[Form, ...]
    router: frozenset[str]  # commands that a host passes to a virtual router
    storage: frozenset[str]  # commands by which a host works on storage
    start: str
    running: str
    system: str  # pattern of the names of routers and system VMs
    unsplit: Mapping[str, str]  # why a command's time at a host cannot be split, as a sentence
    kept: tuple[str, ...]  # patterns of names that need no stand-in


@cache
def words() -> Words:
    """The vocabulary; read once."""
    read = toml_of(reports() / "assets" / "words.toml")
    categories = tuple(Category(key, **read["categories"][key]) for key in CATEGORIES)
    forms = tuple(Form(**form) for form in read["details"])
    return Words(
        categories,
        read["clauses"],
        read["commands"],
        read["causes"],
        forms,
        **_machines(read["machines"]),
        unsplit=read["unsplit"],
        kept=tuple(read["redact"]["kept"]),
    )


def _machines(read: Mapping[str, Any]) -> dict[str, Any]:
    return {name: frozenset(value) if isinstance(value, list) else value for name, value in read.items()}


def known(value: object) -> bool:
    """Whether `value` is there: not None, NaN, NaT or NA."""
    return not (value is None or value is NA or value is NaT or value != value)


def seconds(value: object) -> float | None:
    """A duration in seconds, exact to the microsecond; None where it is not known."""
    if type(value) is timedelta:  # nearly all are
        return value.total_seconds()
    return value.value / 1e9 if isinstance(value, Timedelta) else None


def is_time(value: object) -> TypeGuard[datetime]:
    """Whether `value` is a time that is known."""
    return value is not NaT and isinstance(value, datetime)


def between(start: object, end: object) -> float | None:
    """Seconds from `start` to `end`; None where one of the two is not known."""
    if isinstance(start, datetime) and isinstance(end, datetime):
        return seconds(end - start)
    return None


def duration(value: float | None) -> str:
    """A duration as a person says it: 252 ms, 5.98 s, 47.2 s, 12 min 03 s, 1 h 02 min."""
    if value is None:
        return UNKNOWN
    if value < 0:
        return "−" + duration(-value)
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.001 or value == 0 else f"{value * 1e6:.0f} µs"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def exact(value: float | None) -> str:
    """A duration to the millisecond, for columns that are added up: 1.693 s."""
    return UNKNOWN if value is None else f"{value:,.3f} s"


def clock(value: object) -> str:
    """Time of day with milliseconds."""
    # Cut out of the whole, not by strftime, which takes ten times as long.
    return value.isoformat(timespec="milliseconds")[11:] if is_time(value) else UNKNOWN


def stamp(value: object) -> str:
    """Date and time with milliseconds."""
    return value.isoformat(" ", timespec="milliseconds") if is_time(value) else UNKNOWN


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 line, 2,078 lines."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Bytes in the unit that fits."""
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def text(value: object, limit: int = 200) -> str:
    """A text of the log as it may be shown, cut at `limit` characters; "" where there is none."""
    if type(value) is not str:  # nearly all are
        if not known(value):
            return ""
        value = str(value)
    return cut(value, limit)[0]


def listed(value: object, most: int = 2) -> str:
    """A list of names separated by commas, the first `most` of them and how many more."""
    names = text(value, 2000).split(", ")
    return ", ".join(names) if len(names) <= most + 1 else f"{', '.join(names[:most])} and {len(names) - most} more"


def cut(value: str, limit: int) -> tuple[str, int]:
    """`value` as it may be shown, and how many characters of it were cut off at `limit`."""
    # A secret is masked before the cut, so it cannot lose its key; what is far behind the cut is not looked at.
    head = shown(value[: 4 * limit + 200])
    if len(head) <= limit:
        return head, 0
    return head[:limit].rstrip() + "…", max(len(value), len(head)) - limit


def number(value: object) -> str:
    """A whole number without decimals; "" where there is none."""
    return str(int(value)) if known(value) else ""  # type: ignore[call-overload]


def shares(parts: Sequence[float]) -> list[float]:
    """Per cent of each part with one decimal, adding up to 100.0 exactly (largest remainder); all 0 without a total."""
    total = sum(parts)
    if total <= 0:
        return [0.0 for _ in parts]
    exactly = [part / total * 1000 for part in parts]
    tenths = [int(value) for value in exactly]
    by_remainder = sorted(range(len(parts)), key=lambda i: (tenths[i] - exactly[i], i))
    for i in by_remainder[: 1000 - sum(tenths)]:
        tenths[i] += 1
    return [value / 10 for value in tenths]
