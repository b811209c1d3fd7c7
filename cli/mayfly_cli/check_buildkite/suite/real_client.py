"""The suite's client for the Buildkite that the environment names.

`mayfly check-buildkite` sets the environment, creates the pipeline and deletes it. The client
replaces the queue `default` and the stack keys in the tests by the real queue and by unique keys.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests
import yaml

from mayfly_cli.check_buildkite.suite.client import ONE_JOB, STACK, Client, with_authorization

AGENT_ENDPOINT = "MAYFLY_CONTRACT_AGENT_ENDPOINT"
PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.5
_QUEUE = "default"
_KEYS = (STACK, "other")


@dataclass(frozen=True)
class CreatedJob:
    """The attributes of a job that the tests read, from the REST API's answer."""

    id: str
    build_id: str
    command: str


class RealClient(Client):
    """A client of the Buildkite that the environment names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.http = requests.Session()
        self._environment = environment
        self._builds: list[int] = []
        self._sessions: list[str] = []
        self._registered: set[str] = set()
        self._acquired: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self._environment[AGENT_ENDPOINT].removesuffix("/v3")

    @property
    def agent_token(self) -> str:
        return self._environment["BUILDKITE_AGENT_TOKEN"]

    @property
    def api_token(self) -> str:
        return self._environment["BUILDKITE_API_TOKEN"]

    @property
    def organization(self) -> str:
        return self._environment["MAYFLY_CONTRACT_ORGANIZATION"]

    @property
    def cluster_id(self) -> str:
        return self._environment["MAYFLY_CONTRACT_CLUSTER"]

    @property
    def queue(self) -> str:
        return self._environment["MAYFLY_CONTRACT_QUEUE"]

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        scheme: str = "Token",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        every = with_authorization(headers, token, scheme)
        url = self._url(path)
        for _ in range(5):
            answer = self.http.request(
                method, url, json=self._body(body), headers=every, timeout=20, allow_redirects=False
            )
            if answer.status_code != 429:
                break
            # The suite tests no rate limits: others use the organisation's limits too, so wait.
            time.sleep(float(answer.headers.get("RateLimit-Reset", "2")) + 0.5)
        self._remember(path, answer)
        return answer

    def registration(
        self, token: str | None = None, tags: tuple[str, ...] = (), version: str = "3.83.1"
    ) -> requests.Response:
        chosen = tuple(tag for tag in tags if not tag.startswith("queue="))
        answer = super().registration(token, (f"queue={self.queue}", *chosen), version)
        if answer.ok:
            self._sessions.append(answer.json()["access_token"])
        return answer

    def jobs(self, steps: str = ONE_JOB) -> list[CreatedJob]:
        definition = yaml.safe_load(steps)
        for step in definition["steps"]:
            asked = step.get("agents", {}) if isinstance(step, dict) else {}
            if asked.get("queue", _QUEUE) != _QUEUE:
                pytest.skip("needs a second queue")
        definition["agents"] = {"queue": self.queue}
        pipeline = f"/pipelines/{self._environment['MAYFLY_CONTRACT_PIPELINE']}"
        changed = self.rest("PATCH", pipeline, {"configuration": json.dumps(definition)})
        assert changed.ok, changed.text
        body = {"commit": "HEAD", "branch": "main", "message": "A check of Buildkite's contract"}
        created = self.rest("POST", f"{pipeline}/builds", body)
        assert created.status_code == 201, created.text
        build = created.json()
        self._builds.append(build["number"])
        found = [
            CreatedJob(job["id"], build["id"], job.get("command") or "")
            for job in build["jobs"]
            if job["type"] == "script"
        ]
        self._until_scheduled([job.id for job in found])
        return found

    def close(self) -> None:
        """Finish the jobs, disconnect the agents, cancel the builds, deregister the stack keys."""
        for job, token in self._acquired.items():
            began = {"started_at": datetime.now(UTC).isoformat()}
            self.call("PUT", f"/v3/jobs/{job}/start", began, token=token)
            self.call("PUT", f"/v3/jobs/{job}/finish", {"exit_status": "1"}, token=token)
        for token in self._sessions:
            self.call("POST", "/v3/disconnect", token=token)
        pipeline = f"/pipelines/{self._environment['MAYFLY_CONTRACT_PIPELINE']}"
        for number in self._builds:
            self.rest("PUT", f"{pipeline}/builds/{number}/cancel")
        for key in self._registered:
            self.call("POST", f"/v3/stacks/{key}/deregister", token=self.agent_token)
        self.http.close()

    def _url(self, path: str) -> str:
        path = path.replace(f"queue_key={_QUEUE}", f"queue_key={self.queue}")
        for key in _KEYS:
            path = path.replace(f"/stacks/{key}/", f"/stacks/{self._stack_key(key)}/")
        if path.startswith("/v2/"):
            return self._environment["MAYFLY_CONTRACT_API_ENDPOINT"] + path.removeprefix("/v2")
        return self.url + path

    def _body(self, body: object) -> object:
        if not isinstance(body, dict):
            return body
        translated = dict(body)
        if translated.get("key") in _KEYS:
            translated["key"] = self._stack_key(translated["key"])
        if translated.get("queue_key") == _QUEUE:
            translated["queue_key"] = self.queue
        return translated

    def _stack_key(self, key: str) -> str:
        return f"{self._environment['MAYFLY_CONTRACT_KEY']}-{key}"

    def _remember(self, path: str, answer: requests.Response) -> None:
        if path == "/v3/stacks/register" and answer.ok:
            self._registered.add(answer.json()["key"])
        if path.endswith("/acquire") and answer.ok:
            self._acquired[answer.json()["id"]] = answer.json()["token"]

    def _until_scheduled(self, jobs: list[str]) -> None:
        """Wait until one job is scheduled: Buildkite schedules jobs after it has answered."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            states = self.stack("POST", "/jobs/get-states", {"job_uuids": jobs}).json()["states"]
            if set(states.values()) <= {"scheduled", "waiting"} and "scheduled" in states.values():
                return
            time.sleep(_POLL_SECONDS)
        pytest.fail(f"no job was scheduled within {PATIENCE_SECONDS:g} s: {states}")


@contextmanager
def real_client() -> Iterator[RealClient]:
    """Yield a client whose stack is registered; clean up after the test."""
    client = RealClient(os.environ)
    try:
        assert client.register_stack().status_code in {200, 201}
        yield client
    finally:
        client.close()
