"""Agent commands: the statements of one command, printed by up to four threads, joined by server life and sequence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.frames import look_up, numbers_of, rows
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
COLUMNS = ("JOB", "HOST", "HOST_NAME", "SEQ", "BEHIND", "BODY", "DETAILS")
_NAME = re.compile(r'"([\w.$]+)"')


def command_events(records: pd.DataFrame, events: Events) -> pd.DataFrame:
    """Events of agent commands with what their records say."""
    made = events.meaning(*OF_REQUEST, *OF_SEQUENCE, columns=COLUMNS)
    said = records.loc[made["record"], ["ts", "thread", "run", "job", "life", "offset", "source"]]
    return made.join(said.set_index(made.index))


def build_commands(happened: pd.DataFrame) -> pd.DataFrame:
    """The commands table with helper columns: `life`, `sender`, the record that sent or scheduled it, and `shared`.

    `scheduled` is null for a command that did not wait for its turn in the host's sequence.
    """
    requests = happened[happened["means"].isin(OF_REQUEST)]
    key = ["life", "HOST", "SEQ"]
    first = {word: rows.drop_duplicates(key).set_index(key) for word, rows in requests.groupby("means")}
    none = requests.iloc[:0].set_index(key)
    part = {word: first.get(word, none) for word in OF_REQUEST}
    senders = pd.concat([part[word] for word in ("command.send", "command.wait", "command.execute", "command.forward")])
    senders = senders[~senders.index.duplicated()]
    index = senders.index.union(part["command.receive"].index).union(part["command.answer"].index)

    made = pd.DataFrame(index=index)
    made["sender"] = senders["record"].reindex(index).astype("Int64")
    for name, column in (("job", "job"), ("thread", "thread"), ("run", "run"), ("host_name", "HOST_NAME")):
        made[name] = senders[column].reindex(index)
        made[name] = made[name].fillna(part["command.receive"][column].reindex(index))
    for name, word in (("scheduled", "command.wait"), ("answered", "command.answer"), ("received", "command.receive")):
        made[name] = part[word]["ts"].reindex(index)
    made["sent"] = part["command.send"]["ts"].reindex(index).fillna(part["command.execute"]["ts"].reindex(index))
    # The server that holds the host's connection sends it on at once, and says nothing more of it.
    made["sent"] = made["sent"].fillna(part["command.forward"]["ts"].reindex(index))
    made["behind"] = part["command.wait"]["BEHIND"].reindex(index)
    made["receiver"] = part["command.receive"]["record"].reindex(index).astype("Int64")
    made["details"] = part["command.answer"]["DETAILS"].reindex(index)
    made = made.reset_index()
    return by_sequence(made, happened)


def by_sequence(made: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """Add what statements say that know the sequence number alone: sent after waiting, given up, late answer."""
    said = happened[happened["means"].isin(OF_SEQUENCE)].drop_duplicates(["means", "life", "SEQ"])
    at = {word: part.set_index(["life", "SEQ"]) for word, part in said.groupby("means")}
    index = pd.MultiIndex.from_frame(made[["life", "SEQ"]])
    # Of two hosts that count alike nothing tells which one is meant.
    twice = made.duplicated(["life", "SEQ"], keep=False)
    made["shared"] = twice & index.isin(pd.MultiIndex.from_frame(said[["life", "SEQ"]]))

    def when(word: str, column: str = "ts") -> pd.Series[Any]:
        known = at.get(word)
        values = said[column].iloc[:0].reindex(made.index) if known is None else known[column].reindex(index)
        found: pd.Series[Any] = pd.Series(values.array, index=made.index).mask(twice)
        return found if column == "ts" else found.astype("Int64")

    waited = made["scheduled"].notna()
    made["sent"] = made["sent"].astype("datetime64[us]").where(~waited, when("command.now"))
    made["given_up"] = when("command.timeout").fillna(when("command.unsent"))
    made["outcome"] = "unanswered"
    made.loc[made["answered"].notna() | made["received"].notna(), "outcome"] = "answered"
    made.loc[made["details"].notna(), "outcome"] = "failed"
    made.loc[when("command.timeout").notna(), "outcome"] = "timed out"
    made.loc[when("command.unsent").notna(), "outcome"] = "not sent"
    made["closer"] = when("command.timeout", "record").fillna(when("command.unsent", "record"))
    return made.sort_values(["sender", "receiver"], kind="stable").reset_index(drop=True)


def doubt_commands(commands: pd.DataFrame, doubts: Doubts) -> None:
    """Commands of which statements tell that know the sequence number alone, which another host's command has, too."""
    for command in rows(commands[commands["shared"].fillna(False).astype(bool)]):
        doubts.add(
            "sequence numbers of two hosts",
            [command.operation],
            f"Seq {command.HOST}-{command.SEQ} has the number of another host's command: "
            "which one waited or was given up is not known",
        )


def name_commands(
    made: pd.DataFrame, happened: pd.DataFrame, records: pd.DataFrame, sources: Sources
) -> list[str | None]:
    """Simple class names of the commands in each request, from the body of the line that sent it."""
    body = happened.drop_duplicates("record").set_index("record")["BODY"]
    record = made["sender"].fillna(made["receiver"])
    text_of = texts(records, sources)
    return [
        ", ".join(class_names(text_of(record, place))) or None if place >= 0 else None
        for record, place in zip(numbers_of(record).tolist(), numbers_of(look_up(record, body)).tolist(), strict=True)
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
