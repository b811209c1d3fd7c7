"""Asks the ssh-agent of SSH_AUTH_SOCK for its keys, by every kind of message that there could be.

    python3 -c "$(cat ask_ssh_agent.py)"

Runs on a machine, with its Python 3.9. Prints `answer BASE64` for each answer, as it came, and
`asked N` at the end. Source of the form of messages: draft-miller-ssh-agent, "Protocol Messages".
"""

from __future__ import annotations

import base64
import os
import socket
import struct

_LIST = 11
_HARMFUL = {
    9,  # All keys of version 1 are removed.
    18,  # A key is removed.
    19,  # All keys are removed.
    22,  # The agent is locked, or ends at a message without a passphrase; so too at the next.
    23,
}


def main() -> None:
    """Ask for the list of keys, then for the first of them in each way."""
    listed = _ask(_LIST, b"")
    print("answer", base64.b64encode(listed).decode())
    length = struct.unpack(">I", listed[5:9])[0]
    key = listed[5 : 9 + length]
    asked = 1
    for kind in set(range(256)) - _HARMFUL:
        for payload in (b"", key):
            asked += 1
            print("answer", base64.b64encode(_ask(kind, payload)).decode())
    print("asked", asked)


def _ask(kind: int, payload: bytes) -> bytes:
    """The answer's content; nothing if the agent hangs up."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(os.environ["SSH_AUTH_SOCK"])
        try:
            message = bytes([kind]) + payload
            connection.sendall(struct.pack(">I", len(message)) + message)
            head = connection.recv(4, socket.MSG_WAITALL)
            return (
                connection.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL) if head else b""
            )
        except OSError:
            return b""


main()
