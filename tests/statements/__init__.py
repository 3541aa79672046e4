"""The log statements of the deploy path, release by release, as lines that tracekit must read.

`deploy-path.tsv.gz` (class, method, level, template, releases) lists what the sources of 20 releases print;
`holes.toml` says what stands in the `<holes>`, in the rendering of each release; `unread.tsv` lists the statements
that no rule reads and why that is accepted.
"""

from __future__ import annotations

import csv
import gzip
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RELEASES = (
    *("4.9.3", "4.11.3", "4.13.1", "4.14.0", "4.15.2", "4.16.1", "4.17.2", "4.18.0", "4.18.2", "4.19.0", "4.19.1"),
    *("4.19.3", "4.20.0", "4.20.1", "4.20.2", "4.20.3", "4.21.0", "4.22.0", "4.22.1", "4.23"),
)
HOLE = re.compile(r"<[^->][^>]*>")
LEAST = 4  # literal letters below which a template says nothing: `<message>`


class Statement(NamedTuple):
    """One log statement as the sources have it."""

    cls: str
    method: str
    level: str
    template: str
    releases: str

    @property
    def where(self) -> str:
        return f"{self.cls}.{self.method}"


@cache
def statements() -> tuple[Statement, ...]:
    """Every statement of the deploy path."""
    with gzip.open(HERE / "deploy-path.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return tuple(Statement(*row) for row in rows)


def releases_of(text: str) -> list[str]:
    """Releases of a list such as `4.9.3,4.18.0–4.20.0`."""
    if text == "all":
        return list(RELEASES)
    found = []
    for part in text.split(","):
        low, _, high = part.partition("–")
        found += RELEASES[RELEASES.index(low) : RELEASES.index(high or low) + 1]
    return found


def pieces(template: str) -> list[tuple[str, bool]]:
    """Text and holes of a template, in order; a hole may hold others: `<null|<command>>`."""
    made: list[tuple[str, bool]] = []
    depth, at = 0, 0
    for place, letter in enumerate(template):
        if letter == "<" and (depth or HOLE.match(template, place)):
            if not depth and place > at:
                made.append((template[at:place], False))
            at = at if depth else place + 1
            depth += 1
        elif letter == ">" and depth:
            depth -= 1
            if not depth:
                made.append((template[at:place], True))
                at = place + 1
    if at < len(template):
        made.append((template[at:], False))
    return made


def says_something(template: str) -> bool:
    """Whether the wording is in the statement, and not in a variable."""
    return sum(letter.isalpha() for text, hole in pieces(template) if not hole for letter in text) >= LEAST


class Holes(NamedTuple):
    """holes.toml."""

    kinds: tuple[tuple[re.Pattern[str], str], ...]  # pattern of a hole's name, its kind
    texts: Mapping[str, Mapping[str, str]]  # kind -> first release -> text
    given: Mapping[str, Mapping[str, str]]  # Class.method or Class -> hole -> text
    lines: Mapping[str, str]  # template -> message, where holes of one name hold different things


@cache
def holes() -> Holes:
    """What stands in holes."""
    data = tomllib.loads((HERE / "holes.toml").read_text(encoding="utf-8"))
    kinds = tuple((re.compile(row["match"]), row["kind"]) for row in data["holes"])
    return Holes(kinds, data["kinds"], data["given"], data["lines"])


@cache
def kind_of(hole: str) -> str:
    """Kind of what a hole holds, by its name."""
    return next((kind for pattern, kind in holes().kinds if pattern.fullmatch(hole)), "other")


@cache
def filling(hole: str, release: str, where: str) -> str:
    """What `release` prints in a hole of a statement. A choice of literals gives its first one."""
    given = holes().given.get(where, {}).get(hole, holes().given.get(where.partition(".")[0], {}).get(hole))
    if given is not None:
        return given
    if "|" in hole:
        first = next(part for part in hole.split("|") if part).strip("'")
        return first if not first.startswith("<") else filling(first.strip("<>"), release, where)
    texts = holes().texts[kind_of(hole)]
    known = [since for since in texts if RELEASES.index(since) <= RELEASES.index(release)]
    return texts[max(known, key=RELEASES.index)]


def line(statement: Statement, release: str) -> str:
    """The message that `release` prints."""
    if statement.template in holes().lines:
        return holes().lines[statement.template]
    parts = pieces(statement.template)
    made = "".join(filling(text, release, statement.where) if hole else text for text, hole in parts)
    return made.replace("{}", "6").replace('\\"', '"')


def lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Each release of a statement with its message."""
    for release in releases_of(statement.releases):
        yield release, line(statement, release)
