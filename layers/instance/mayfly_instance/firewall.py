"""Who may talk to IMDS while the job runs: nobody, root alone, or the job, too."""

from __future__ import annotations

from typing import Protocol

from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_protocol.words import Imds

_IPV4 = "169.254.169.254"
_IPV6 = "fd00:ec2::254"
_CLEAN = "add table inet mayfly\ndelete table inet mayfly\n"
# Root is let through by name and all others are stopped: a packet whose sender the kernel does
# not know is then stopped, too. They are refused at once, not left to wait: over IPv6 by a reset,
# because there a refusal by ICMP was seen to be lost on a socket that was just connecting. ICMP and
# resets carry no metadata; letting them through lets our own refusals arrive where the address is
# this machine's own (a lab).
_CLOSED = """\
table inet mayfly {{
  chain output {{
    type filter hook output priority 0; policy accept;
{root}    ip daddr {ipv4} meta l4proto != icmp reject
    ip6 daddr {ipv6} tcp flags & rst == rst accept
    ip6 daddr {ipv6} meta l4proto tcp reject with tcp reset
    ip6 daddr {ipv6} meta l4proto != icmpv6 drop
  }}
  chain forward {{
    type filter hook forward priority 0; policy accept;
    ip daddr {ipv4} drop
    ip6 daddr {ipv6} drop
  }}
}}
"""
_ROOT = f"""\
    ip daddr {_IPV4} meta skuid 0 accept
    ip6 daddr {_IPV6} meta skuid 0 accept
"""


class Rules(Protocol):
    """What the firewall needs of the machine."""

    def set_rules(self, rules: str) -> None:
        """See Machine."""

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """See Machine."""


def rules(choice: Imds) -> str:
    """The nftables rules for a choice; they take the place of those that were there."""
    if choice is Imds.JOB:
        return _CLEAN
    root = _ROOT if choice is Imds.SUPERVISOR else ""
    return _CLEAN + _CLOSED.format(root=root, ipv4=_IPV4, ipv6=_IPV6)


def close(machine: Rules, choice: Imds, address: tuple[str, int], job_user: str) -> None:
    """Set the rules and see whether they hold. Raises HostFailure when they do not.

    `address` is where IMDS answers this host.
    """
    try:
        machine.set_rules(rules(choice))
    except CommandFailed as error:
        raise HostFailure(f"IMDS cannot be closed: {error.reason}", error.words) from error
    check(machine, choice, address, job_user)


def check(machine: Rules, choice: Imds, address: tuple[str, int], job_user: str) -> None:
    """Try the rules that are set. Raises HostFailure when IMDS can be reached by whom it must not.

    IPv6 is tried as well: without the endpoint or a route it cannot be reached in any case.
    """
    closed_to = {
        Imds.OFF: (job_user, "root"),
        Imds.SUPERVISOR: (job_user,),
        Imds.JOB: (),
    }[choice]
    for user in closed_to:
        for host, port in (address, (_IPV6, 80)):
            if machine.reaches(host, port, user):
                raise HostFailure(f"IMDS is still open to {user} at {host}, although rules are set")
