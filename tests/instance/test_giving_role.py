"""A role for the job: the whole supervisor, with fakes of machine and AWS, and a real endpoint."""

from __future__ import annotations

import http.client
import json
import os
import stat
from typing import Any
from urllib.parse import urlsplit

import pytest

from mayfly_instance import job_role
from mayfly_instance.job_role import Renewal
from mayfly_instance.machine import Program
from mayfly_protocol.grants import Grants, Role, Secrets
from mayfly_protocol.job_facts import JobFacts
from tests.instance.fake_machine import Act
from tests.instance.worlds import JOB, TOKEN, World, an_assignment

ARN = "arn:aws:iam::123456789012:role/ci/deploy-app"
PATH = "/vendors/buildkite/deploy"
FACTS = JobFacts(
    organization="acme", pipeline="app", build="7", repository="r", branch="main", source="ui"
)
URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


def granted(**changes: Any) -> dict[str, Any]:
    grants = Grants(**{"facts": FACTS, "role": Role(ARN, 1800), **changes})
    return an_assignment(protocol=2, grants=grants.to_row())


@pytest.fixture
def ready(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose job has a role; the job's user is the test's."""
    monkeypatch.setattr(world.machine, "uid_of", lambda user: os.getuid())
    world.cloud.roles[ARN] = 3600
    world.assignment = granted()
    return world


def asked(environment: dict[str, str], token: str) -> tuple[int, dict[str, str]]:
    """What the endpoint of these variables answers."""
    url = urlsplit(environment[URI])
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.request("GET", url.path, headers={"Authorization": token})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


class Job:
    """What a job sees of its role at its start, and at its end."""

    def __init__(self, world: World, lasts: float = 2) -> None:
        self.environment: dict[str, str] = {}
        self.token = ""
        self.answer: tuple[int, dict[str, str]] = (0, {})
        self.given = ""
        world.machine.acts["mayfly-job"] = Act(lasts=lasts, does=self.begin)
        self.world = world

    def begin(self, program: Program) -> None:
        places = self.world.machine.places
        self.environment = dict(program.environment)
        if (told := places.hooks / "given").exists():
            self.given = told.read_text()
        if URI in self.environment:
            file = places.role / "token"
            assert self.environment[TOKEN_FILE] == str(file)
            assert stat.S_IMODE(file.stat().st_mode) == 0o400
            assert stat.S_IMODE(places.role.stat().st_mode) == 0o700
            owners = {argv[2]: argv[1] for argv in self.world.machine.commands if "chown" in argv}
            assert owners[str(places.role)] == owners[f"{places.role}/.token.new"] == "mayfly-job"
            self.token = file.read_text()
            self.answer = asked(self.environment, self.token)


def test_a_job_gets_its_role_by_the_endpoint_and_nothing_else(ready: World) -> None:
    job = Job(ready)
    ready.run()

    assert job.answer[0] == 200
    assert job.answer[1]["RoleArn"] == ARN
    assert job.answer[1]["AccessKeyId"] == f"ASIA-app-7-{JOB}-1"
    [session] = ready.cloud.sessions
    assert (session.arn, session.seconds, session.name) == (ARN, 1800, f"app-7-{JOB}")
    assert session.tags["queue"] == "deploy"
    assert job.environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert "region=eu-west-1\n" in job.given
    others = {n for n in job.environment if n.startswith("AWS_")}
    assert others == {URI, TOKEN_FILE, "AWS_EC2_METADATA_DISABLED"}
    assert ready.last_report["phase"] == "done"


def test_credentials_and_token_stand_nowhere_else(ready: World) -> None:
    job = Job(ready)
    ready.run()
    told = ready.everything_readable() + str(ready.agent().program.environment) + job.given
    told += ready.machine.places.policy.read_text()
    for secret in (job.token, job.answer[1]["SecretAccessKey"], job.answer[1]["Token"]):
        assert secret
        assert secret not in told


def test_the_endpoint_ends_with_the_job(ready: World) -> None:
    job = Job(ready)
    ready.run()
    with pytest.raises(ConnectionRefusedError):
        asked(job.environment, job.token)
    assert not ready.machine.places.role.exists()


def test_a_token_of_another_job_is_refused(ready: World) -> None:
    first = Job(ready)
    ready.run()
    assert first.token != TOKEN
    status, body = (0, {"code": ""})

    def begin(program: Program) -> None:
        nonlocal status, body
        status, body = asked(dict(program.environment), first.token)

    ready.machine.boot_again("another-boot")
    ready.cloud.rows.clear()
    (ready.machine.places.root / "var/lib/mayfly/job").unlink(missing_ok=True)
    (ready.machine.places.root / "var/lib/mayfly/first-boot").unlink(missing_ok=True)
    ready.serve_bootstrap()
    ready.assignment = {**granted(), "boot": "another-boot"}
    ready.machine.acts["mayfly-job"] = Act(lasts=2, does=begin)
    ready.run()
    assert (status, body["code"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({}, "sts: 403 AccessDenied: no right to"),
        ({ARN: 900}, "sts: 400 ValidationError: DurationSeconds exceeds MaxSessionDuration"),
    ],
)
def test_a_job_whose_role_cannot_be_assumed_does_not_run(
    ready: World, roles: dict[str, int], words: str
) -> None:
    ready.cloud.roles = roles
    job = Job(ready)
    ready.run()
    refused = json.loads(ready.machine.places.policy.read_text())["refused"]
    assert refused.startswith(f"the role {ARN} cannot be assumed")
    assert words in refused
    assert len(refused) <= 450
    assert f"the job must not run: {refused}" in ready.console
    assert URI not in job.environment


def test_sts_that_is_throttled_is_asked_for_half_a_minute(ready: World) -> None:
    ready.cloud.throttled.add("assume_role")
    began: list[float] = []
    ready.machine.acts["mayfly-job"] = Act(does=lambda _: began.append(ready.clock.passed))
    ready.run()
    refused = json.loads(ready.machine.places.policy.read_text())["refused"]
    assert "400 ThrottlingException: assume_role" in refused
    assert 5 < ready.cloud.asked.count("assume_role") < 20


def test_a_job_whose_secrets_are_refused_gets_no_role_either(ready: World) -> None:
    ready.assignment = granted(secrets=Secrets(PATH))
    ready.cloud.lay_down(f"{PATH}/app/env/ld-preload", "x")
    job = Job(ready)
    ready.run()
    assert "LD_PRELOAD" in json.loads(ready.machine.places.policy.read_text())["refused"]
    assert URI not in job.environment


def test_a_job_without_a_role_is_told_why_in_one_line(ready: World) -> None:
    why = "no role line of queue deploy matches this job, so it has no credentials for AWS"
    ready.assignment = granted(role=None, no_role=why)
    job = Job(ready)
    ready.run()
    assert URI not in job.environment
    assert "assume_role" not in ready.cloud.asked
    assert (ready.machine.places.hooks / "notes").read_text() == f"{why}\n"


def test_a_role_that_is_lost_is_told_on_console_and_in_the_jobs_log(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that renews stands still in a fake's time, so each look turns for it."""
    notes = Renewal.notes

    def turn(self: Renewal) -> list[str]:
        self.turn()
        return notes(self)

    monkeypatch.setattr(job_role, "_keep", lambda renewal, over: None)
    monkeypatch.setattr(Renewal, "notes", turn)
    ready.assignment = granted(role=Role(ARN, 900))
    ready.machine.acts["mayfly-job"] = Act(
        lasts=1000, does=lambda program: ready.cloud.roles.clear()
    )
    ready.run()
    assert f"the role {ARN} cannot be renewed: sts: 403 AccessDenied" in ready.console
    told = (ready.machine.places.hooks / "role-lost").read_text()
    assert told.startswith(f"the session of {ARN} ended at 08:15:")
    assert "and cannot be renewed since 08:07:" in told
    assert told.endswith("(docs/pipelines.md).\n")
    assert (ready.machine.places.hooks / "pre-exit").is_symlink()
