"""The user of a process that connects over loopback, out of the kernel's table of sockets.

Source: proc_net_tcp.txt of the kernel's documentation; net/ipv4/tcp_ipv4.c, get_tcp4_sock.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_TABLE = Path("/proc/net")
_ESTABLISHED = "01"
"""Sockets in any later state may be without an owner, and are shown with uid 0."""
_MAPPED = b"\0" * 10 + b"\xff\xff"
"""Beginning of an IPv4 address in an IPv6 socket, with which Java connects to IPv4, too."""
_TRIES = 2
"""The kernel may leave a line out when others of the same bucket go during the read."""


def uid_of_peer(connection: socket.socket, table: Path = _TABLE) -> int | None:
    """The uid of the socket at the other end of this TCP connection on the same machine.

    None where the other end is not connected any more, or is no socket of this machine. Raises
    OSError without a table.
    """
    own, peer = connection.getsockname(), connection.getpeername()
    own_ip, peer_ip = (socket.inet_pton(connection.family, end[0]) for end in (own, peer))
    # The table shows each socket from its own end.
    wanted = {"tcp6": (_shown(peer_ip, peer[1]), _shown(own_ip, own[1]))}
    if connection.family == socket.AF_INET:
        mapped = (_shown(_MAPPED + peer_ip, peer[1]), _shown(_MAPPED + own_ip, own[1]))
        wanted = {"tcp": wanted["tcp6"], "tcp6": mapped}
    for _ in range(_TRIES):
        for name, ends in wanted.items():
            uid = _uid(table / name, ends)
            if uid is not None:
                return uid
    return None


def _uid(table: Path, ends: tuple[str, str]) -> int | None:
    try:
        lines = table.read_text("ascii").splitlines()
    except FileNotFoundError:  # tcp6 of a kernel without IPv6
        return None
    for line in lines:
        fields = line.split(None, 8)
        if len(fields) > 7 and (fields[1], fields[2], fields[3]) == (*ends, _ESTABLISHED):
            return int(fields[7])
    return None


def _shown(address: bytes, port: int) -> str:
    """The end of a connection as the table writes it: words in the machine's own byte order."""
    words = struct.unpack(f"={len(address) // 4}I", address)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
