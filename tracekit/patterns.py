"""Regular expressions that stay compiled: those that a small log asks for take a second to compile.

Python knows no way of keeping a compiled pattern, for a pickled one is compiled again. Kept is the program that the
module `re` makes of a pattern for its matcher, of which the matcher takes a thousand in milliseconds. Since only the
inside of `re` gives the program out, it is kept only if it makes the very pattern that `re.compile` made, and for this
very Python. Whatever is not as expected is compiled.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from array import array
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from tracekit.cache import cache_folder, prune
from tracekit.container import Values

MOST = 6000  # programs that stay in the file: there are that many message rules twice
FILES = 3  # of different Pythons


class Program(NamedTuple):
    """What the matcher needs of one pattern."""

    flags: int
    code: bytes
    groups: int
    names: dict[str, int]  # of groups


@dataclass
class Programs:
    """The programs of the cache's file, and what was compiled since."""

    kept: Values | None  # None: this Python does not give its programs out
    new: dict[bytes, Program] = field(default_factory=dict)

    def compiled(self, pattern: bytes, flags: int) -> re.Pattern[bytes]:
        """What ``re.compile`` gives."""
        if self.kept is None:
            return re.compile(pattern, flags)
        key = hashlib.sha256(b"%d %b" % (flags, pattern)).digest()
        known = self.new.get(key) or self.kept.get(key)
        if known is not None:
            return pattern_of(pattern, Program(*known))
        made = re.compile(pattern, flags)
        program = program_of(made, flags)
        again = pattern_of(pattern, program)
        if again == made and again.groupindex == made.groupindex:
            self.new[key] = program
        return made

    def keep(self) -> None:
        """Write the file, if there is anything new, with what others have put into it meanwhile."""
        if self.kept is None or not self.new:
            return
        if self.kept.add({key: tuple(program) for key, program in self.new.items()}, MOST):
            prune(self.kept.path.parent, "patterns-*.bin", FILES)
        self.kept, self.new = Values(self.kept.path), {}


def compiled(pattern: bytes, flags: int = 0) -> re.Pattern[bytes]:
    """What ``re.compile`` gives, from the cache where it has the program."""
    return programs().compiled(pattern, flags)


def keep_compiled() -> None:
    """Put into the cache what was compiled."""
    programs().keep()


@cache
def programs() -> Programs:
    """The programs of this Python."""
    try:
        about = repr((sys.version, Program._fields, inside()._sre.MAGIC, inside()._sre.CODESIZE, array("I").itemsize))
    except (ImportError, AttributeError):
        return Programs(None)
    return Programs(Values(cache_folder() / f"patterns-{hashlib.sha256(about.encode()).hexdigest()[:32]}.bin"))


def program_of(made: re.Pattern[bytes], flags: int) -> Program:
    """The program of a pattern that was compiled with `flags`."""
    code = inside()._code(inside()._parser.parse(made.pattern, flags), flags)
    return Program(made.flags, array("I", code).tobytes(), made.groups, dict(made.groupindex))


def pattern_of(pattern: bytes, program: Program) -> re.Pattern[bytes]:
    """The pattern whose program is `program`."""
    names: list[str | None] = [None] * (program.groups + 1)
    for name, number in program.names.items():
        names[number] = name
    code = array("I", program.code).tolist()
    made: re.Pattern[bytes] = inside()._sre.compile(
        pattern, program.flags, code, program.groups, program.names, tuple(names)
    )
    return made


@cache
def inside() -> Any:
    """The part of `re` that compiles. ImportError where another Python has none."""
    return importlib.import_module("re._compiler")
