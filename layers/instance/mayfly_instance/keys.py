"""The credentials of a role, as long as IMDS serves them."""

from __future__ import annotations

from datetime import timedelta

from mayfly_instance.clock import Clock
from mayfly_instance.scrub import Scrubber
from mayfly_instance.seams import Metadata
from mayfly_instance.sigv4 import Credentials

# IMDS has the next ones at least 5 minutes before the old end.
_FRESH = timedelta(minutes=5)


class Keys:
    """Holds a role's credentials in memory and renews them in time. Nothing is written anywhere."""

    def __init__(self, metadata: Metadata, role: str, clock: Clock, scrub: Scrubber) -> None:
        self._metadata = metadata
        self._role = role
        self._clock = clock
        self._scrub = scrub
        self._held: Credentials | None = None
        self._kept = False

    def current(self) -> Credentials:
        """Credentials that are good for minutes. Raises ImdsError."""
        held = self._held
        if held is None or (not self._kept and held.expires - self._clock.now() < _FRESH):
            held = self.hold(self._metadata.session().credentials(self._role))
        return held

    def renew(self) -> None:
        """Ask IMDS next time: these were refused."""
        if not self._kept:
            self._held = None

    def keep(self, credentials: Credentials) -> None:
        """From now on use these, to their end: IMDS is about to be closed."""
        self.hold(credentials)
        self._kept = True

    def hold(self, credentials: Credentials) -> Credentials:
        """Use these until they are old."""
        self._scrub.learn(credentials.secret_key, credentials.token)
        self._held = credentials
        return credentials
