"""Makes text from a log fit to be shown: secrets masked, control characters and writing-direction marks visible.

Every text that leaves tracekit (page, terminal, exports) goes through :func:`mask`; what a person reads goes through
:func:`shown` as well. The keys below are names that secrets go by in any program, not wording of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

MASK = "***"
UNKEYED = 3  # forms of a secret that have no key

SECRET_WORDS = (
    "apikey",
    "accesskey",
    "secretkey",
    "secret",
    "signature",
    "sessionkey",
    "sessionid",
    "password",
    "passwd",
    "passphrase",
    "token",
    "privatekey",
)
USERDATA_WORDS = ("userdata", "user_data", "user-data")

# A value that says nothing: left as it is, so that a reader sees that there was none.
_NOTHING = r"(?!(?:null|true|false|none)\b)"
# What every form below contains; most texts do not, and are let through at once. Small letters are looked for without
# regard to the others, which is several times as fast; beyond ASCII there are letters that are alike only to `re`.
_HINTS = r"key|secret|signature|session|passw|passphrase|token|bearer|basic|://|user[-_]?data"
_HINT, _SMALL_HINT = re.compile(_HINTS, re.IGNORECASE), re.compile(_HINTS)
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_BEARER = r"\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}"
_COOKIE = r"(\bnode\d)[0-9a-z]{20,}"  # the id of a session, as Jetty makes it: who has it is logged in
_USERINFO = r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/@:]{0,200}:)[^\s/@]+(?=@)"


def mask(text: str, *, userdata: bool = False) -> str:
    """`text` with the value of every secret replaced by ``***``; with `userdata` also what a user gave to a VM."""
    if not suspicious(text):
        return text
    if "PRIVATE KEY" in text:
        text = _PEM.sub(rf"\1{MASK}\2", text)
    small = text.isascii()
    key, forms = _forms(SECRET_WORDS + USERDATA_WORDS if userdata else SECRET_WORDS, small)
    sought = text.lower() if small else text
    for form in forms if key.search(sought) else forms[:UNKEYED]:
        if all(sign in sought for sign in form.signs):
            text = _masked(text, form.pattern.finditer(sought))
            sought = text.lower() if small else text
    return text


def suspicious(text: str) -> bool:
    """Whether `text` may have a secret: what tells it is no longer than a word."""
    return bool(_SMALL_HINT.search(text.lower()) if text.isascii() else _HINT.search(text))


def _masked(text: str, found: Iterable[re.Match[str]]) -> str:
    """`text` with MASK for what stands behind the first group of each match, of this text or of its small letters."""
    parts, end = [], 0
    for match in found:
        parts += [text[end : match.end(1)], MASK]
        end = match.end()
    return "".join([*parts, text[end:]])


def visible(text: str) -> str:
    """`text` on one line with every character that would act instead of being seen written as a sign.

    C0 controls become their control pictures (``␛``), all other controls, format characters (bidi marks, zero widths),
    separators and lone surrogates ``⟨U+202E⟩``. Tabs become a space.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_sign, text))


@lru_cache(maxsize=4096)  # a page says the same names again and again
def shown(text: str) -> str:
    """`text` as a person may read it: masked and visible."""
    return visible(mask(text))


def _sign(char: str) -> str:
    if char == "\t":
        return " "
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return char


class _Form(NamedTuple):
    """A form of a secret: `pattern`, whose first group is everything before the value, from its beginning, and whose
    rest is the value, and `signs`, all of which such a text has.
    """

    pattern: re.Pattern[str]
    signs: tuple[str, ...]


@cache
def _forms(words: tuple[str, ...], small: bool) -> tuple[re.Pattern[str], tuple[_Form, ...]]:
    """What finds one of the words, and the forms, the UNKEYED first; `small` ones are for texts in small letters."""
    # A key may have anything before the word (vmPassword, db.cloud.password), nothing after it (passwordEnabled).
    loose = "|".join(word.replace("key", "[-_.]?key").replace("id", "[-_.]?id") for word in words)
    key = rf"(?:{loose})"
    string = r'(?:(?!(?<!\\)\2").)+'  # up to the quote that ends it, over quotes that are escaped once more
    forms = (
        (_BEARER, ()),
        (_COOKIE, ("node",)),
        (_USERINFO, ("://", "@")),
        # JSON, also JSON within a JSON string (quotes escaped once or more): "password":"..." and \"password\":\"...\"
        (rf'({key}(\\*)"\s*:\s*\2"){_NOTHING}{string}', ('"', ":")),
        # lists of names and values: ["password","vm_password","..."]; a name as value is left to the next match
        (rf'({key}(\\*)"\s*,\s*\2")(?![\w.-]{{0,40}}{key}\\*"){_NOTHING}{string}', ('"', ",")),
        # key="a b" and key='a b'
        (rf"({key}\s*[=:]\s*(['\"])){_NOTHING}(?:(?!\2).)+", ()),
        # key=value in queries, property files, toString(); key: value; key%3Dvalue; "key":123
        (rf"({key}['\"]?\s*(?:=|:|%3d)\s*){_NOTHING}(?!\*\*\*)(?:(?!%26)[^\s&,;'\"\])}}<>])+", ()),
        # --password value
        (rf"((?<!-)--[\w-]{{0,40}}{key}\s+){_NOTHING}(?!\*\*\*)[^\s-]\S*", ("--",)),
    )
    flags = 0 if small else re.IGNORECASE
    return re.compile(key, flags), tuple(_Form(re.compile(form, flags), signs) for form, signs in forms)
