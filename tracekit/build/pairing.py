"""Agent commands: the statements of one command, printed by up to four threads, joined by server life and sequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.mentions import Mentions, coalesced, with_records
from tracekit.frames import Numbers, joint, numbers_of
from tracekit.parse.events import Events
from tracekit.read.files import Sources
from tracekit.schema import COMMANDS, check, frame

# Statements of `Request` name the host rightly; those of the attache classes only the sequence number (trap 10).
OF_REQUEST = ("command.send", "command.wait", "command.execute", "command.forward", "command.receive", "command.answer")
OF_SEQUENCE = (
    "command.now",
    "command.timeout",
    "command.cancel",
    "command.unsent",
    "command.unheard",
    "command.begun",
    "command.ended",
)
SENDERS = ("command.send", "command.wait", "command.execute", "command.forward")
OF_SENDER = {"job": "job", "thread": "thread", "run": "run", "host_name": "HOST_NAME"}  # column of its statement
COLUMNS = ("JOB", "HOST", "HOST_NAME", "SEQ", "BEHIND", "BODY", "DETAILS")
NEAR = 1 << 10  # bodies of commands that are known: many are sent again and again
_NAME = re.compile(r'"([\w.$]+)"')


def command_events(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Events of agent commands with what their records say."""
    cut = events.meant(*OF_REQUEST, *OF_SEQUENCE)
    return with_records(cut, COLUMNS, records, "ts", "thread", "run", "job", "life", "offset", "source")


def build_commands(happened: pd.DataFrame) -> pd.DataFrame:
    """The commands table with helper columns: `life`, `sender`, the record that sent or scheduled it, and `shared`.

    `scheduled` is null for a command that did not wait for its turn in the host's sequence.
    """
    key = [numbers_of(happened[name]) for name in ("life", "HOST", "SEQ")]
    told = Mentions.of(happened, (*OF_REQUEST, *OF_SEQUENCE), joint(*key), len(happened))
    things = in_order(told, key)
    send, wait, execute, forward, receiver, answer = (told.first(word)[things] for word in OF_REQUEST)
    sender, known = told.first(*SENDERS)[things], told.first(*OF_REQUEST)[things]
    made = {
        **{name: happened[name].array[known] for name in ("life", "HOST", "SEQ")},
        "sender": told.said("record", sender),
        **{name: told.said(column, sender, receiver) for name, column in OF_SENDER.items()},
        "scheduled": told.said("ts", wait),
        "answered": told.said("ts", answer),
        "received": told.said("ts", receiver),
        # The server that holds the host's connection sends it on at once, and says nothing more of it.
        "sent": told.said("ts", send, execute, forward),
        "behind": told.said("BEHIND", wait),
        "receiver": told.said("record", receiver),
        "details": told.said("DETAILS", answer),
    }
    return pd.DataFrame(made | by_sequence(made, told), copy=False)


def in_order(told: Mentions, key: Sequence[Numbers]) -> Numbers:
    """The commands that a `Request` names in the order in which they were sent; those of which nothing says so, in that
    in which they were received. `key` tells commands apart, by the events that are about them.
    """
    known = told.first(*OF_REQUEST)
    things = np.flatnonzero(known >= 0)
    last = np.iinfo(np.int64).max
    times = [np.where(rows < 0, last, rows)[things] for rows in (told.first(*SENDERS), told.first("command.receive"))]
    return things[np.lexsort([*(part[known[things]] for part in reversed(key)), *reversed(times)])]


def by_sequence(made: Mapping[str, Any], told: Mentions) -> dict[str, Any]:
    """What statements say that know the sequence number alone: sent after waiting, given up, late answer. `made` has
    the columns of the commands so far.
    """
    count = len(made["SEQ"])
    number = joint(
        *(np.concatenate([numbers_of(made[name]), numbers_of(told.events[name])]) for name in ("life", "SEQ"))
    )
    own = number[:count]
    said = told._replace(about=number[count:], things=len(number))
    # Of two hosts that count alike nothing tells which one is meant.
    twice = (np.bincount(own, minlength=1) > 1)[own]
    now, late, unsent = (
        np.where(twice, -1, said.first(f"command.{word}")[own]) for word in ("now", "timeout", "unsent")
    )
    waited, failed = ~made["scheduled"].isna(), ~made["details"].isna()
    answered = ~made["answered"].isna() | ~made["received"].isna()
    sent = made["sent"].copy()
    sent[waited] = said.said("ts", now)[waited]
    outcome = np.select(
        [unsent >= 0, late >= 0, failed, answered], ["not sent", "timed out", "failed", "answered"], "unanswered"
    )
    return {
        "shared": twice & (said.first(*OF_SEQUENCE)[own] >= 0),
        "sent": sent,
        "given_up": said.said("ts", late, unsent),
        "outcome": pd.array(outcome, dtype="str"),
        "closer": said.said("record", late, unsent),
    }


def doubt_commands(commands: pd.DataFrame, doubts: Doubts) -> None:
    """Commands of which statements tell that know the sequence number alone, which another host's command has, too."""
    shared = np.flatnonzero(commands["shared"])
    columns = (commands[name].array[shared] for name in ("operation", "HOST", "SEQ"))
    for operation, host, seq in zip(*columns, strict=True):
        doubts.add(
            "sequence numbers of two hosts",
            [operation],
            f"Seq {host}-{seq} has the number of another host's command: which one waited or was given up is not known",
        )


def name_commands(
    made: pd.DataFrame, happened: pd.DataFrame, records: pd.DataFrame, sources: Sources
) -> list[str | None]:
    """Simple class names of the commands in each request, from the body of the line that sent it."""
    record = numbers_of(coalesced(made["sender"].array, made["receiver"].array))
    said = np.append(happened["record"].to_numpy(), np.iinfo(np.int64).max)  # in order
    at = np.searchsorted(said, record)
    body = np.where(said[at] == record, np.append(numbers_of(happened["BODY"]), -1)[at], -1)
    text_of, names_of = texts(records, sources), lru_cache(NEAR)(class_names)
    return [
        ", ".join(names_of(text_of(record, place))) or None if place >= 0 else None
        for record, place in zip(record.tolist(), body.tolist(), strict=True)
    ]


def texts(records: pd.DataFrame, sources: Sources) -> Callable[[int, int], str]:
    """A function that gives the text of a record, by its number, from a byte of it on."""
    offsets, lengths = records["offset"].to_numpy(), records["length"].to_numpy()
    source, paths = records["source"].cat.codes.to_numpy(), records["source"].cat.categories.to_list()

    def text_of(record: int, place: int) -> str:
        raw = sources[paths[source[record]]].slice(int(offsets[record]) + place, int(lengths[record]) - place)
        return raw.decode("utf-8", "replace")

    return text_of


def body_of(records: pd.DataFrame, sources: Sources, record: int, place: int) -> str:
    """Text of a record from byte `place` on."""
    return texts(records, sources)(record, place)


def class_names(body: str) -> list[str]:
    """Simple names of the classes of a request's commands, or of its answers where only names are printed.

    Bodies are no JSON since 4.15 (inner quotes and newlines are not escaped), but their braces are balanced: a
    command's name stands where the depth goes from none to one.
    """
    if not body.startswith("["):
        return list(re.findall(r"[A-Za-z]\w+", body.partition("}")[0]))
    names, depth = [], 0
    opening, closing = body.find("{"), body.find("}")
    while opening >= 0:
        if opening < closing or closing < 0:
            found = _NAME.match(body, opening + 1) if depth == 0 else None
            if found and "." in found.group(1):
                names.append(found.group(1).rpartition(".")[2])
            depth += 1
            opening = body.find("{", opening + 1)
        else:
            depth -= 1
            if depth < 0:
                break
            closing = body.find("}", closing + 1)
    return names


def commands_table(made: pd.DataFrame) -> pd.DataFrame:
    """The table of schema.COMMANDS from the frame that build works on."""
    named = made.rename(columns={"HOST": "host", "SEQ": "seq", "outcome": "result"})
    return check(frame(COMMANDS, {name: named[name] for name in COMMANDS if name in named}), COMMANDS, "commands")
