"""Names of hosts as a sentence may carry them: the domain dropped, long ones cut in the middle, still told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tracekit.redact import shown
from tracekit.report.words import words

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 24  # characters that a sentence or a label spares for one name
KEPT = 6  # characters at the end of a name that is cut in the middle


class Names:
    """Short forms of the hosts of one trace. The full name stands in the table of commands."""

    def __init__(self, hosts: Iterable[str], numbers: dict[int, str] | None = None) -> None:
        self.full = sorted({shown(host) for host in hosts})
        self._numbers = {number: shown(name) for number, name in (numbers or {}).items()}
        firsts = [without_domain(host) for host in self.full]
        # A first label that two hosts share tells nothing.
        heads = [first if firsts.count(first) == 1 else host for first, host in zip(firsts, self.full, strict=True)]
        self._short = {host: middle(head) for host, head in zip(self.full, heads, strict=True)}
        longest = sorted((host for host in self.full if self._short[host] != host), key=lambda host: (-len(host), host))
        self._pattern = re.compile("|".join(map(re.escape, longest))) if longest else None

    @classmethod
    def of(cls, commands: pd.DataFrame) -> Names:
        """The hosts of a table of COMMANDS."""
        known = commands[["host", "host_name"]].dropna().drop_duplicates("host")
        numbers = {int(number): str(name) for number, name in zip(known["host"], known["host_name"], strict=True)}
        return cls(map(str, commands["host_name"].dropna().unique()), numbers)

    def short(self, said: str) -> str:
        """`said` with every host in it by its short name."""
        return self._pattern.sub(lambda found: self._short[found.group()], said) if self._pattern else said

    def host(self, number: int) -> str:
        """The name of a host by its number."""
        return self._numbers.get(number, f"host {number}")

    def detail(self, key: str, value: str) -> str:
        """A value of a span as a person reads it: what `words.toml` knows how to say, else the value itself."""
        found = [
            form.say.format(number=number, host=self.host(int(number)))
            for form in words().details
            if form.attribute == key
            for number in re.findall(form.pattern, value)
        ]
        return self.short(" · ".join(dict.fromkeys(found)) or value)


def without_domain(host: str) -> str:
    """The first label of a name with a domain; an address or a name of one or two labels as it is."""
    first, *rest = host.split(".")
    return first if len(rest) > 1 and not first.isdigit() else host


def middle(name: str, longest: int = LONGEST) -> str:
    """`name`, its middle left out where it is longer than a sentence or a drawing bears."""
    return name if len(name) <= longest else f"{name[: longest - KEPT - 1]}…{name[-KEPT:]}"
