"""The host's side of agent commands: where the time between request and answer went, as far as the agents' logs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracekit.report.scale import percent
from tracekit.report.shapes import HostSide, Segment
from tracekit.report.spans import Span
from tracekit.report.words import count, duration, known, text, words

# Attribute of a command's span, class of its piece in a bar, what it is called, the sign before its time.
PARTS = (
    ("wire_ms", "c-client", "wire", ""),
    ("host_wait_ms", "c-queue", "agent's queue", ""),
    ("router_lock_ms", "c-lock", "router's lock", "≤ "),
    ("execution_ms", "c-agent", "execution", ""),
)
IN_ROUTER = "in_router_ms"
UNSPLIT = "unsplit"
MOST_HOSTS = 6  # that a sentence names


def split(attributes: Mapping[str, Any]) -> HostSide | None:
    """One command's time in its parts; None where no agent's log tells."""
    if not known(attributes.get("execution_ms")):
        return None
    times = {key: float(attributes[key]) for key, *_ in PARTS if known(attributes.get(key))}
    said = tuple(sign + duration(times[key] / 1000) if key in times else "" for key, _, _, sign in PARTS)
    return HostSide(said, _pieces([max(times.get(key, 0.0), 0.0) for key, *_ in PARTS]), _said(attributes))


def total(every: Sequence[Mapping[str, Any]]) -> HostSide | None:
    """All commands together; None where no agent's log tells of one of them."""
    told = [attributes for attributes in every if known(attributes.get("execution_ms"))]
    if not told:
        return None
    keys = [key for key, *_ in PARTS] + [IN_ROUTER]
    there = {key for key in keys if any(known(one.get(key)) for one in told)}
    return split({key: sum(float(one[key]) for one in told if known(one.get(key))) for key in there})


def _pieces(times: Sequence[float]) -> tuple[Segment, ...]:
    whole, x, made = sum(times), 0.0, []
    for value, (_, css, label, _) in zip(times, PARTS, strict=True):
        if value > 0:
            width = value / whole * 100
            made.append(Segment(css, percent(x), percent(width), f"{label} {duration(value / 1000)}"))
            x += width
    return tuple(made)


def _said(attributes: Mapping[str, Any]) -> str:
    """The parts as a clause."""
    parts = [
        f"{label} {sign}{duration(attributes[key] / 1000)}"
        for key, _, label, sign in PARTS
        if known(attributes.get(key))
    ]
    scripts = attributes.get(IN_ROUTER, 0)
    within = f" (scripts in the router {duration(scripts / 1000)})" if scripts else ""
    return ", ".join(parts) + within


def note(row: Span) -> str:
    """What the host says of the command of a span; "" where it says nothing."""
    said = _said(row.attributes) if row.kind == "command" else ""
    return f"on the host: {said}" if said else ""


def missing(commands: Sequence[Any], attributes: Mapping[int, Mapping[str, Any]]) -> tuple[str, ...]:
    """What an agent's log would add, a sentence for each reason why it is not there."""
    hosts: dict[str, dict[str, int]] = {}
    for row in commands:
        why = attributes.get(int(row.span), {}).get(UNSPLIT) if known(row.span) else None
        if known(why) and known(row.host_name):
            by_host = hosts.setdefault(str(why), {})
            by_host[str(row.host_name)] = by_host.get(str(row.host_name), 0) + 1
    return tuple(_sentence(why, by_host) for why, by_host in sorted(hosts.items()) if why in words().unsplit)


def _sentence(why: str, by_host: Mapping[str, int]) -> str:
    """The sentence of `words.toml` for one reason; hosts with the most commands first."""
    ranked = sorted(by_host, key=lambda host: (-by_host[host], host))
    named = [text(host, 120) for host in ranked[:MOST_HOSTS]]
    if len(ranked) > MOST_HOSTS:
        named.append(count(len(ranked) - MOST_HOSTS, "more host"))
    return words().unsplit[why].format(hosts=", ".join(named), commands=count(sum(by_host.values()), "command"))
