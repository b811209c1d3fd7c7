"""A stand-in of ssh for tests: authenticates by the agent, then runs git's command on this machine.

It reads a folder from SSH_STAND_IN: `authorized` with public keys, `hosts` with one line a host,
`host key`, `repositories` below which the paths lie. It writes each call's options into `calls`.
The name of the file is `ssh` in the folder that a test puts on PATH.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent


def string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def read_string(content: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", content[:4])
    return content[4 : 4 + length], content[4 + length :]


def asked(agent: socket.socket, message: bytes) -> bytes:
    agent.sendall(string(message))
    (length,) = struct.unpack(">I", agent.recv(4, socket.MSG_WAITALL))
    return agent.recv(length, socket.MSG_WAITALL)


def options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in {"-F", "-p", "-o"}:
            word += words.pop(0)
        if word.startswith("-o"):
            name, _, value = word[2:].partition("=")
            found[name] = value.strip('"')
        else:
            found[word[:2]] = word[2:]
    return found, words


def signed_by_an_authorized_key(found: dict[str, str]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    wanted = base64.b64decode(Path(found["IdentityFile"]).read_text().split()[1])
    allowed = [base64.b64decode(line.split()[1]) for line in (HOME / "authorized").open()]
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(found["IdentityAgent"])
        answer = asked(agent, b"\x0b")
        if answer[0] != 12 or wanted not in answer or wanted not in allowed:
            return False
        challenge = os.urandom(32)
        answer = asked(agent, b"\x0d" + string(wanted) + string(challenge) + bytes(4))
    if answer[0] != 14:
        return False
    signature = read_string(read_string(read_string(answer[1:])[0])[1])[0]
    try:
        Ed25519PublicKey.from_public_bytes(wanted[-32:]).verify(signature, challenge)
    except InvalidSignature:
        return False
    return True


def main() -> int:
    found, words = options(sys.argv[1:])
    host = words[0].partition("@")[2]
    with (HOME / "calls").open("a") as calls:
        calls.write(json.dumps({"options": found, "host": host}) + "\n")
    port = found.get("Port") or found.get("-p")
    name = found.get("HostName", host)
    shown = found.get("HostKeyAlias") or (f"[{name}]:{port}" if port else name)
    key = (HOME / "host_key").read_text().strip()
    if f"{shown} {key}" not in Path(found["UserKnownHostsFile"]).read_text().splitlines():
        sys.stderr.write("Host key verification failed.\n")
        return 255
    if not signed_by_an_authorized_key(found):
        sys.stderr.write(f"{words[0]}: Permission denied (publickey).\n")
        return 255
    service, _, path = words[1].partition(" ")
    repository = HOME / "repositories" / path.strip("'").lstrip("/")
    return os.spawnvp(os.P_WAIT, service, [service, str(repository)])


if __name__ == "__main__":
    sys.exit(main())
