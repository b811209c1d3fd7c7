"""Cuts users off from the metadata service by routing rules, where the host has no packet filter.

A rule with a range of user ids makes the kernel refuse the connection before it sends a packet. The
rule holds in this network namespace only. Needs Linux 4.10 with CONFIG_IP_MULTIPLE_TABLES.
Layout of the messages: linux/netlink.h, linux/fib_rules.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable

_RTM_NEWRULE, _RTM_DELRULE = 32, 33
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
_FRA_DST, _FRA_PRIORITY, _FRA_TABLE, _FRA_UID_RANGE = 1, 6, 15, 20
_FR_ACT_TO_TBL, _FR_ACT_PROHIBIT = 1, 8
_RT_TABLE_LOCAL = 255
_LOCAL_LATER = 1000
_FIRST = 100
_MOST = 64


def keep_away(users: Iterable[range], address: str) -> None:
    """Refuse connections of these users to an address of this machine, and drop earlier rules.

    Raises:
        OSError: the kernel does not support such rules.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        # The rule for the table of local addresses has priority 0, ahead of the refusals: move it
        # behind them.
        _ask(netlink, _RTM_NEWRULE, _local(_LOCAL_LATER), (17,))
        _ask(netlink, _RTM_DELRULE, _local(0), (2,))
        for number in range(_MOST):
            _ask(netlink, _RTM_DELRULE, _refusal(_FIRST + number, address), (2,))
        for number, span in enumerate(users):
            message = _refusal(_FIRST + number, address)
            limits = _attribute(_FRA_UID_RANGE, struct.pack("II", span.start, span.stop - 1))
            _ask(netlink, _RTM_NEWRULE, message + limits)


def _local(priority: int) -> bytes:
    head = struct.pack("8BI", socket.AF_INET, 0, 0, 0, _RT_TABLE_LOCAL, 0, 0, _FR_ACT_TO_TBL, 0)
    return head + _attribute(_FRA_PRIORITY, struct.pack("I", priority))


def _refusal(priority: int, address: str) -> bytes:
    head = struct.pack("8BI", socket.AF_INET, 32, 0, 0, 0, 0, 0, _FR_ACT_PROHIBIT, 0)
    target = _attribute(_FRA_DST, socket.inet_aton(address))
    return head + target + _attribute(_FRA_PRIORITY, struct.pack("I", priority))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value


def _ask(netlink: socket.socket, kind: int, message: bytes, fine: tuple[int, ...] = ()) -> None:
    """Send one request, and wait for its answer. Raises OSError, except for errors in `fine`."""
    flags = (
        _NLM_F_REQUEST | _NLM_F_ACK | (_NLM_F_CREATE | _NLM_F_EXCL if kind == _RTM_NEWRULE else 0)
    )
    netlink.sendall(struct.pack("IHHII", 16 + len(message), kind, flags, 1, 0) + message)
    (error,) = struct.unpack_from("i", netlink.recv(4096), 16)
    if error and -error not in fine:
        raise OSError(-error, os.strerror(-error), "routing rules")
