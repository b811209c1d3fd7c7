"""Removal of secrets from console lines and reports."""

from __future__ import annotations

from mayfly_protocol.secret_shapes import without_secrets

_BLANK = "[secret]"


class Scrubber:
    """Replaces secrets that are recognised by shape, and values that `learn` was given."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def learn(self, *secrets: str) -> None:
        """Treat these values as secrets from now on."""
        self._known.extend(each for each in secrets if each and each not in self._known)

    def __call__(self, text: str) -> str:
        """The text without secrets. Scrub before cutting: half a token is a secret, too."""
        for secret in self._known:
            text = text.replace(secret, _BLANK)
        return without_secrets(text, _BLANK)
