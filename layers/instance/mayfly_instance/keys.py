"""A role's current credentials from IMDS."""

from __future__ import annotations

from datetime import timedelta

from mayfly_instance.clock import Clock
from mayfly_instance.ports import Metadata
from mayfly_instance.scrub import Scrubber
from mayfly_instance.sigv4 import Credentials

# IMDS serves new credentials at least 5 minutes before the old ones expire.
_FRESH = timedelta(minutes=5)


class Keys:
    """Holds a role's credentials in memory, never in a file, and renews them before they expire."""

    def __init__(self, metadata: Metadata, role: str, clock: Clock, scrub: Scrubber) -> None:
        self._metadata = metadata
        self._role = role
        self._clock = clock
        self._scrub = scrub
        self._held: Credentials | None = None
        self._fixed = False

    def current(self) -> Credentials:
        """Credentials, valid for at least 5 minutes unless IMDS is closed. Raises ImdsError."""
        held = self._held
        if held is None or (not self._fixed and held.expires - self._clock.now() < _FRESH):
            held = self.use(self._metadata.session().credentials(self._role))
        return held

    def of_a_thread(self, clock: Clock) -> Keys:
        """Keys of the same role for another thread, which begin with the same credentials."""
        keys = Keys(self._metadata, self._role, clock, self._scrub)
        keys._held, keys._fixed = self._held, self._fixed
        return keys

    def discard(self) -> None:
        """Drop refused credentials, so that `current` reads new ones from IMDS."""
        if not self._fixed:
            self._held = None

    def use_until_expiry(self, credentials: Credentials) -> None:
        """Use these credentials from now on and never renew them: IMDS is about to be closed."""
        self.use(credentials)
        self._fixed = True

    def use(self, credentials: Credentials) -> Credentials:
        """Use these credentials until their renewal, and scrub them from texts. Returns them."""
        self._scrub.learn(credentials.secret_key, credentials.token)
        self._held = credentials
        return credentials
