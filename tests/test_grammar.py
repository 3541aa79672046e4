"""The grammars: every sample, and the derived patterns against Lark on every distinct line of the sample logs."""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracekit.errors import GrammarError
from tracekit.parse.dialect import detect, load_dialects
from tracekit.parse.events import Events
from tracekit.parse.explain import check, explain
from tracekit.parse.grammar import WRAP, Grammar, Messages, load_messages, message_grammar
from tracekit.parse.scan import Dispatch, dispatch_of, scan
from tracekit.resources import grammars

LONGEST = 4000  # characters of a message that the reference parser is asked to read
MASKS = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d+|[A-Za-z0-9_-]{40,}")


def logs(samples: Path) -> list[Path]:
    return sorted(path for path in samples.rglob("management-server.log*"))


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def distinct_messages(samples: Path, dispatch: Dispatch) -> Iterator[tuple[str, bytes]]:
    """One message of each shape, with the rule that the scanner found for it."""
    seen = set()
    dialects = load_dialects(grammars())
    for path in logs(samples):
        data = content(path)
        dialect, _ = detect(data, dialects)
        assert dialect is not None
        scanned = scan(data, dialect, dispatch, Events(load_messages(grammars())), 0)
        ends = [*scanned.starts[1:], len(data)]
        for number, start, end in zip(scanned.rules.tolist(), scanned.messages, ends, strict=True):
            rule = dispatch.rules[number].name if number >= 0 else None
            message = data[start:end].removesuffix(b"\n")
            shape = (rule, MASKS.sub(b"#", message[:400]))
            if rule is not None and shape not in seen and len(message) < LONGEST:
                seen.add(shape)
                yield rule, message


def candidates(dispatch: Dispatch, message: bytes) -> list[int]:
    """Numbers of the rules that may read a message, in the order in which they are asked."""
    return [
        number for key, table in dispatch.ways for number, literal in table.get(message[:key], ()) if literal in message
    ]


@pytest.fixture(scope="module")
def messages() -> Messages:
    """The grammars of messages, of which Lark makes parse tables once."""
    return load_messages(grammars())


def test_every_sample_is_read_as_it_says(messages: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracekit.parse.explain.load_messages", lambda _: messages)
    assert list(check()) == []


def test_the_scanner_reads_every_distinct_line_of_the_sample_logs_as_lark_does(
    samples: Path, messages: Messages
) -> None:
    dispatch = dispatch_of(messages)
    by_name = {rule.name: rule for rule in dispatch.rules}
    compared = 0
    for rule, raw in distinct_messages(samples, dispatch):
        text = raw.decode("latin-1")  # one character a byte, so that both see the same
        first = next(
            name
            for number in candidates(dispatch, raw)
            if (name := dispatch.rules[number].name) and messages.grammar_of(name).parse(WRAP + name, text) is not None
        )
        assert first == rule, text[:200]
        found = re.fullmatch(by_name[rule].pattern.encode(), raw)
        assert found is not None
        derived = {
            name: value.decode("latin-1")
            for name, value in zip(by_name[rule].fields, found.groups(), strict=True)
            if value is not None
        }
        assert derived == messages.grammar_of(rule).parse(WRAP + rule, text), text[:200]
        compared += 1
    assert compared > 1500


def test_every_header_of_the_sample_logs_is_read_as_lark_does(samples: Path) -> None:
    dialects = load_dialects(grammars())
    for path in logs(samples):
        data = content(path)
        dialect, _ = detect(data, dialects)
        assert dialect is not None
        seen = set()
        for line in data.split(b"\n"):
            found = dialect.header.match(line)
            shape = MASKS.sub(b"#", line[: found.end()]) if found else None
            if found is None or shape in seen:
                continue
            seen.add(shape)
            derived = {
                name: value.decode("latin-1")
                for name, value in zip(dialect.fields, found.groups(), strict=True)
                if value is not None
            }
            reference = dialect.grammar.parse("record", line.decode("latin-1"))
            assert reference is not None
            reference.pop("MESSAGE", None)
            assert derived == reference
        assert len(seen) > 20


def test_no_line_that_begins_like_a_record_is_taken_for_a_continuation(samples: Path) -> None:
    dialects = load_dialects(grammars())
    stamp = re.compile(rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ", re.M)
    for path in logs(samples):
        data = content(path)
        dialect, _ = detect(data, dialects)
        assert dialect is not None
        assert sum(1 for _ in dialect.header.finditer(data)) == sum(1 for _ in stamp.finditer(data))


def test_a_terminal_never_gives_back_what_it_took() -> None:
    grammar = message_grammar("made", "_TAIL.-3: /\\s*\\n(?s:.*)/", 'greedy: "a " NAME " end"\nNAME: /[a-z ]+/')
    (rule,) = grammar.derive()
    assert grammar.parse(WRAP + "greedy", "a b end") is None
    assert re.fullmatch(rule.pattern, "a b end") is None


def test_a_column_has_one_value_whichever_alternative_names_it() -> None:
    text = 'either: "by name " NAME | "by number " NAME__DIGITS\nNAME: /[a-z]+/\nNAME__DIGITS: /\\d+/'
    grammar = message_grammar("made", "_TAIL.-3: /\\s*\\n(?s:.*)/", text)
    assert grammar.parse(WRAP + "either", "by name web") == {"NAME": "web"}
    assert grammar.parse(WRAP + "either", "by number 12") == {"NAME": "12"}
    (rule,) = grammar.derive()
    assert rule.fields == ("NAME", "NAME")


def test_ways_that_go_on_alike_are_read_as_one() -> None:
    text = 'ways: ("x" | "y" | KEY) [ONE] [" b"] TWO [" c"]\nKEY: /[p-r]/\nONE.1: /\\d+/\nTWO: / [c-z\\d]+/'
    grammar = message_grammar("made", "_TAIL.-3: /\\s*\\n(?s:.*)/", text)
    (rule,) = grammar.derive()
    assert rule.fields == ("KEY", "ONE", "TWO")
    parts = ("xqb", ("", "3"), ("", " b"), ("", " 7", " c", " b", "+"), ("", " c"))
    read = 0
    for line in map("".join, itertools.product(*parts)):
        found = re.fullmatch(rule.pattern, line)
        columns = found and {name: value for name, value in zip(rule.fields, found.groups(), strict=True) if value}
        assert columns == grammar.parse(WRAP + "ways", line), line
        read += found is not None
    assert 10 < read < 100


def test_a_rule_that_contains_itself_is_refused() -> None:
    grammar = Grammar("made", 'deep: "(" deep ")" | "x"', ("deep",))
    with pytest.raises(GrammarError, match="contains itself"):
        grammar.derive()


def test_an_exception_behind_a_message_does_not_hide_it() -> None:
    rows = dict(
        explain(
            "Unexpected exception while executing org.apache.cloudstack.api.command.user.vm.DeployVMCmd "
            "com.cloud.utils.exception.CloudRuntimeException: no\n\tat x.Y.z(Y.java:1)"
        )
    )
    assert rows["rule"] == "job_exception"


def test_explain_says_what_a_line_is() -> None:
    rows = dict(
        explain(
            "2026-11-22 17:05:02,300 DEBUG [o.a.c.f.j.i.AsyncJobManagerImpl] "
            "(API-Job-Executor-10:[ctx-ea59195a, job-18, ctx-755e1636]) (logid:dc77c50a) "
            "Sync job-19 execution on object VmWorkJobQueue.3"
        )
    )
    assert rows["statement"] == "AsyncJobManagerImpl.syncAsyncJobExecution"
    assert (rows["JOB"], rows["QUEUE"], rows["QUEUE_ITEM"]) == ("19", "VmWorkJobQueue", "3")
    assert (rows["LEVEL"], rows["THREAD"], rows["LOGID"]) == ("DEBUG", "API-Job-Executor-10", "dc77c50a")


def test_explain_says_when_nothing_is_known() -> None:
    assert dict(explain("hello"))["rule"].startswith("none")
