"""Parameters that are valid alone and contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mayfly.config.contradictions import contradictions
from mayfly.config.queue import QueueConfig
from mayfly.config.read import ControlPlane, queue_record, read_queue
from tests.unit.published import GIVING, infra, parameters, queue_stack

SECRETS = {"secrets/path": "/vendors/buildkite/{queue}"}
ROLE = {"role/web": "pipeline=web -> arn:aws:iam::123456789012:role/ci/web"}
MAIN = "pipeline=web branch=main -> arn:aws:iam::123456789012:role/ci/main"
OF_DEPLOY = {**GIVING, "secrets_path": "/vendors/buildkite/deploy"}
CONTRADICTIONS: list[tuple[dict[str, str], Mapping[str, object], str]] = [
    ({"pool/hot": "51"}, {}, "pool/hot"),
    ({"pool/hot": "3", "limits/max-instances": "2"}, {}, "pool/hot"),
    ({"pool/stopped": "51"}, {}, "pool/stopped"),
    ({"pool/hot": "30", "pool/stopped": "21"}, {}, "pool/stopped"),
    ({"pool/stopped": "1", "launch/purchase": "spot"}, {}, "pool/stopped"),
    ({"pool/stopped": "1", "launch/purchase": "spot-then-on-demand"}, {}, "pool/stopped"),
    ({"job/root": "yes"}, {}, "imds"),
    ({"job/root": "docker"}, {}, "imds"),
    ({"job/root": "yes", "imds": "supervisor"}, {}, "imds"),
    ({"imds": "off"}, {}, "job/max-minutes"),
    ({"imds": "off", "job/max-minutes": "301"}, {}, "job/max-minutes"),
    (
        {"agent/config": "cancel-grace-period=61", "job/max-minutes": "1"},
        {},
        "job/max-minutes",
    ),
    ({"agent/config": "cancel-grace-period=101"}, {}, "agent/config"),
    ({"agent/config": "cancel-grace-period=101", "launch/purchase": "spot"}, {}, "agent/config"),
    ({"agent/config": "signal-grace-period-seconds=10"}, {}, "agent/config"),
    ({"launch/instance-types": "m7g.large"}, {}, "launch/instance-types"),
    (
        {"launch/architecture": "arm64", "launch/instance-types": "m7g.large,m7i.large"},
        {},
        "launch/instance-types",
    ),
    (
        {"launch/architecture": "arm64"},
        {"templates": {"x86_64": {"id": "lt-1", "version": "1"}}},
        "launch/architecture",
    ),
    ({"bootstrap/script": "s3://other/x.sh"}, {}, "bootstrap/script"),
    ({"bootstrap/script": "s3://scripts/mayfly-other/x.sh"}, {}, "bootstrap/script"),
    ({"bootstrap/script": "s3://scripts/mayfly/x.sh"}, {"script_prefix": ""}, "bootstrap/script"),
    ({}, {"subnets": [f"subnet-{n:x}" for n in range(80)]}, "launch/instance-types"),
    *(({**given, "imds": "job"}, GIVING, "imds") for given in (SECRETS, ROLE)),
    *(
        ({**given, "imds": "job", "job/root": root}, {**GIVING}, "job/root imds")
        for given in (SECRETS, ROLE)
        for root in ("docker", "yes")
    ),
    *(
        (
            {**given, "imds": "off", "job/max-minutes": "300", "job/root": root},
            GIVING,
            "job/root",
        )
        for given in (SECRETS, ROLE)
        for root in ("docker", "yes")
    ),
    (SECRETS, {}, "secrets/path"),
    (ROLE, {}, "role/web"),
    ({"secrets/path": "/vendors/buildkite"}, OF_DEPLOY, "secrets/path"),
    ({"secrets/path": "/vendors/buildkite/deploy-2"}, OF_DEPLOY, "secrets/path"),
    ({"secrets/path": "/mayfly/ci/queues/deploy"}, GIVING, "secrets/path"),
    ({"secrets/path": "/mayfly-infra/{queue}"}, GIVING, "secrets/path"),
    ({"secrets/path": "/aws/reference"}, GIVING, "secrets/path"),
    ({"secrets/path": "/buildkite/mayfly"}, GIVING, "secrets/path"),
    ({**SECRETS, "secrets/shared-ssh-keys": "/other/key"}, GIVING, "secrets/shared-ssh-keys"),
    (
        {"secrets/shared-ssh-keys": "/vendors/buildkite/deploy/key"},
        GIVING,
        "secrets/shared-ssh-keys",
    ),
    ({"secrets/ssh-during-command": "true"}, GIVING, "secrets/ssh-during-command"),
    (ROLE, {"job_role_path": "/deploy/"}, "role/web"),
    (ROLE, {"job_role_path": "/ci/web/"}, "role/web"),
    ({"role/web": "pipeline=web -> arn:aws:iam::123456789012:role/web"}, GIVING, "role/web"),
    ({"role/web": "pipeline=web -> arn:aws:iam::123456789012:role/cix/a"}, GIVING, "role/web"),
    ({**ROLE, "role/xen": ROLE["role/web"]}, GIVING, "role/xen"),
    ({"role/web": f"{ROLE['role/web']}\n{ROLE['role/web']} minutes=20"}, GIVING, "role/web"),
]


@pytest.mark.parametrize(("texts", "changes", "at_fault"), CONTRADICTIONS)
def test_parameters_that_contradict_each_other_are_a_problem(
    texts: dict[str, str], changes: Mapping[str, object], at_fault: str
) -> None:
    config, problems = read_queue("deploy", infra(**changes), parameters(texts))
    assert config is None
    assert [each.parameter for each in problems] == at_fault.split()


@pytest.mark.parametrize(
    "texts",
    [
        {"job/root": "yes", "imds": "job"},
        {"job/root": "docker", "imds": "off", "job/max-minutes": "300"},
        {"job/root": "rootless-docker", "imds": "supervisor"},
        {"job/root": "yes", "imds": "off", "job/max-minutes": "300"},
        {"imds": "off", "job/max-minutes": "300"},
        {"pool/hot": "2", "limits/max-instances": "2"},
        {"agent/config": "cancel-grace-period=60", "job/max-minutes": "1"},
        {"agent/config": "cancel-grace-period=100", "launch/purchase": "spot"},
        {**SECRETS, **ROLE},
        {**SECRETS, **ROLE, "imds": "off", "job/max-minutes": "300"},
        {**SECRETS, **ROLE, "job/root": "rootless-docker"},
        {"secrets/path": "/vendors/buildkite"},
        {**SECRETS, "secrets/shared-ssh-keys": "/vendors/buildkite/plugins/ssh/key"},
        {"secrets/ssh-during-command": "false"},
        {"ssh/over-443": "github.com", "imds": "job", "job/root": "yes"},
        {**ROLE, "role/main": MAIN},
    ],
)
def test_parameters_that_fit_together_are_accepted(texts: dict[str, str]) -> None:
    config, problems = read_queue("deploy", infra(**GIVING), parameters(texts))
    assert config is not None
    assert problems == ()


@pytest.mark.parametrize(
    ("types", "sizes", "outside"),
    [
        ("m7i.large,m7i.8xlarge", {"large", "xlarge"}, "m7i.8xlarge"),
        ("m7i.metal-24xl", {"large"}, "m7i.metal-24xl"),
        ("", {"medium"}, "m7i.large, m6i.large, m6a.large, m5.large"),
    ],
)
def test_types_that_the_control_plane_may_not_launch_are_a_problem(
    types: str, sizes: set[str], outside: str
) -> None:
    given = parameters({"launch/instance-types": types} if types else {})
    config, (problem,) = read_queue("deploy", infra(), given, sizes)
    assert config is None
    assert (problem.parameter, problem.value) == ("launch/instance-types", outside)
    assert "InstanceSizes of the control plane's stack" in problem.allowed


@pytest.mark.parametrize("sizes", [{"*"}, {"large"}])
def test_default_types_need_one_size_that_may_be_launched(sizes: set[str]) -> None:
    """Of arm64's default types two are of size xlarge."""
    texts = {"launch/architecture": "arm64"}
    config, problems = read_queue("deploy", infra(), parameters(texts), sizes)
    assert (config is not None, problems) == (True, ())


def test_a_size_that_is_forbidden_later_leaves_the_last_good_configuration_in_force() -> None:
    given = parameters({"launch/instance-types": "m7i.8xlarge"})
    old = queue_record(None, "deploy", queue_stack(), given, ControlPlane("ci", "a" * 64))
    new = queue_record(old, "deploy", queue_stack(), given, ControlPlane("ci", "a" * 64, {"large"}))
    assert new.config == old.config
    assert "m7i.8xlarge" in new.problems[0]


@pytest.mark.parametrize(
    ("texts", "changes", "allowed"),
    [
        (
            {**SECRETS, "imds": "job"},
            GIVING,
            "off or supervisor with secrets/path: a job could take what other jobs are given",
        ),
        (SECRETS, {}, "none: the queue's stack gives no right to secrets (its SecretsPath)"),
        (
            {"secrets/path": "/vendors/buildkite/other"},
            OF_DEPLOY,
            "/vendors/buildkite/deploy or below it (SecretsPath of the queue's stack)",
        ),
        (ROLE, {}, "none: the queue's stack lets hosts assume no role (its parameter JobRolePath)"),
        (
            ROLE,
            {"job_role_path": "/deploy/"},
            "roles below /deploy/ (JobRolePath of the queue's stack)",
        ),
    ],
)
def test_a_problem_of_what_jobs_are_given_says_what_is_allowed(
    texts: dict[str, str], changes: dict[str, object], allowed: str
) -> None:
    _, (problem,) = read_queue("deploy", infra(**changes), parameters(texts))
    assert problem.allowed.startswith(f"allowed: {allowed}")


def test_a_problem_of_grace_periods_names_parameters_and_what_is_allowed() -> None:
    texts = {"agent/config": "cancel-grace-period=90", "job/max-minutes": "1"}
    _, (problem,) = read_queue("deploy", infra(), parameters(texts))
    assert problem.parameter == "job/max-minutes"
    assert "at least 2: agent/config gives a cancelled job" in problem.allowed

    _, (problem,) = read_queue(
        "deploy", infra(), parameters({"agent/config": "cancel-grace-period=300"})
    )
    assert "cancel-grace-period may be at most 100 seconds" in problem.allowed


def test_a_stored_grace_period_that_cannot_fit_is_a_problem_of_the_agents_settings() -> None:
    """A record of a version that let the grace period pass, while another parameter is bad."""
    config = QueueConfig(queue="deploy", agent_config="cancel-grace-period=300")
    (problem,) = contradictions(config, infra())
    assert problem.parameter == "agent/config"
    assert "cancel-grace-period may be at most 100 seconds" in problem.allowed
