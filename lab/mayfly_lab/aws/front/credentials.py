"""Temporary credentials: the principal of each access key, and its expiry."""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mayfly_lab.aws.front.call import Principal
from mayfly_lab.contracts import Keys

_KEY_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Holder:
    """Credentials and their principal."""

    principal: Principal
    keys: Keys

    def expired(self, now: float) -> bool:
        """Whether the credentials have expired at `now`, in seconds since the epoch."""
        return now >= self.keys.expires.timestamp()


class Credentials:
    """Issues credentials, and finds their holders. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._holders: dict[str, Holder] = {}

    def issue(self, principal: Principal, lifetime: timedelta) -> Keys:
        """Issue temporary credentials of `principal`, valid for `lifetime` from now."""
        keys = Keys(
            access_key="ASIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16)),
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(180),
            expires=datetime.fromtimestamp(self._clock(), UTC) + lifetime,
        )
        with self._lock:
            self._holders[keys.access_key] = Holder(principal, keys)
        return keys

    def holder(self, access_key: str) -> Holder | None:
        """The holder of an access key, expired or not; None for a key that was never issued."""
        return self._holders.get(access_key)

    def issued(self) -> list[Holder]:
        """All credentials so far and their holders, oldest first."""
        with self._lock:
            return list(self._holders.values())
