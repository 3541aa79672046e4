"""The shapes of the topology: boxes, machines and bridges inside a host's box, lines between boxes.

Across is per cent of what a thing stands in, down is pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracekit.report.scale import percent

LINE, PAD = 17, 10  # pixels down: a line of text, around the text
ACROSS = 4  # machines beside each other
CHIP_H, BRIDGE_H, APART = 36, 22, 6  # pixels down
CHARACTERS = 52  # of a line in a box


class Chip(NamedTuple):
    """A machine or a bridge inside the box of a host."""

    x: str
    width: str
    y: int
    height: int
    css: str  # machine, machine slow, bridge
    title: str
    name: str
    said: str


class Wire(NamedTuple):
    """A line between a machine and a bridge, down the box."""

    x: str
    y1: int
    y2: int


class Place(NamedTuple):
    """A box of the topology."""

    x: str
    width: str
    y: int
    height: int
    css: str  # server, host, pool, outside
    title: str
    name: str
    lines: tuple[tuple[int, str], ...]  # pixels from the top of the box, text
    chips: tuple[Chip, ...] = ()
    wires: tuple[Wire, ...] = ()


class Link(NamedTuple):
    """A line between two boxes."""

    x1: str
    y1: int
    x2: str
    y2: int
    css: str
    label: str
    label_x: str
    label_y: int


class Nic(NamedTuple):
    """One network interface of a machine, as the command that started it says."""

    machine: str
    host: str
    traffic: str
    bridge: str
    network: str
    ip: str
    line: str


class Topology(NamedTuple):
    """Machines, bridges and stores that the log mentions."""

    height: int
    places: tuple[Place, ...]
    links: tuple[Link, ...]
    left_out: str
    description: str
    nics: tuple[Nic, ...] = ()
    nics_left_out: str = ""


class Inside(NamedTuple):
    """A machine before it has its place: what it is called, and the bridges of its nics."""

    css: str
    title: str
    name: str
    said: str
    bridges: tuple[str, ...]


def box(x: float, width: float, y: int, css: str, name: str, said: Sequence[str], title: str = "") -> Place:
    """A box with lines of text."""
    lines = tuple((PAD + LINE * (i + 2) - 4, line[:CHARACTERS]) for i, line in enumerate(said))
    return Place(percent(x), percent(width), y, 2 * PAD + LINE * (len(said) + 1), css, title or name, name, lines)


def furnished(place: Place, machines: Sequence[Inside], bridges: Sequence[tuple[str, str]], rest: str) -> Place:
    """A box with machines in rows, below them the bridges (name, what it carries), and what is left out."""
    top = place.height - PAD + APART
    rows = -(-len(machines) // ACROSS)
    below = top + rows * (CHIP_H + APART) + (APART if rows and bridges else 0)
    width = (100 - 4) / ACROSS
    at = {name: below + i * (BRIDGE_H + APART) for i, (name, _) in enumerate(bridges)}
    chips, wires = [], []
    for i, one in enumerate(machines):
        left, y = 2 + (i % ACROSS) * width, top + i // ACROSS * (CHIP_H + APART)
        chips.append(Chip(percent(left), percent(width - 1), y, CHIP_H, one.css, one.title, one.name, one.said))
        # Every row has a part of its column of its own, so that the lines of one machine do not seem another's.
        for j, bridge in enumerate(one.bridges):
            slot = (i // ACROSS + (j + 1) / (len(one.bridges) + 1)) / rows
            wires.append(Wire(percent(left + (width - 1) * slot), y + CHIP_H, at[bridge]))
    chips += [Chip("2", "96", at[name], BRIDGE_H, "bridge", said, name, said) for name, said in bridges]
    end = below + len(bridges) * (BRIDGE_H + APART)
    lines = (*place.lines, (end + LINE - 6, rest)) if rest else place.lines
    height = end + (LINE if rest else 0) + PAD - APART
    return place._replace(height=height, chips=tuple(chips), wires=tuple(wires), lines=lines)


def link(one: Place, other: Place, label: str, css: str = "") -> Link:
    """A line from a box to another one, to the right of it or in its own column."""
    if one.x == other.x:
        x = percent(float(one.x) + float(one.width) / 2)
        top, low = sorted((one, other), key=lambda place: place.y)
        return Link(x, top.y + top.height, x, low.y, css, label, x, low.y)
    y1, y2 = one.y + one.height // 2, other.y + other.height // 2
    x1, x2 = float(one.x) + float(one.width), float(other.x)
    return Link(percent(x1), y1, percent(x2), y2, css, label, percent(x2 - 0.4), y2 - 5)


def stacked(places: Sequence[Place], height: int, gap: int) -> list[Place]:
    """Boxes of one column, below each other, in the middle of `height`."""
    y = max(gap, (height - sum(place.height + gap for place in places) + gap) // 2)
    made = []
    for place in places:
        made.append(place._replace(y=y))
        y += place.height + gap
    return made
