"""Calls to the REST API of the lab's Buildkite, as a user makes them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from buildkite_emulator import Buildkite

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BlockStep:
    """A block step at which a build waits."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Builds:
    """The builds of one pipeline, by documented calls. A refused call raises HTTPError."""

    buildkite: Buildkite
    pipeline: str
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers to the fields of block steps; fields without one keep their defaults."""

    @property
    def url(self) -> str:
        """The address of the builds."""
        organization = self.buildkite.settings.organization
        path = f"/v2/organizations/{organization}/pipelines/{self.pipeline}/builds"
        return f"{self.buildkite.url}{path}"

    def blocked(self, number: int) -> list[BlockStep]:
        """The block steps at which a build waits now."""
        return [
            BlockStep(job["id"], job.get("label") or "block")
            for job in self._call("GET", f"/{number}")["jobs"]
            if job.get("type") == "manual" and job.get("state") == "blocked"
        ]

    def unblock(self, number: int, step: BlockStep) -> str | None:
        """Unblock a step. Returns Buildkite's reason when it refuses, else None."""
        try:
            self._call("PUT", f"/{number}/jobs/{step.id}/unblock", self._unblocking())
        except urllib.error.HTTPError as error:
            return str(json.load(error)["message"])
        return None

    def _unblocking(self) -> Mapping[str, Any]:
        return {"fields": dict(self.answers)} if self.answers else {}

    def unblocking(self, number: int, step: BlockStep) -> str:
        """A curl line for a shell that unblocks the step."""
        data = quote(json.dumps(self._unblocking()))
        return (
            f"curl --fail --silent --show-error --request PUT --data {data} --header"
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
