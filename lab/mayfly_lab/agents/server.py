"""Serves the agent's archive to the lab's machines, in place of the agent's releases page."""

from __future__ import annotations

from buildkite_emulator.serving.server import Answer, HttpServer, Request
from mayfly_lab.agents.archive import AgentArchive

_PATH = "/agent.tar.gz"


class ArchiveServer:
    """Serves one agent archive. `server` implements `contracts.Listener`."""

    def __init__(self, archive: AgentArchive) -> None:
        self._content = archive.path.read_bytes()
        self.server = HttpServer(self._answer)

    @property
    def url(self) -> str:
        """The archive's address."""
        return f"{self.server.url}{_PATH}"

    def _answer(self, request: Request) -> Answer:
        if request.url.path != _PATH:
            return Answer(404)
        kind = {"content-type": "application/gzip"}
        return Answer(200, self._content if request.method == "GET" else b"", kind)
