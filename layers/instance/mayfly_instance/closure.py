"""The closure of IMDS, looked at again for as long as it must hold.

Services of an image replace the machine's whole ruleset: a restart of nftables.service does, and
firewalls and container engines may. A look tries the effect, as each excluded user, because the
rules of others count as well. An attempt costs about 3 ms of processor time, in a child process.
"""

from __future__ import annotations

from mayfly_instance import firewall
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_protocol.words import Imds

REMOVED = "the metadata rules were removed"


class Closure:
    """Which users must not reach IMDS, and when that was last certain."""

    def __init__(self, context: Context, choice: Imds, job_user: str) -> None:
        self._context = context
        self._choice = choice
        self._job_user = job_user
        self._certain = context.clock.seconds()

    def close(self) -> None:
        """Set the rules and check their effect. Raises HostFailure if either fails."""
        firewall.close(self._context.machine, self._choice, self._address(), self._job_user)

    def check(self) -> None:
        """Raises Open if an excluded user reaches IMDS; HostFailure, OSError if none can try."""
        firewall.check(self._context.machine, self._choice, self._address(), self._job_user)

    def look(self) -> str:
        """The reason why the host may not go on; empty while IMDS is closed to excluded users.

        An open IMDS is closed again before the return, because whatever ends the host takes time.
        Raises Open if that fails. A look that cannot be made (no process can be started on a
        machine without memory) is a reason only after `limits.uncertain` seconds of such looks.
        """
        try:
            self.check()
        except firewall.Open:
            self._close_again()
            return REMOVED
        except (HostFailure, OSError) as error:
            unseen = self._context.clock.seconds() - self._certain
            if unseen < self._context.limits.uncertain:
                return ""
            return f"the metadata rules could not be checked for {unseen:.0f} s ({error})"
        self._certain = self._context.clock.seconds()
        return ""

    def _close_again(self) -> None:
        try:
            self.close()
        except (HostFailure, OSError) as error:
            raise firewall.Open(f"{REMOVED} and cannot be set again: {error}") from error

    def _address(self) -> tuple[str, int]:
        return self._context.metadata.host, self._context.metadata.port
