"""An ssh-agent inside this process, for one key: the private half never leaves the process.

With `ssh-agent` and `ssh-add` the key would live in a process that outlives a killed tool. The
protocol is draft-ietf-sshm-ssh-agent; signatures of ed25519 are RFC 8709, section 6.
"""

from __future__ import annotations

import base64
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import cast

from mayfly_cli.deploy_keys.key_pair import KIND, KeyPair

_FAILURE, _IDENTITIES, _SIGN_RESPONSE = 5, 12, 14
_LONGEST = 256 * 1024
"""Bytes of a message: OpenSSH's own limit (AGENT_MAX_LEN)."""
_LONGEST_PATH = 90
"""Characters of a socket's path: macOS takes 103, and a name is added."""


@contextmanager
def serving(pair: KeyPair) -> Iterator[Path]:
    """The path of the agent's socket, which only this user can open; gone after the block."""
    where = None if len(tempfile.gettempdir()) < _LONGEST_PATH - 40 else "/tmp"  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="mayfly-agent-", dir=where) as folder:
        path = Path(folder) / "socket"
        with _Server(str(path), _Conversation) as server:
            server.pair = pair
            thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield path
            finally:
                server.shutdown()
                thread.join()


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    pair: KeyPair


class _Conversation(StreamRequestHandler):
    """Answers one client until the client closes its end."""

    def handle(self) -> None:
        pair = cast("_Server", self.server).pair
        while len(head := self.rfile.read(4)) == 4:
            (length,) = struct.unpack(">I", head)
            if not 1 <= length <= _LONGEST:
                return
            asked = self.rfile.read(length)
            if len(asked) < length:
                return
            self.wfile.write(_string(answer(asked, pair)))


def answer(asked: bytes, pair: KeyPair) -> bytes:
    """The agent's answer to one message: type and content, without the length in front."""
    blob = base64.b64decode(pair.public.content)
    match asked[0]:
        case 11:  # SSH_AGENTC_REQUEST_IDENTITIES
            return bytes([_IDENTITIES]) + struct.pack(">I", 1) + _string(blob) + _string(b"")
        case 13:  # SSH_AGENTC_SIGN_REQUEST: key, content, flags
            found = _strings(asked[1:], 2)
            if found is not None and found[0] == blob:
                signature = _string(KIND.encode()) + _string(pair.sign(found[1]))
                return bytes([_SIGN_RESPONSE]) + _string(signature)
    return bytes([_FAILURE])


def _string(content: bytes) -> bytes:
    """A string of RFC 4251: its length in four bytes, then the content."""
    return struct.pack(">I", len(content)) + content


def _strings(content: bytes, count: int) -> list[bytes] | None:
    """The first strings of a message; None if the message ends before."""
    found = []
    for _ in range(count):
        if len(content) < 4:
            return None
        (length,) = struct.unpack(">I", content[:4])
        if len(content) < 4 + length:
            return None
        found.append(content[4 : 4 + length])
        content = content[4 + length :]
    return found
