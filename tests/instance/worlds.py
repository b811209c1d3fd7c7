"""An instance in memory with its control plane, for tests of the supervisor."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from mayfly_instance import firewall, supervisor
from mayfly_instance.console import Console
from mayfly_instance.context import Context
from mayfly_instance.host import Host
from mayfly_instance.limits import Limits
from mayfly_instance.scrub import Scrubber
from mayfly_protocol.words import Imds
from tests.instance.fake_machine import Act, FakeMachine
from tests.instance.fakes import BOOT, INSTANCE, START, FakeClock, FakeCloud, FakeMetadata

JOB = "0190f2b0-1111-4222-8333-444455556666"
TOKEN = "bkjat_" + "abcdEFGH0123-_." * 4
BOOTSTRAP_ROW = f"AROA-bootstrap:{INSTANCE}"
SANDBOX_ROW = f"AROA-sandbox:{INSTANCE}"
_PROFILE = "arn:aws:iam::123456789012:instance-profile/mayfly/ci"
SCRIPT = b"#!/bin/bash\ntrue\n"
HOST = Host(
    stack="ci",
    queue="deploy",
    mailbox="ci-mailbox",
    script_parameter="/mayfly/ci/queues/deploy/bootstrap/script",
    keep_parameter="/mayfly/ci/queues/deploy/debug/keep-failed-minutes",
    bootstrap_profile=f"{_PROFILE}/bootstrap/deploy/bootstrap",
    sandbox_profile=f"{_PROFILE}/sandbox/deploy/sandbox",
    bootstrap_role="arn:aws:iam::123456789012:role/mayfly/ci/bootstrap/deploy/bootstrap",
    sandbox_role="arn:aws:iam::123456789012:role/mayfly/ci/sandbox/deploy/sandbox",
    agent_version="3.83.1",
    agent_url="https://example.org/{version}/agent-{arch}.tar.gz",
    agent_sha256={"amd64": "0" * 64, "arm64": "1" * 64},
)


def an_assignment(**changes: Any) -> dict[str, Any]:
    return {
        "protocol": 1,
        "job": JOB,
        "token": TOKEN,
        "boot": BOOT,
        "queue": "deploy",
        "name": f"deploy-{INSTANCE}",
        "tags": f"queue=deploy,arch=x86_64,aws:instance-id={INSTANCE}",
        "endpoint": "",
        "imds": "supervisor",
        "root": "no",
        "max_minutes": 60,
        "policy": {"rules": ["pipeline=deploy fork=no"], "repository": None},
        "config": "",
        **changes,
    }


class World:
    """One instance of the queue `deploy`, and a control plane that behaves correctly."""

    def __init__(self, root: Path, host: Host = HOST) -> None:
        self.clock = FakeClock()
        self.metadata = FakeMetadata(self.clock)
        self.cloud = FakeCloud(self.clock)
        self.machine = FakeMachine(root, self.clock, self.metadata)
        self.machine.places.console.parent.mkdir(parents=True)
        self.machine.places.console.touch()
        scrub = Scrubber()
        self.context = Context(
            machine=self.machine,
            host=host,
            clock=self.clock,
            limits=Limits(),
            console=Console(self.machine.places.console, self.clock, scrub),
            scrub=scrub,
            metadata=self.metadata,
            cloud=lambda region: self.cloud,
            environment={"PATH": "/usr/bin:/bin", "AWS_SECRET_ACCESS_KEY": "no business of a job"},
        )
        self.assignment: dict[str, Any] | None = an_assignment()
        self.swap_after: float | None = 2
        self.cloud.on_report = self._react_to_report
        self.serve_bootstrap()

    def serve_bootstrap(self) -> None:
        self.metadata.profile = HOST.bootstrap_profile
        self.metadata.roles = ["bootstrap"]

    def serve_sandbox(self) -> None:
        self.metadata.profile = HOST.sandbox_profile
        self.metadata.roles = ["sandbox"]

    def bind(self) -> None:
        self.cloud.rows[SANDBOX_ROW]["assignment"] = self.assignment

    def _react_to_report(self, phase: str) -> None:
        if phase == "bootstrapped" and self.swap_after is not None:
            self.clock.after(self.swap_after, self.serve_sandbox)
        if phase == "sandboxed" and self.assignment is not None:
            self.clock.after(3, self.bind)

    def set_up(self) -> bool:
        return supervisor.run(self.context, supervisor.SET_UP)

    def sandbox(self) -> bool:
        return supervisor.run(self.context, supervisor.SANDBOX)

    def run(self) -> None:
        """Run both stages in order; stops after set-up if set-up fails."""
        if self.set_up():
            assert self.sandbox() is False

    def add_script(self, act: Act, value: str = "s3://scripts/ci/set-up.sh") -> None:
        self.cloud.parameters[HOST.script_parameter] = value
        self.cloud.objects["scripts/ci/set-up.sh"] = SCRIPT
        self.machine.acts["mayfly-script"] = act

    @property
    def phases(self) -> list[str]:
        return [report["phase"] for _, report in self.cloud.reports]

    @property
    def last_report(self) -> dict[str, Any]:
        return self.cloud.reports[-1][1]

    @property
    def console(self) -> str:
        return self.machine.places.console.read_text()

    def agent(self) -> Any:
        return next(each for each in self.machine.started if each.program.unit == "mayfly-job")

    def everything_readable(self) -> str:
        """Console, command lines and reports: everything that is readable outside the job."""
        commands = "\n".join(" ".join(argv) for argv in self.machine.commands)
        reports = json.dumps([report for _, report in self.cloud.reports])
        return self.console + commands + reports


def assert_failed(world: World, reason: str, *, row: str) -> None:
    """Assert that the host failed for this reason, in row and console, and ran no job."""
    key, report = world.cloud.reports[-1]
    assert (key, report["phase"]) == (row, "failed")
    assert reason in report["reason"]
    assert f"FAILED at: {report['step']}: {report['reason']}" in world.console
    assert not [each for each in world.machine.started if each.program.unit == "mayfly-job"]


def in_minutes(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


CLOSED_TO_ALL = firewall.rules(Imds.OFF)
CLOSED_TO_JOBS = firewall.rules(Imds.SUPERVISOR)
