"""What can go wrong, each with the one line that the user sees and the exit code."""

from __future__ import annotations


class TracekitError(Exception):
    """An error that the user can do something about: what, where and what to do, in one line."""

    exit_code = 1


class UsageError(TracekitError):
    """A command that cannot be meant so, or a file that would be overwritten."""

    exit_code = 2


class NotOurLogError(TracekitError):
    """Empty, binary, or written by another program."""

    exit_code = 3


class SourceError(TracekitError):
    """A path that is missing, unreadable, or a folder without logs."""

    exit_code = 4


class GrammarError(TracekitError):
    """A file under grammars/ that does not say what it must."""

    exit_code = 2


class SchemaError(TracekitError):
    """A step handed on a table that breaks its schema: a defect of tracekit."""

    exit_code = 70
