"""Client tokens: a repeated request launches once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mayfly_lab.aws.front.call import Refusal


@dataclass(slots=True)
class ClientTokens:
    """The answers to requests with client tokens. The caller holds the lock of the EC2 layer.

    `place` is the zone of a request that names a zone: RunInstances is then idempotent per zone,
    and a token sent to another zone launches again (EC2 developer guide "Ensuring idempotency").
    """

    _answers: dict[tuple[str, str, str], tuple[str, Any]] = field(default_factory=dict)

    def answered(self, operation: str, place: str, request: Mapping[str, Any]) -> Any | None:
        """The earlier answer to this request; None for a new request or one without a token.

        Raises:
            Refusal: the token was used with other parameters.
        """
        known = self._answers.get((operation, _token(request), place))
        if known is None or not _token(request):
            return None
        if known[0] != _digest(request):
            raise Refusal(
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.",
            )
        return known[1]

    def remember(self, operation: str, place: str, request: Mapping[str, Any], answer: Any) -> None:
        """Keep the answer to a request."""
        self._answers[operation, _token(request), place] = (_digest(request), answer)


def _token(request: Mapping[str, Any]) -> str:
    return str(request.get("ClientToken") or "")


def _digest(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
