"""Finds a secret in a text, whatever the text was written with: plain, escaped, or in Base64."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

_SHORTEST = 16
"""Characters of the shortest word of a secret that is looked for by itself."""
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must stand nowhere but where it is handed over."""

    what: str
    value: str = field(repr=False)
    carriers: frozenset[str] = frozenset()
    """Places that bring it to whom it is for."""


def forms(secret: str) -> frozenset[str]:
    """What a text with the secret holds, in one of these forms at least.

    Of several words or lines, each long one is looked for, too: a log may show some only. Base64 is
    found anywhere in what was encoded, in one line.
    """
    parts = {secret, *(word for word in secret.split() if len(word) >= _SHORTEST)}
    return frozenset(form for part in parts if part for form in (*_escaped(part), *_encoded(part)))


def holds(text: str, sought: frozenset[str]) -> bool:
    """Whether the text has one of the forms."""
    return any(form in text for form in sought)


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield repr(text)[1:-1]
    yield escape(text)
    for only_ascii in (True, False):
        once = json.dumps(text, ensure_ascii=only_ascii)[1:-1]
        yield once
        # JSON as a text in JSON.
        yield json.dumps(once, ensure_ascii=only_ascii)[1:-1]
    for safe in ("", "/"):
        for each in (quote(text, safe=safe), quote_plus(text, safe=safe)):
            yield each
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), each)


def _encoded(text: str) -> Iterator[str]:
    """Base64 of the text after 0, 1 and 2 bytes of something else: three bytes are four letters."""
    content = text.encode()
    for before in range(3):
        whole = b64encode(bytes(before) + content).decode()
        # Letters that neither the bytes before nor those after have a bit of.
        first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        yield whole[first:end]
        yield whole[first:end].translate(_URL_SAFE)
