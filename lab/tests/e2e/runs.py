"""Builds of the kinds of job, read as their authors read them: by Buildkite's REST API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from buildkite_emulator import BuildRequest
from e2e.kinds import Kind
from stories.stage import Stage

OVER = frozenset({"passed", "failed", "canceled", "not_run"})
"""States of an ended build."""
PATIENCE = 150.0
"""Seconds to wait for a state of a build: many times the duration on two idle cores."""
_TIME_CODE = re.compile(rb"\x1b_bk;t=\d+\x07")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Run:
    """The build of one kind."""

    stage: Stage
    kind: Kind
    number: int

    def build(self) -> Mapping[str, Any]:
        """The build's REST JSON with every attempt of its jobs, oldest first."""
        answer = self.call("GET", f"/builds/{self.number}?include_retried_jobs=true")
        shown: Mapping[str, Any] = answer.json()
        return shown

    def jobs(self) -> list[Mapping[str, Any]]:
        """The command jobs of the build."""
        return [job for job in self.build()["jobs"] if job["type"] == "script"]

    def job(self, key: str | None = None) -> Mapping[str, Any]:
        """The only job of the step with this key; without a key, the only job."""
        (job,) = [job for job in self.jobs() if key is None or job["step_key"] == key]
        return job

    def ended(self) -> Mapping[str, Any]:
        """Wait for the build's end. Returns the build."""
        return self.until(
            "is over", lambda: build if (build := self.build())["state"] in OVER else None
        )

    def state(self) -> str:
        """Wait for the build's end. Returns its state."""
        state: str = self.ended()["state"]
        return state

    def until(self, what: str, done: Callable[[], Found | None]) -> Found:
        """Wait until `done` returns a true value. Returns that value."""
        return self.stage.until(f"{self.kind.story}: {what}", done, PATIENCE)

    def running(self, output: str) -> Mapping[str, Any]:
        """Wait until the only job has printed this as a whole line. Returns the job."""
        self.until(f"writes {output}", lambda: output in self.log().splitlines())
        return self.job()

    def raw_log(self, job: Mapping[str, Any] | None = None) -> bytes:
        """The job's log without the agent's time codes."""
        wanted = job or self.job()
        answer = self.call("GET", f"/builds/{self.number}/jobs/{wanted['id']}/log.txt")
        return _TIME_CODE.sub(b"", answer.content)

    def log(self, job: Mapping[str, Any] | None = None) -> str:
        """The job's log as decoded text."""
        text = self.raw_log(job).decode("utf-8", "replace")
        return _COLOUR.sub("", text.replace("\r", ""))

    def lines(self, job: Mapping[str, Any] | None = None) -> list[str]:
        """The lines of the job's and agent's output, without the lines of the command itself.

        The agent prints the command before running it, so those lines prove nothing.
        """
        wanted = job or self.job()
        shown = self.log(wanted).replace(f"$ {wanted['command'].strip()}\n", "", 1)
        return shown.splitlines()

    def download(self, artifact: Mapping[str, Any]) -> bytes:
        """The content of an artifact."""
        place = f"/builds/{self.number}/jobs/{artifact['job_id']}/artifacts/{artifact['id']}"
        return self.call("GET", f"{place}/download").content

    def cancel(self, job: Mapping[str, Any]) -> None:
        """Cancel one job."""
        self.call("PUT", f"/builds/{self.number}/jobs/{job['id']}/cancel")

    def retry(self, job: Mapping[str, Any]) -> None:
        """Retry one job by hand."""
        self.call("PUT", f"/builds/{self.number}/jobs/{job['id']}/retry")

    def unblock(self, block: Mapping[str, Any], answers: Mapping[str, str]) -> None:
        """Unblock a block step with answers to its fields."""
        path = f"/builds/{self.number}/jobs/{block['id']}/unblock"
        self.call("PUT", path, {"fields": answers})

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        """Make a user's REST call about this pipeline."""
        buildkite = self.stage.lab.buildkite
        organization = f"{buildkite.url}/v2/organizations/{buildkite.settings.organization}"
        answer = requests.request(
            method,
            f"{organization}/pipelines/{self.kind.slug}{path}",
            headers={"Authorization": f"Bearer {buildkite.api_token}"},
            json=body,
            timeout=30,
        )
        answer.raise_for_status()
        return answer


@dataclass(slots=True)
class Runs:
    """The builds of one lab."""

    stage: Stage
    commits: Mapping[str, str] = field(default_factory=dict)
    """Commit ids by the names that kinds use."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """URLs of repositories that the lab's own server does not serve."""
    _started: dict[str, Run] = field(default_factory=dict)

    @property
    def stand_in(self) -> bool:
        """True if the lab's jobs run under the stand-in."""
        return self.stage.lab.archive.stand_in

    def against(self, kind: Kind) -> str:
        """The reason why this lab cannot show the kind; empty if it can."""
        if self.stand_in and kind.stand_in:
            return f"the stand-in {kind.stand_in}"
        if kind.directory and self.stage.lab.ground.kind == "directory":
            return f"machines are directories here: {kind.directory}"
        return ""

    def start(self, kind: Kind) -> Run:
        """The build of this kind; pushed at the first call."""
        if kind.test not in self._started:
            buildkite = self.stage.lab.buildkite
            name = kind.repository
            repository = self.elsewhere.get(name) or buildkite.repository_url(name)
            buildkite.add_pipeline(kind.slug, kind.configuration, repository)
            build = buildkite.create_build(kind.slug, self._request(kind))
            self._started[kind.test] = Run(self.stage, kind, build.number)
        return self._started[kind.test]

    def _request(self, kind: Kind) -> BuildRequest:
        named = kind.build
        return BuildRequest(
            branch=named.get("branch", "main"),
            tag=named.get("tag", ""),
            commit=self.commits[named["commit"]] if "commit" in named else "HEAD",
        )
