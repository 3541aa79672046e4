"""Programs of all rules and headers, and what finds a message's rules by its beginning, as arrays.

They are made from the derived patterns and kept in the user's cache folder under the hash of those patterns and of the
code that makes them: about five seconds after a change of the grammars, and none in later runs.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracekit.cache import cache_folder, keep, prune
from tracekit.parse.dialect import Dialect
from tracekit.parse.fast import instructions as op
from tracekit.parse.fast.classes import UnknownError
from tracekit.parse.fast.program import Pool, program
from tracekit.parse.grammar import Derived
from tracekit.parse.scan import Dispatch

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]

MOST = 4  # versions of the grammars whose tables stay in the cache
UNKNOWN = -1  # a pattern that the machine cannot express, and the end of a chain
PRIME, OFFSET, MASK = 0x100000001B3, 0xCBF29CE484222325, (1 << 64) - 1  # of a hash after FNV-1a, by words
GRAM, GRAMS, SPREAD = 4, 1 << 12, 2654435761  # first bytes by which a literal is looked for inside a message


class Programs(NamedTuple):
    """What the machine runs."""

    code: Ints  # rows of instructions one behind the other
    sets: Bytes  # 256 for each set
    strings: Bytes  # and eight more, so that any of them can be loaded with seven behind it


class Lookup(NamedTuple):
    """What finds the rules that may read a message, by its first bytes or by a literal inside."""

    entries: Ints  # first row of each rule's program, UNKNOWN for one that is left to `re`
    groups: Ints  # number of each rule's groups
    slots: Ints  # hash of a beginning -> key
    key_length: Ints
    key_place: Ints  # in the strings
    key_first: Ints  # of `candidates`
    key_count: Ints
    candidates: Ints  # rules, in the order in which they are asked
    open_rules: Ints  # rules that are known by a literal inside, in that order
    open_place: Ints
    open_length: Ints
    open_next: Ints  # chain of literals whose first bytes have the same hash
    open_heads: Ints  # hash of the first bytes -> first of the chain


class Tables(NamedTuple):
    """Everything that the compiled scanner knows of the grammars."""

    programs: Programs
    lookup: Lookup
    headers: Mapping[str, int]  # name of a line grammar -> first row of its program; absent: left to `re`


def tables(dispatch: Dispatch, dialects: Iterable[Dialect]) -> Tables:
    """Tables of all rules of `dispatch` and all headers of `dialects`, from the cache where they are in it."""
    headers = {dialect.grammar.name: dialect.derived for dialect in dialects}
    made = hashlib.sha256(code_digest().encode() + repr(sorted(headers.items())).encode())
    for rule in dispatch.rules:
        made.update(repr((rule.pattern, rule.prefixes, rule.literal)).encode())
    path = cache_folder() / f"tables-{made.hexdigest()[:32]}.npz"
    found = load(path, sorted(headers))
    if found is None:
        found = built(dispatch, headers)
        arrays = {**found.programs._asdict(), **found.lookup._asdict()}
        rows = np.array([found.headers.get(name, UNKNOWN) for name in sorted(headers)], dtype=np.int32)
        keep(path, lambda draft: save(draft, {**arrays, "headers": rows}))
        prune(path.parent, "tables-*.npz", MOST)
    return found


@cache
def code_digest() -> str:
    """Tells the code that makes tables from other versions of it."""
    folder = files("tracekit.parse") / "fast"
    names = ("classes.py", "program.py", "instructions.py", "tables.py")
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()


def save(draft: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a file of arrays."""
    with draft.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's types take the names for its own options


def load(path: Path, headers: Sequence[str]) -> Tables | None:
    """Tables of a cache file; None where there is none or it is damaged."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            programs = Programs(*(file[name] for name in Programs._fields))
            lookup = Lookup(*(file[name] for name in Lookup._fields))
            rows = file["headers"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Tables(programs, lookup, {name: row for name, row in zip(headers, rows, strict=True) if row != UNKNOWN})


def built(dispatch: Dispatch, headers: Mapping[str, Derived]) -> Tables:
    """Tables made anew."""
    pool, code = Pool(), [[op.MATCH, 1, 0, 0, 0]]
    begins: dict[str, int] = {}
    for name, header in headers.items():
        begins[name] = append(code, header, pool, header=True)
    entries = [append(code, rule, pool, header=False) for rule in dispatch.rules]
    lookup = lookup_of(dispatch, entries, pool)
    programs = programs_of(code, pool)
    return Tables(programs, lookup, {name: row for name, row in begins.items() if row != UNKNOWN})


def programs_of(code: Sequence[Sequence[int]], pool: Pool) -> Programs:
    """Rows of instructions, and what they refer to, as arrays."""
    sets = np.zeros((len(pool.sets), 256), dtype=np.uint8)
    for bits, number in pool.sets.items():
        sets[number] = np.unpackbits(np.frombuffer(bits.to_bytes(32, "little"), np.uint8), bitorder="little")
    strings = np.array([*pool.strings, *bytes(8)], dtype=np.uint8)
    return Programs(np.array(code, dtype=np.int32).ravel(), sets.ravel(), strings)


def append(code: list[list[int]], derived: Derived, pool: Pool, header: bool) -> int:
    """Put the program of a pattern behind the others; its first row, or UNKNOWN.

    A message's groups have a place each, those of a header one for each column. Headers must not cross lines.
    """
    columns = list(dict.fromkeys(derived.fields))
    slots = [columns.index(name) for name in derived.fields] if header else list(range(len(derived.fields)))
    try:
        made = program(derived.pattern.encode(), pool, slots, header)
    except UnknownError:
        return UNKNOWN
    if header and crosses_lines(made, pool):
        return UNKNOWN
    code += made
    return len(code) - len(made)


def crosses_lines(made: Sequence[Sequence[int]], pool: Pool) -> bool:
    """Whether a program can take a newline."""
    with_newline = {number for bits, number in pool.sets.items() if bits >> 10 & 1}
    for kind, one, two, *_ in made:
        if kind in (op.SET, op.RUN, op.GREEDY, op.LAZY) and one in with_newline:
            return True
        if (kind == op.BYTE and one == 10) or (kind == op.STRING and 10 in pool.strings[one : one + two]):
            return True
        numbers = pool.strings[one : one + 2 * two] if kind == op.SHAPE else b""
        if with_newline.intersection(np.frombuffer(numbers, dtype="<u2").tolist()):
            return True
    return False


def lookup_of(dispatch: Dispatch, entries: Sequence[int], pool: Pool) -> Lookup:
    """The tables of a Dispatch as arrays."""
    keys: list[tuple[int, int, int, int]] = []  # length, place, first candidate, number of candidates
    candidates: list[int] = []
    hashes: list[int] = []
    *ways, (_, others) = dispatch.ways
    for length, table in ways:
        for beginning, rules in table.items():
            keys.append((length, pool.string(beginning), len(candidates), len(rules)))
            candidates += [number for number, _ in rules]
            hashes.append(hash_of(beginning))
    slots = np.full(1 << (4 * len(keys) + 1).bit_length(), UNKNOWN, dtype=np.int32)
    for number, made in enumerate(hashes):
        at = made & len(slots) - 1
        while slots[at] != UNKNOWN:
            at = at + 1 & len(slots) - 1
        slots[at] = number
    literals = [literal for _, literal in others[b""]]
    heads, following = chains(literals)
    key = np.array(keys, dtype=np.int32).T.copy()
    return Lookup(
        entries=np.array(entries, dtype=np.int32),
        groups=np.array([len(rule.fields) for rule in dispatch.rules], dtype=np.int32),
        slots=slots,
        key_length=key[0],
        key_place=key[1],
        key_first=key[2],
        key_count=key[3],
        candidates=np.array(candidates, dtype=np.int32),
        open_rules=np.array([number for number, _ in others[b""]], dtype=np.int32),
        open_place=np.array([pool.string(literal) for literal in literals], dtype=np.int32),
        open_length=np.array([len(literal) for literal in literals], dtype=np.int32),
        open_next=following,
        open_heads=heads,
    )


def hash_of(text: bytes) -> int:
    """The hash of a text as `reading.hash_of` has it."""
    made = OFFSET ^ len(text)
    words = [int.from_bytes(text, "little")]
    if len(text) >= 8:
        words = [int.from_bytes(text[at : at + 8], "little") for at in (*range(0, len(text) - 8, 8), len(text) - 8)]
    for word in words:
        made = (made ^ word) * PRIME & MASK
        made ^= made >> 32
    return made


def chains(literals: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Literals by the hash of their first bytes; those that are shorter are in no chain."""
    heads = np.full(GRAMS, UNKNOWN, dtype=np.int32)
    following = np.full(len(literals), UNKNOWN, dtype=np.int32)
    for number, literal in enumerate(literals):
        if len(literal) >= GRAM:
            made = int.from_bytes(literal[:GRAM], "little") * SPREAD % (1 << 32) // ((1 << 32) // GRAMS)
            following[number], heads[made] = heads[made], number
    return heads, following
