"""The adapter keeps the promises of `mayfly.ports.Buildkite`; the emulator is its Buildkite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import requests

import buildkite_emulator as emulator
from mayfly.adapters.buildkite.stacks import Stacks, stack_key
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.dispatch.rhythm import LISTS
from tests.contract.buildkite_suite import *  # noqa: F403 - its tests are run here
from tests.contract.buildkite_worlds import OWNER, Clock, World


class Token:
    def __init__(self, value: str) -> None:
        self._value = value

    def value(self) -> str:
        return self._value

    def refused(self) -> None:
        raise AssertionError("the emulator refuses its own token")


class EmulatorWorld:
    def __init__(self) -> None:
        self.clock = Clock()
        self.lab = emulator.Buildkite(self.clock, queues=("default", "deploy", "other"))
        self.lab.start()
        calls = StacksCalls(self.lab.agent_endpoint, Token(self.lab.agent_token))
        self.buildkite = Stacks(calls, stack_key("123456789012", "eu-central-1", "mayfly"), LISTS)
        self.buildkite.register("deploy", OWNER)

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]:
        steps = "".join(
            f"  - command: '{command}'\n    key: {command}\n    priority: 3\n"
            f"    agents: {{queue: {queue}}}\n"
            for command in commands
        )
        self.lab.add_pipeline("web", f"steps:\n{steps}", "https://git.example.org/web.git")
        return [job.id for job in self.lab.create_build("web").jobs]

    def cancel(self, job: str) -> None:
        self.lab.cancel_job(job)

    def pause(self, queue: str) -> None:
        self.lab.faults.paused_queues.add(queue)

    def acquires(self, job: str, token: str, queue: str) -> bool:
        def call(method: str, path: str, secret: str, body: dict[str, object]) -> requests.Response:
            url = f"{self.lab.agent_endpoint}/{path}"
            headers = {"Authorization": f"Token {secret}", "X-Buildkite-Lock-Acquire-Job": "1"}
            return requests.request(method, url, json=body, headers=headers, timeout=30)

        registered = call("POST", "register", token, {"name": "a", "meta_data": [f"queue={queue}"]})
        if not registered.ok:
            return False
        session = registered.json()["access_token"]
        call("POST", "connect", session, {})
        return call("PUT", f"jobs/{job}/acquire", session, {}).ok

    def told(self, job: str) -> tuple[str, int | None]:
        view = self.lab.job(job)
        return view.detail or "", view.exit_status

    def notes(self, job: str) -> list[str]:
        return [notice.detail for notice in self.lab.job(job).notices]


@pytest.fixture
def world() -> Iterator[World]:
    made = EmulatorWorld()
    yield made
    made.lab.close()
