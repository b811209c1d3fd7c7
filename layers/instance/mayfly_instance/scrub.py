"""Keeps secrets out of the console and of reports."""

from __future__ import annotations

import re

_BLANK = "[secret]"
# Every Buildkite token (bkct_, bkat_, bkaj_, bkjat_, bkua_, …): a prefix, then base64url and dots.
_BUILDKITE = re.compile(r"\bbk[a-z]{1,6}_[A-Za-z0-9_.=-]{24,}")
# Role credentials as IMDS, STS, the CLI and environment files show them.
_LABELLED = re.compile(
    r"(?i)((?:secret_?access_?key|session_?token|security-token|\btoken)[\"']?\s*[:=]\s*[\"']?)"
    r"[^\s\"',}]{16,}"
)


class Scrubber:
    """Replaces secrets by shape, and those that the process knows by value."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def learn(self, *secrets: str) -> None:
        """From now on these values are secrets, too."""
        self._known.extend(each for each in secrets if each and each not in self._known)

    def __call__(self, text: str) -> str:
        """The text without secrets. Scrub before cutting: half a token is a secret, too."""
        for secret in self._known:
            text = text.replace(secret, _BLANK)
        return _LABELLED.sub(rf"\g<1>{_BLANK}", _BUILDKITE.sub(_BLANK, text))
