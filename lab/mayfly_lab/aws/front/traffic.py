"""What callers sent to AWS, and what the services that hand out secrets answered, word for word.

The journal shows calls without secrets, so a search of the journal cannot find one that a caller
should not have sent. The texts are kept in memory alone, for a search at the end of a run.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.front.call import Call, Kind, Principal

ANSWERING = frozenset({"ssm", "sts", "kms", "secretsmanager"})
"""Services whose answers are kept: they hand out secrets."""
_OWNERS = frozenset({Kind.LAB, Kind.ADMINISTRATOR})
"""Who lays secrets down, and so sends them."""


def requests_of(who: str, action: str) -> str:
    """Place of requests; `who` is a function's short name, or the kind of any other principal."""
    return f"requests of {who} for {action}"


def answers_to(who: str, action: str) -> str:
    """Place of answers; `who` as in `requests_of`."""
    return f"answers to {who} for {action}"


class Traffic:
    """Requests and answers by place, each text once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: defaultdict[str, dict[bytes, None]] = defaultdict(dict)

    def carried(self, principal: Principal, call: Call, request: Request, answer: Answer) -> None:
        """Keep a call as it was sent, and its answer; not those of the account's owners."""
        if principal.kind in _OWNERS:
            return
        who = principal.name if principal.kind is Kind.FUNCTION else str(principal.kind)
        sent = b"%s\n%s" % (request.target.encode(), request.body)
        with self._lock:
            self._texts[requests_of(who, call.action)][sent] = None
            if call.service in ANSWERING:
                self._texts[answers_to(who, call.action)][answer.body] = None

    def texts(self) -> Mapping[str, str]:
        """Everything so far, by place."""
        with self._lock:
            kept = {place: b"\n".join(texts) for place, texts in self._texts.items()}
        return {place: text.decode("utf-8", "replace") for place, text in kept.items()}
