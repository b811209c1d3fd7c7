"""Names in front of which a value is secret, whatever its shape."""

from __future__ import annotations

import re

_NAMES = (
    r"(?:secret[-_]?(?:access[-_]?)?key|session[-_]?token|security[-_]token|authorization"
    r"|pass(?:word|wd|phrase)|api[-_]?key|private[-_]?(?:key|token)"
    r"|(?:access|refresh|auth)[-_]?token|client[-_]?secret)"
)
_NAME = re.compile(rf"(?i){_NAMES}$")
_QUOTES = r"[\\\"']{0,8}"
# Between name and value, in the notations of IMDS, STS, the CLI, environment files, HTTP headers,
# URLs, XML, and Python's pairs.
_SIGN = rf"{_QUOTES}\s*(?:[:=>]|%3[AaDd]|(?<=[\"']),)(?:[\s\[(]|%20)*(?:[bru]{{1,2}}(?=\\*[\"']))?"
_SCHEME = r"(?:(?:token|bearer|basic|digest|AWS4-HMAC-SHA256)(?:\s|%20|\+)+)?"
# A value in quotes ends with the same quote, or with its line.
_QUOTED = re.compile(rf"(?i)({_NAMES}{_SIGN})(\\{{0,4}}[\"'])((?!\2)(?:(?!\2)(?:\\.|[^\\\n]))+)")
# The value goes on in further lines of nothing but base64.
_REST = r"(?:[ \t]*(?:\r?\n|\\n|%0[Aa])[ \t]*[A-Za-z0-9+/]{8,}={0,2}(?![^\s\"'\\,}<]))*"
_BARE = re.compile(rf"(?i)({_NAMES}{_SIGN}{_SCHEME})[^\s\"'}}<]+{_REST}")
# After a plain `token` the value must be long: in sentences a short word follows `token`. Docker's
# configuration has `auth`.
_TOKEN = re.compile(
    rf"(?i)((?:\btoken|(?<=[\"'])auth(?=[\\\"'])){_SIGN}{_QUOTES})[^\s\"'}}]{{12,}}"
)
_SIGNATURE = re.compile(
    r"(?i)(\b(?:X-Amz-)?Signature(?:=|%3D|[\"'\\]*\s*[:=]\s*[\"'\\]*))[0-9a-f]{32,}"
)
_MARKS = ("secret", "token", "authorization", "pass", "api", "private", "auth", "signature")


def is_secret(name: str) -> bool:
    """Whether values under this key are secret."""
    return bool(_NAME.search(name))


def without_values(text: str, instead: str) -> str:
    """The text with `instead` in place of each value after the name of a secret."""
    low = text.lower()
    if not any(mark in low for mark in _MARKS):
        return text
    text = _QUOTED.sub(lambda found: f"{found[1]}{found[2]}{instead}", text)
    for pattern in (_BARE, _TOKEN, _SIGNATURE):
        text = pattern.sub(lambda found: f"{found[1]}{instead}", text)
    return text
