"""Replaces secrets in calls, so that neither the journal nor an error message contains one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BLANK = "(secret)"
SHORTEST = 8
"""Characters of the shortest secret that is learned: a shorter one is in many other words."""
# Buildkite's token families; a job acquisition token is `bkjat_`.
_TOKENS = re.compile(r"\bbk[a-z]{1,4}_[A-Za-z0-9_\-.]{8,}")
_SECURE = ("ssm", "PutParameter", "SecureString")
_SECRET_PARAMETERS = {
    ("kms", "Encrypt"): ("Plaintext",),
    ("secretsmanager", "CreateSecret"): ("SecretString",),
    ("secretsmanager", "PutSecretValue"): ("SecretString",),
}


class Scrubber:
    """Replaces known secrets and Buildkite's tokens by `(secret)`."""

    def __init__(self) -> None:
        # The longest first: a secret may hold another one, and no part of it must remain.
        self._known: tuple[str, ...] = ()

    def learn(self, secret: str) -> None:
        """Replace this exact text from now on; texts shorter than `SHORTEST` are not replaced."""
        if len(secret) >= SHORTEST:
            self._known = tuple(sorted({*self._known, secret}, key=len, reverse=True))

    def learn_from(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Learn the value of a SecureString, which a call to PutParameter holds."""
        if (service, operation, parameters.get("Type")) == _SECURE and "Value" in parameters:
            self.learn(str(parameters["Value"]))

    def scrubbed(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """A copy of a call's parameters with every secret replaced by `(secret)`."""
        blanked = dict(parameters)
        if (service, operation, blanked.get("Type")) == _SECURE and "Value" in blanked:
            blanked["Value"] = BLANK
        for name in _SECRET_PARAMETERS.get((service, operation), ()):
            if name in blanked:
                blanked[name] = BLANK
        return self._cleaned(blanked)

    def text(self, text: str) -> str:
        """`text` without any known secret or Buildkite token."""
        for secret in self._known:
            text = text.replace(secret, BLANK)
        return _TOKENS.sub(BLANK, text)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._cleaned(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(inner) for inner in value]
        return value
