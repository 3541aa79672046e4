"""What the grammars do not know: templates of unrecognised messages, and drafts of rules that would read them.

The miner is of our own, after Drain (He et al. 2017): messages of one level and class with equally many words belong
together when most words agree; words that differ become holes. The library drain3 does the same, but its last release
is of 2022, it needs two more packages, and it keeps state for streams, which a log that is whole does not need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby
from operator import eq
from typing import Any, NamedTuple

import pandas as pd

from tracekit.frames import rows
from tracekit.parse.grammar import Messages
from tracekit.read.files import Sources
from tracekit.redact import mask
from tracekit.schema import UNKNOWN, check, frame

HOLE = "<*>"
LONGEST = 400  # bytes of a message that are looked at: its first line, and not a whole body
ALIKE = 0.6  # share of equal words from which on two messages have one template
MOST = 30  # templates of one group; where there are more, a class prints prose, whose words are all holes in the end
NUMBERS = re.compile(rb"\d+")
# What differs from message to message: what stands in braces, brackets or quotes, and every word with a digit in it.
VARIABLE = re.compile(
    r"\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}|\[[^\[\]\n]*\]|\"[^\"\n]*\"|(?<![\w'])'[^'\n]*'(?!\w)|[^\s,;:=(]*\d[^\s,;:)]*"
)
NAME_WORDS = 4
SHORT = 24  # characters of the text behind a hole that end it


@dataclass
class Template:
    """Messages of one shape."""

    words: list[str]
    level: str
    logger: str
    example: str
    where: str
    count: int = 0

    @property
    def text(self) -> str:
        """The words, holes as `<*>`; holes side by side are one."""
        made = " ".join(word for word, same in groupby(self.words) for word in ([word] if word == HOLE else same))
        return re.sub(rf"(?:{re.escape(HOLE)})+", HOLE, made)


@dataclass
class Miner:
    """Templates by level, class, number of words and the first of them, which names the statement."""

    groups: dict[tuple[str, str, int, str], list[Template]] = field(default_factory=dict)

    def add(self, level: str, logger: str, message: str, where: str, count: int) -> None:
        """Count a message under the template that is most like it, or under one of its own."""
        words = VARIABLE.sub(HOLE, message).split(" ")
        group = self.groups.setdefault((level, logger, len(words), words[0]), [])
        best = max(group, key=lambda known: alike(known.words, words), default=None)
        if best is None or (len(group) < MOST and alike(best.words, words) < ALIKE):
            best = Template(words, level, logger, message, where)
            group.append(best)
        else:
            best.words = [a if a == b else HOLE for a, b in zip(best.words, words, strict=True)]
        best.count += count

    def templates(self) -> list[Template]:
        """The most frequent ones first."""
        every = [template for group in self.groups.values() for template in group]
        return sorted(every, key=lambda template: (-template.count, template.logger, template.text))


def alike(one: list[str], two: list[str]) -> float:
    """Share of words that agree."""
    same: int = sum(map(eq, one, two))
    return same / len(one)


def mine(records: pd.DataFrame, sources: Sources) -> pd.DataFrame:
    """Table UNKNOWN of the records that no rule reads, without secrets. `records` has the columns that parse makes."""
    counts: dict[tuple[Any, Any, bytes], list[Any]] = {}
    columns = ["source", "line", "offset", "length", "message", "level", "logger"]
    for record in rows(records.loc[records["event"].isna(), columns]):
        size = min(record.length - record.message, LONGEST)
        raw = sources[record.source].slice(int(record.offset + record.message), int(size)).split(b"\n", 1)[0].rstrip()
        shape = (record.level, record.logger, NUMBERS.sub(b"0", raw))
        counts.setdefault(shape, [0, raw, f"{record.source}:{record.line}"])[0] += 1
    miner = Miner()
    for (level, logger, _), (count, raw, where) in counts.items():
        name = logger.rpartition(".")[2].strip("[]") if isinstance(logger, str) else ""
        text = mask(raw.decode("utf-8", "replace"))
        miner.add(level if isinstance(level, str) else "", name, text, where, count)
    found = miner.templates()
    made = {
        "template": [template.text for template in found],
        "count": [template.count for template in found],
        "level": [template.level or None for template in found],
        "logger": [template.logger or None for template in found],
        "example": [template.example for template in found],
        "where": [template.where for template in found],
    }
    return check(frame(UNKNOWN, made), UNKNOWN, "unknown")


class Draft(NamedTuple):
    """A rule to paste into an area's `.lark` file, and its entry for the `.toml` file beside it."""

    lark: str
    toml: str
    messages: int
    level: str


def drafts(unknown: pd.DataFrame, known: AbstractSet[str]) -> Iterator[Draft]:
    """A draft for each template that has words of its own. `known` are the names of rules that exist."""
    taken = set(known)
    for row in rows(unknown):
        parts = pieces(row.template)
        words = re.findall(r"[a-z]+", " ".join(text for text, hole in parts if not hole).lower())
        if not words:
            continue
        name = free_name("_".join(words[:NAME_WORDS]), taken)
        taken.add(name)
        where = f"{row.logger}.?" if isinstance(row.logger, str) else "?.?"
        sample = f"samples = [{{ line = {quoted(row.example)}, fields = {{}} }}]"
        yield Draft(
            f"{name}: {expression(parts)}",
            f'[{name}]\nwhere = "{where}"\nreleases = "?"\n{sample}',
            row.count,
            row.level if isinstance(row.level, str) else "",
        )


def draft_text(records: pd.DataFrame, sources: Sources, messages: Messages) -> str:
    """Drafts for a person to paste: the counts as comments, then the rules, then their entries."""
    unknown = mine(records, sources)
    made = list(drafts(unknown, messages.meanings.keys()))
    total = f"{int(unknown['count'].sum()):,} of {len(records):,} records are read by no rule"
    if not made:
        return f"{total}\n"
    rules = "\n".join(f"// {draft.messages:,}x {draft.level}\n{draft.lark}" for draft in made)
    entries = "\n\n".join(draft.toml for draft in made)
    return (
        f"{total}: {len(made)} drafts.\n\n"
        f"Into messages/<area>.lark:\n\n{rules}\n\n"
        f"Into messages/<area>.toml, with the method and the releases where there is a `?`:\n\n{entries}\n"
    )


def free_name(name: str, taken: AbstractSet[str]) -> str:
    """`name`, or with the first number that makes it a new one. A rule's name begins with a letter."""
    number = 2
    made = name
    while made in taken:
        made = f"{name}_{number}"
        number += 1
    return made


def pieces(template: str) -> list[tuple[str, bool]]:
    """Texts and holes of a template."""
    return [(part, part == HOLE) for part in re.split(f"({re.escape(HOLE)})", template.rstrip()) if part]


def expression(parts: list[tuple[str, bool]]) -> str:
    """The right side of a rule: texts as strings, a hole as everything up to the text behind it."""
    made = []
    for at, (text, hole) in enumerate(parts):
        if not hole:
            made.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
        elif at == len(parts) - 1:
            made.append(r"/[^\n]+/")
        else:
            made.append(f"/.+?(?={ahead(parts[at + 1 :])})/")
    return " ".join(made)


def ahead(parts: list[tuple[str, bool]]) -> str:
    """Pattern of the text that ends a hole. A short one may stand in the hole, too: then with what follows."""
    made, seen = "", 0
    for text, hole in parts:
        made += ".+?" if hole else literal(text[:SHORT])
        seen += 0 if hole else len(text)
        if seen >= NAME_WORDS and not hole:
            return made
    return made if parts[-1][1] else rf"{made}(?:\n|\Z)"


def literal(text: str) -> str:
    """A text as a pattern between slashes; a backslash as a class, for Lark counts those in front of a slash."""
    return "".join(r"[\\]" if c == "\\" else re.sub(r"[.^$*+?{}\[\]|()/]", r"\\\g<0>", c) for c in text)


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    if "'''" not in text and not text.endswith("'") and text.isprintable():
        return f"'''{text}'''"
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in plain) + '"'
