"""The packet filter for IMDS while the job runs: open to no user, to root or to all users."""

from __future__ import annotations

from typing import Protocol

from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_protocol.words import Imds

_IPV4 = "169.254.169.254"
_IPV6 = "fd00:ec2::254"
_CLEAN = "add table inet mayfly\ndelete table inet mayfly\n"
# The rules accept root by uid and stop everything else, so a packet without a known sender is
# stopped, too. Clients get a refusal at once instead of a time-out; over IPv6 by a TCP reset,
# because ICMP refusals were seen to get lost on sockets that were still connecting. ICMP and resets
# carry no metadata; accepting them lets the refusals arrive where the address belongs to this
# machine (a lab).
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


class Open(HostFailure):
    """A user reaches IMDS who must not reach it."""


class PacketFilter(Protocol):
    """The part of `Machine` that this module needs."""

    def set_rules(self, rules: str) -> None:
        """See Machine."""

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """See Machine."""


def rules(choice: Imds) -> str:
    """The nftables rules for a choice; loading them replaces Mayfly's earlier rules."""
    if choice is Imds.JOB:
        return _CLEAN
    root = _ROOT if choice is Imds.SUPERVISOR else ""
    return _CLEAN + _CLOSED.format(root=root, ipv4=_IPV4, ipv6=_IPV6)


def close(machine: PacketFilter, choice: Imds, address: tuple[str, int], job_user: str) -> None:
    """Set the rules and check their effect. Raises HostFailure if either fails.

    `address` is host and port of IMDS.
    """
    try:
        machine.set_rules(rules(choice))
    except CommandFailed as error:
        raise HostFailure(f"IMDS cannot be closed: {error.reason}", error.words) from error
    check(machine, choice, address, job_user)


def check(machine: PacketFilter, choice: Imds, address: tuple[str, int], job_user: str) -> None:
    """Try to reach IMDS as each excluded user. Raises Open if one succeeds.

    Raises another HostFailure, or OSError, where it is impossible to try. IPv6 is tried as well:
    without its endpoint or a route every attempt fails, as it should.
    """
    closed_to = {
        Imds.OFF: (job_user, "root"),
        Imds.SUPERVISOR: (job_user,),
        Imds.JOB: (),
    }[choice]
    for user in closed_to:
        for host, port in (address, (_IPV6, 80)):
            if machine.reaches(host, port, user):
                raise Open(f"IMDS is still open to {user} at {host}, although rules are set")
