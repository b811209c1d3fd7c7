"""Detection of secrets by shape, by name and by value, for logs, reports and the console.

A secret is found as it stands, and as JSON, URLs, base64 and wrapped lines write it. Not found: a
secret without shape, name or known value, and an AWS secret key that is wrapped without a name.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from mayfly_protocol import secret_names

# Where a text was wrapped: a line break as it stands, in JSON and in a URL.
_BREAK = r"[ \t]*(?:\r?\n|(?:\\r)?\\n|(?:%0[Dd])?%0[Aa])[ \t]*"
# The start of a word or of a run of base64. An escape in front ends with a letter or a digit, too.
_ESCAPE = (
    r"(?<=\\[abfnrtv])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\x[0-9A-Fa-f]{2})"
    r"|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9]{2}m)"
)
_START = rf"(?:(?<![A-Za-z0-9+/])|{_ESCAPE})"
_WORD = rf"(?:(?<![A-Za-z0-9_])|{_ESCAPE})"
_BLANK = r"(?:[ +]|%20)"
_KEY = rf"{_BLANK}(?:[A-Z0-9]+{_BLANK}){{0,4}}PRIVATE{_BLANK}KEY(?:{_BLANK}BLOCK)?-----"

# Buildkite's prefixes: buildkite/docs platform/security/tokens.md; a body is base64url with dots
# (buildkite/agent internal/redact). A known prefix matches with bodies shorter than Buildkite's 24
# characters; an unknown prefix matches with a long body, because later tokens may have new ones.
_BUILDKITE = r"bk(?:ct|cqt|ar|aa|aj|jat|ua|ur|tx|pt|rt|tr|at|pat|ps)_"
# Sources: GitHub "Token expiration and revocation", GitLab "Token overview", Slack "Tokens".
_FORGES = (
    r"(?:gh[a-z]_|github_pat_|gl[a-z]{2,6}-|GR1348941|xox[a-z](?:\.xox[a-z])?-|xapp-"
    r"|hooks\.slack\.com/(?:services|workflows|triggers)/)"
)
_PREFIXED = (
    rf"(?:{_BUILDKITE}[A-Za-z0-9_.=-]{{4,}}|{_WORD}bk[a-z]{{1,6}}_[A-Za-z0-9_.=-]{{24,}}"
    rf"|{_FORGES}[A-Za-z0-9_.=/+-]{{10,}}"
    # A JWT: some servers issue job tokens without a prefix.
    rf"|{_WORD}eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]+"
    rf"|(?:{_BUILDKITE}|{_WORD}eyJ)[A-Za-z0-9_.=-]{{0,200}}(?={_BREAK}[A-Za-z0-9_.=-]{{8}}))"
    # A body may go on in further lines; eight characters are more than most words have.
    rf"(?:{_BREAK}[A-Za-z0-9_.=-]{{8,}})*"
)
_MARKS = ("bk", "gh", "github_pat", "gl", "GR1348941", "xox", "xapp", "hooks.slack", "eyJ")


@dataclass(frozen=True)
class _Shape:
    """A pattern that is tried only on texts with one of the marks, and of this length."""

    pattern: re.Pattern[str]
    marks: tuple[str, ...] = ("",)
    shortest: int = 0
    kept: str = ""
    """What stays in front of the replacement, in the notation of `Match.expand`."""
    mixed: bool = False
    """Whether only text with capitals, small letters and digits is a secret."""

    def removed(self, text: str, instead: str) -> str:
        if len(text) < self.shortest or not any(mark in text for mark in self.marks):
            return text
        return self.pattern.sub(lambda found: self._replacement(found, instead), text)

    def _replacement(self, found: re.Match[str], instead: str) -> str:
        if self.mixed and _is_hash(found[0]):
            return found[0]
        return found.expand(self.kept) + instead if self.kept else instead


# RFC 7468; a block without its end reaches to the end of the text.
_PEM = (
    _Shape(re.compile(rf"-----BEGIN{_KEY}.*?(?:-----END{_KEY}|\Z)", re.DOTALL), ("-----BEGIN",)),
    _Shape(
        re.compile(
            rf"(?:{_START}[A-Za-z0-9+/]{{48,100}}{_BREAK}){{0,120}}"
            rf"{_START}[A-Za-z0-9+/=]{{1,100}}{_BREAK}"
            rf"-----END{_KEY}"
        ),
        ("-----END",),
    ),
)
# RFC 3986, userinfo. A name alone is kept, except for the web, where it can be a token.
_URLS = (
    _Shape(re.compile(r"(:(?:\\?/){2}[^\s/?#\"'<>:@]*:)[^\s/?#\"'<>]+(?=@)"), ("@",), kept=r"\1"),
    _Shape(re.compile(r"(?i)(\bhttps?:(?:\\?/){2})[^\s/?#\"'<>:@\\]+(?=@)"), ("@",), kept=r"\1"),
    _Shape(
        re.compile(r"(?i)(%3A%2F%2F(?:(?!%2F|%40|%3A)[^\s&\"'])*%3A)(?:(?!%2F)[^\s&\"'])+(?=%40)"),
        ("%40",),
        kept=r"\1",
    ),
)
_TOKENS = (
    _Shape(re.compile(_PREFIXED), _MARKS),
    # IAM user guide, "Unique identifiers": the ids of access keys; those of roles begin with AROA.
    _Shape(re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"), ("AKIA", "ASIA"), 20),
)


def _of_base64(start: str, character: str) -> tuple[_Shape, ...]:
    """Shapes in base64, with patterns of its start and of each of its characters."""
    return (
        # An AWS session token is one long run of base64, longer than any hash or id in our texts.
        _Shape(re.compile(rf"{start}{character}{{150,}}(?:=|%3[Dd])*"), shortest=150),
        # Wrapped lines: the body of a key, or a long token.
        _Shape(
            re.compile(
                rf"{start}[A-Za-z0-9+/]{{60,}}(?:{_BREAK}[A-Za-z0-9+/]{{60,}})*"
                rf"{_BREAK}[A-Za-z0-9+/]+={{0,2}}"
            ),
            ("\n", "\\n", "%0"),
            shortest=60,
            mixed=True,
        ),
        # A secret access key is 40 characters of base64 and has no other mark.
        _Shape(re.compile(rf"{start}{character}{{40}}(?!{character}|=)"), shortest=40, mixed=True),
    )


# By whether escapes stand in a text: base64 as it stands, and as JSON and URLs write it. Most
# texts have no escapes, and the first patterns are much faster.
_ANY = r"(?:[A-Za-z0-9+/]|\\/|\\u002[BbFf]|%2[BbFf])"
_BASE64 = {
    False: _of_base64(r"(?<![A-Za-z0-9+/])", r"[A-Za-z0-9+/]"),
    True: _of_base64(_START, _ANY),
}
_ENCODED = {
    False: re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}"),
    True: re.compile(rf"{_START}(?:{_ANY}|[_-]){{16,}}(?:=|%3[Dd]){{0,2}}"),
}
_LONGEST_WRAPPED = 300
# Blanks each by itself: `_BREAK` would take the square of the time for a text full of blanks.
_BREAKS = re.compile(r"[ \t]+|\r?\n|(?:\\r)?\\n|(?:%0[Dd])?%0[Aa]")
_RUN = re.compile(r"[A-Za-z0-9_.~-]+")
"""Characters that `_written` takes as they stand."""
_SHORT = {"\n": r"\\{1,4}n", "\r": r"\\{1,4}r", "\t": r"\\{1,4}t", " ": r"\+"}
"""Patterns of what JSON and URLs write for these characters."""
_OF_A_BREAK = 2
"""Characters after a percent sign that may be a line break, `%0A`."""
_SHORTEST = 8
"""Characters of a text; no shorter one holds a secret."""
_READABLE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]+")


def without_secrets(
    text: str, instead: str, known: Iterable[Callable[[str, str], str]] = ()
) -> str:
    """The text with `instead` in place of each secret that is recognised.

    `known` are the results of `remover` for secrets that are known by their values. Scrub before
    cutting: half a token is a secret, too.
    """
    if len(text) < _SHORTEST:
        return text
    plain = _without_plain(text, instead, known)

    def blank(found: re.Match[str]) -> str:
        inner = _decoded(found[0])
        # `name:password` is HTTP's basic authentication (RFC 7617).
        secret = ":" in inner or _without_plain(inner, "", known) != inner
        return instead if inner and secret else found[0]

    return _ENCODED[_is_escaped(plain)].sub(blank, plain)


def remover(secret: str) -> Callable[[str, str], str]:
    """A function of text and replacement that removes this value, however it is written.

    A host knows hundreds of values, and most texts have none of them: the pattern of a value is
    compiled for the first text that may have it.
    """
    mark = _mark(secret)
    compiled: list[re.Pattern[str]] = []

    def remove(text: str, instead: str) -> str:
        if mark and mark not in text and mark not in _unwrapped(text):
            return text
        if not compiled:
            compiled.append(_pattern_of(secret))
        return compiled[0].sub(lambda _: instead, text)

    return remove


def _pattern_of(secret: str) -> re.Pattern[str]:
    # A long value is one of AWS, which has a shape where it is wrapped. The pattern would be slow.
    between = f"(?:{_BREAK})?" if len(secret) <= _LONGEST_WRAPPED else ""
    return re.compile(between.join(map(_written, secret)))


def _mark(secret: str) -> str:
    """A part of the value that each of its notations has as it stands, but for line breaks.

    Empty for a value without one. The look for marks ignores line breaks, and after a backslash or
    a percent sign the first letters may look like one.
    """
    return max((run[_OF_A_BREAK:] for run in _RUN.findall(secret)), key=len, default="")


@functools.lru_cache(maxsize=2)
def _unwrapped(text: str) -> str:
    """The text without blanks, and without line breaks: a value may have been wrapped there."""
    return _BREAKS.sub("", text)


def names_a_secret(name: str) -> bool:
    """Whether values under this key are secret, whatever their shape."""
    return secret_names.is_secret(name)


def _without_plain(text: str, instead: str, known: Iterable[Callable[[str, str], str]]) -> str:
    """The text without secrets that are not in base64."""
    for remove in known:
        text = remove(text, instead)
    for shape in _PEM:
        text = shape.removed(text, instead)
    for shape in (*_TOKENS, *_BASE64[_is_escaped(text)]):
        text = shape.removed(text, instead)
    text = secret_names.without_values(text, instead)
    for shape in _URLS:
        text = shape.removed(text, instead)
    return text


def _is_escaped(text: str) -> bool:
    """Whether this text may have escapes of JSON, of URLs, or of a terminal."""
    return "\\" in text or "%" in text or "\x1b" in text


def _is_hash(text: str) -> bool:
    """Whether base64 is no key: commit ids lack capitals, most paths lack digits."""
    plain = _unquoted(re.sub(r"\\u00[0-9A-Fa-f]{2}|\\n", "/", text))
    return not all(re.search(kind, plain) for kind in ("[A-Z]", "[a-z]", "[0-9]"))


def _unquoted(text: str) -> str:
    """The text without the percent-encoding of URLs."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _written(character: str) -> str:
    """A pattern for one character as text, JSON and URLs write it."""
    if re.fullmatch("[A-Za-z0-9_.~-]", character):
        return re.escape(character)
    content = character.encode("utf-8", "surrogatepass")
    url, text = (
        "".join(rf"{escape}(?i:{byte:02x})" for byte in content) for escape in ("%", r"\\{1,4}x")
    )
    code = rf"\\{{1,4}}u(?i:{ord(character):04x})"
    short = f"|{_SHORT[character]}" if character in _SHORT else ""
    # A terminal, and a file of Windows, have a carriage return in front of a line feed.
    before = r"(?:\r|\\{1,4}r|%0[Dd])?" if character == "\n" else ""
    return rf"{before}(?:\\{{0,7}}{re.escape(character)}|{code}|{url}|{text}{short})"


def _decoded(text: str) -> str:
    """The readable text that this base64 encodes; empty for any other content."""
    plain = _unquoted(text.replace("\\u002", "%2").replace("\\", "")).rstrip("=")
    standard = plain.replace("-", "+").replace("_", "/")
    try:
        content = base64.b64decode(standard + "=" * (-len(standard) % 4))
    except (binascii.Error, ValueError):
        return ""
    found = content.decode("utf-8", "replace")
    return found if _READABLE.fullmatch(found) else ""
