"""Buildkite's REST API as a user of the lab calls it."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from buildkite_emulator import Buildkite

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BlockStep:
    """A step that waits for somebody to let the build go on."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Builds:
    """The builds of one pipeline, through the documented calls."""

    buildkite: Buildkite
    pipeline: str

    @property
    def url(self) -> str:
        """Where they are."""
        organization = self.buildkite.settings.organization
        path = f"/v2/organizations/{organization}/pipelines/{self.pipeline}/builds"
        return f"{self.buildkite.url}{path}"

    def blocked(self, number: int) -> list[BlockStep]:
        """The block steps at which a build stands now."""
        return [
            BlockStep(job["id"], job.get("label") or "block")
            for job in self._call("GET", f"/{number}")["jobs"]
            if job.get("type") == "manual" and job.get("state") == "blocked"
        ]

    def unblock(self, number: int, step: BlockStep) -> None:
        """Let the build go on past a block step, with the answers that its fields have already."""
        self._call("PUT", f"/{number}/jobs/{step.id}/unblock", {})

    def unblocking(self, number: int, step: BlockStep) -> str:
        """The line with which anybody can do the same."""
        return (
            f"curl --fail --silent --show-error --request PUT --data '{{}}' --header"
            f" 'Authorization: Bearer {self.buildkite.api_token}'"
            f" --header 'Content-Type: application/json' {self.url}/{number}/jobs/{step.id}/unblock"
        )

    def _call(self, method: str, path: str, content: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the lab's own address
            f"{self.url}{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Authorization": f"Bearer {self.buildkite.api_token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
