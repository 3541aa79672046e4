"""Secrets never reach an output, and nothing that a log says can act on a page or a terminal."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from tracekit.redact import mask, shown, visible

SECRET = "S3cr3t-Vq9"
PIECES = (
    *(
        "apiKey",
        "vmPassword",
        "TOKEN",
        "session-id",
        "userdata",
        "x",
        "null",
        SECRET,
        " ",
        "=",
        ":",
        ",",
        "&",
        "%3D",
        "%26",
    ),
    *('"', "'", "\\", "[", "}", "--", "***", "Bearer ", "https://u:", "@host/", "\n"),
)


@pytest.mark.parametrize(
    "text",
    [
        "GET command=deployVirtualMachine&apiKey={}&zoneid=1",
        "GET command=deployVirtualMachine&APIKEY={}",
        "signature={}&response=json",
        "sessionkey={} HTTP/1.1",
        "redirect=%3Fsessionkey%3D{}%26x%3D1",
        '{{"password":"{}","a":1}}',
        '{{"password" : "{}"}}',
        '{{"password":"a\\"{}","a":1}}',
        '{{"info":"{{\\"vncPassword\\":\\"{}\\"}}"}}',
        '{{"info":"{{\\\\\\"secretkey\\\\\\":\\\\\\"{}\\\\\\"}}"}}',
        '[["password","vm_password","{}"],["metadata","vm-id","8"]]',
        "db.cloud.password={}",
        "Password: {}",
        "UserVm{{password='{}', name='x'}}",
        'passwd = "one {}"',
        "secret_key={}",
        "secret-key: {}",
        "https://admin:{}@example.org/path",
        "mount -o username=x,password={},vers=3.0",
        "tool --password {} --verbose",
        "Authorization: Bearer {}",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n{} (cut off",
        '{{"privatekey":"-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----\\n"}}',
    ],
)
def test_the_value_of_a_secret_is_gone(text: str) -> None:
    masked = mask(text.format(SECRET))
    assert SECRET not in masked
    assert "***" in masked


def test_the_id_of_a_session_is_gone() -> None:
    said = "Session created by Id : {0} , session: Session@3c3a0c4b{{id={0},x={0}.node0,req=1,res=true}}"
    assert mask(said.format("node0zh1h7aw1fuu6l4m13j5102zt0")) == said.format("node0***")
    assert mask(said.format("node01b")) == said.format("node01b")


@pytest.mark.parametrize(
    "text",
    [
        "passwordEnabled=true",
        '"passwordenabled":"true"',
        "password=null",
        '"password":null',
        "Seq 1-23: Sending SavePasswordCommand",
        "command=listHosts&id=7&response=json",
        "2026-08-01 12:00:37,044 DEBUG [c.c.a.ApiServlet] (qtp-1:[ctx-1]) ===START===",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.booleans())
def test_a_text_in_ascii_is_masked_as_one_that_is_not(text: str, userdata: bool) -> None:
    assert mask("é " + text, userdata=userdata) == "é " + mask(text, userdata=userdata)


def test_text_around_a_secret_stays() -> None:
    assert mask("a=1&apiKey=x&b=2") == "a=1&apiKey=***&b=2"
    assert mask('{"a":1,"password":"x","b":2}') == '{"a":1,"password":"***","b":2}'


def test_masking_twice_changes_nothing() -> None:
    once = mask('apiKey=x {"token":"y"} --password z')
    assert mask(once) == once


def test_user_data_only_when_asked() -> None:
    assert mask("userdata=aGVsbG8&x=1") == "userdata=aGVsbG8&x=1"
    assert mask("userdata=aGVsbG8&x=1", userdata=True) == "userdata=***&x=1"


def test_nothing_acts() -> None:
    hostile = "a\x00\x1b[31m\u202eb\u200b\u2028\ud800\x9bc\nd\te"
    assert visible(hostile) == "a␀␛[31m⟨U+202E⟩b⟨U+200B⟩⟨U+2028⟩⟨U+D800⟩⟨U+009B⟩c␊d e"
    assert visible("Zürich 日本 ok") == "Zürich 日本 ok"
    assert shown("password=\x1bx y") == "password=*** y"


@pytest.mark.parametrize(
    "piece", ["a.", "-", "password", '"', "x://", "\\", "password=", "a b ", "-----BEGIN PRIVATE KEY"]
)
def test_a_long_line_takes_no_long_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    begin = time.perf_counter()
    mask(text)
    assert time.perf_counter() - begin < 5
