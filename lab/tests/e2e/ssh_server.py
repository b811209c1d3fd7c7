"""An SSH server for git repositories; the lab's machines can reach it.

One key opens every repository. Deploy keys open some, as a git host's do: the server knows the key,
and then refuses other repositories.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

_UPLOAD = re.compile(r"git-upload-pack '/?(?P<name>(?:[a-z-]+/)?[a-z-]+\.git)'")


@dataclass(frozen=True, slots=True)
class DeployKey:
    """A private key, and the line for `known_hosts` that identifies the server."""

    private: str
    known_hosts: str


class SshServer:
    """Serves the bare repositories below a directory read-only. Implements `Listener`.

    The client is OpenSSH, started by git.
    """

    def __init__(self, repositories: Path) -> None:
        self._repositories = repositories
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._key = asyncssh.generate_private_key("ssh-ed25519", comment="deploy key of a queue")
        self._deploy_keys: dict[str, list[str]] = {}
        self.used: list[tuple[str, str]] = []
        """Key and repository of each fetch, refused ones included; the key of all is empty."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._own = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._own.getsockname()[1]

    @property
    def deploy_key(self) -> DeployKey:
        """The key of all repositories."""
        host = self._host_key.export_public_key("openssh").decode().strip()
        private = self._key.export_private_key("openssh").decode()
        return DeployKey(private, f"[127.0.0.1]:{self.port} {host}\n")

    def key_of(self, *repositories: str) -> str:
        """A new private key that opens these repositories alone, with their names as comment."""
        names = " ".join(repositories)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=names)
        self._deploy_keys[names] = [key.export_public_key("openssh").decode()]
        return key.export_private_key("openssh").decode()

    def allow(self, repository: str, publics: list[str]) -> None:
        """Let these public keys open a repository, and no others that were allowed for it."""
        self._deploy_keys[repository] = publics

    def url(self, name: str) -> str:
        """The clone URL of a repository, which may have an owner: `acme/app`."""
        return f"ssh://git@127.0.0.1:{self.port}/{name}.git"

    def start(self) -> None:
        """Start to serve; returns at once."""
        self._thread.start()
        self.adopt(self._own)

    def stop(self) -> None:
        """Drop every connection and stop serving."""
        _close(self._own)
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until its owner closes it."""
        listening.setblocking(True)
        threading.Thread(target=self._accept, args=(listening,), name="ssh", daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # the socket is closed
                return
            asyncio.run_coroutine_threadsafe(self._serve(connection), self._loop)

    async def _drop(self) -> None:
        for connection in list(self._connections):
            connection.abort()
            await connection.wait_closed()

    async def _serve(self, connection: socket.socket) -> None:
        lines = [self._key.export_public_key("openssh").decode()]
        for names, publics in list(self._deploy_keys.items()):
            lines += [f'environment="REPOSITORIES={names}" {public}' for public in publics]
        allowed = asyncssh.import_authorized_keys("\n".join(lines))
        with contextlib.suppress(OSError, asyncssh.Error):  # the client has left
            served = await asyncssh.run_server(
                connection,
                server_host_keys=[self._host_key],
                authorized_client_keys=allowed,
                process_factory=self._upload,
                encoding=None,
            )
            self._connections.add(served)
            await served.wait_closed()
            self._connections.discard(served)

    async def _upload(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        asked = _UPLOAD.fullmatch(process.command or "")
        if asked is None:
            process.stderr.write(b"this server hands out repositories, and nothing else\n")
            process.exit(128)
            return
        connection = process.get_extra_info("connection")
        names = connection.get_key_option("environment", {}).get("REPOSITORIES", "")
        self.used.append((names, asked["name"].removesuffix(".git")))
        if names and asked["name"].removesuffix(".git") not in names.split():
            process.stderr.write(b"ERROR: Repository not found.\n")
            process.exit(128)
            return
        git = await asyncio.create_subprocess_exec(
            "git",
            "upload-pack",
            str(self._repositories / asked["name"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await process.redirect(stdin=git.stdin, stdout=git.stdout, stderr=git.stderr)
        process.exit(await git.wait())
        await process.wait_closed()


def _close(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Closing the socket alone does not wake a thread in accept.
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@contextlib.contextmanager
def serving(repositories: Path) -> Iterator[SshServer]:
    """A running server of the bare repositories below a directory, which may be made later."""
    server = SshServer(repositories)
    server.start()
    try:
        yield server
    finally:
        server.stop()
