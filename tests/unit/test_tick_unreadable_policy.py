"""A policy that cannot be read: jobs wait, told and with an alarm, none is failed or let in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mayfly.adapters.aws.ssm import SsmParameters
from mayfly.dispatch.policy import repository_of
from mayfly.errors import Misconfigured, Transient
from mayfly.metrics import Metric
from mayfly.records.standing import DISPATCH, PROVISION
from mayfly.records.why import Code
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_warm_world

NAME = "/repositories/web/repository"
TEMPLATE = "/repositories/{pipeline}/repository"
URL = "git@github.com:acme/web"
JOB = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_REPO": URL,
    "BUILDKITE_SOURCE": "webhook",
}
CIPHERTEXT = "AQICAHjnkVxgP6nU9Xy3+ZkQ0Zl1vO8yEwd/9aQ="
ALARM = Metric.UNREADABLE_POLICY


def listed(world: World) -> World:
    world.buildkite.schedule(QUEUE, a_job(), JOB)
    return world


def assert_waits(world: World, note: str) -> None:
    """The job is at Buildkite still, with one note, and the standing of `dispatch` says why."""
    job = world.buildkite.known["job-1"]
    assert world.fleet.claim("job-1") is None
    assert (job.state, job.told) == ("scheduled", "")
    assert job.notes == [f"Not taken yet: {note} cannot be read at present."]
    said = world.fleet.standing(DISPATCH, QUEUE)
    assert said is not None
    assert [left.why.code for left in said.left] == [Code.POLICY_UNREADABLE]
    assert Code.POLICY_UNREADABLE in {reason.code for reason in said.reasons}


POLICIES = {
    "a SecureString": ("policy/rules/main", CIPHERTEXT),
    "a rule of another form": ("policy/rules/main", "branch main"),
    "a key that proves nothing": ("policy/rules/main", "pipeline=web creator=alice"),
    "a pipeline that is no slug": ("policy/rules/main", "pipeline=we*b"),
    "an empty text": ("policy/rules/main", " \n "),
    "a text that is too long": ("policy/rules/main", "pipeline=web\n" * 10_000),
    "a name that Mayfly does not know": ("policy/rule/main", "pipeline=web"),
    "a place in a SecureString": ("policy/repository-from", CIPHERTEXT),
    "a place without the pipeline": ("policy/repository-from", "/repositories/web"),
    "an empty place": ("policy/repository-from", " "),
}


@pytest.mark.parametrize("what", POLICIES)
def test_jobs_wait_for_a_first_policy_that_cannot_be_read(what: str) -> None:
    name, value = POLICIES[what]
    world = a_warm_world()
    world.configure(**{name: value})
    alarms = [metric for metric, _ in world.provision().alarms]
    assert alarms == [ALARM]
    listed(world)
    for _ in range(3):
        world.after(seconds=3).dispatch()
    assert_waits(world, f"the policy of queue {QUEUE}")
    said = world.fleet.standing(PROVISION, QUEUE)
    assert said is not None
    assert [reason.code for reason in said.reasons] == [Code.POLICY_UNREADABLE]


@pytest.mark.parametrize("what", POLICIES)
def test_a_policy_that_cannot_be_read_any_more_denies_no_job_that_the_last_one_denied(
    what: str,
) -> None:
    name, value = POLICIES[what]
    world = a_warm_world(**{"policy/rules/main": "pipeline=other"})
    world.configure(**{name: value})
    assert [metric for metric, _ in world.provision().alarms] == [ALARM]
    listed(world)
    for _ in range(3):
        world.after(seconds=3).dispatch()
    assert_waits(world, f"the policy of queue {QUEUE}")


@dataclass(frozen=True)
class Registered:
    """The parameter with the repository of the pipeline."""

    what: str
    write: Callable[[World], None]


def secure(world: World) -> None:
    world.parameters.put(NAME, URL, kind="SecureString")


def having(value: str) -> Callable[[World], None]:
    return lambda world: world.parameters.put(NAME, value)


def refused(error: Exception) -> Callable[[World], None]:
    return lambda world: world.parameters.fail_next("values", error, times=3)


REGISTERED = [
    Registered("a SecureString", secure),
    Registered("a text that is no clone URL", having("acme/web")),
    Registered("a list of two repositories", having(f"{URL},git@github.com:acme/other")),
    Registered("a text that is too long", having("x" * 8_000)),
    Registered("an empty text", having(" ")),
    Registered("no right to read it", refused(Misconfigured("AccessDeniedException"))),
    Registered("an outage of SSM", refused(Transient("ThrottlingException"))),
]


@pytest.mark.parametrize("kind", REGISTERED, ids=[kind.what for kind in REGISTERED])
def test_jobs_wait_for_a_repository_that_cannot_be_read(kind: Registered) -> None:
    world = listed(a_warm_world(**{"policy/repository-from": TEMPLATE}))
    kind.write(world)
    for _ in range(3):
        outcome = world.after(seconds=3).dispatch()
    assert_waits(world, "the repository that its pipeline must have")
    assert [metric for metric, _ in outcome.alarms] == [ALARM]
    (held,) = outcome.held.values()
    assert held.why.subject == NAME
    assert [each.job for each in held.jobs] == ["job-1"]
    world.parameters.put(NAME, f" {URL}\n")
    outcome = world.dispatch()
    assert not outcome.alarms
    assert world.claim("job-1").state == "assigned"
    assert world.claim("job-1").repository == URL


def test_a_repository_that_is_deleted_denies_for_then_none_is_registered() -> None:
    world = listed(a_warm_world(**{"policy/repository-from": TEMPLATE}))
    world.dispatch()
    assert "no repository is registered for its pipeline" in world.buildkite.known["job-1"].told


def test_rules_that_deny_a_job_deny_it_whatever_its_repository_is() -> None:
    parameters = {"policy/repository-from": TEMPLATE, "policy/rules/main": "pipeline=other"}
    world = listed(a_warm_world(**parameters))
    secure(world)
    outcome = world.dispatch()
    assert "none of its rules is for this pipeline" in world.buildkite.known["job-1"].told
    assert not outcome.alarms


class SecureStrings:
    """SSM's client: without decryption a SecureString's value is ciphertext."""

    def get_parameters(self, Names: list[str]) -> Any:  # noqa: N803 - the name is SSM's
        kinds = dict(zip(Names, ("String", "SecureString"), strict=True))
        kept = [{"Name": name, "Type": kind, "Value": "x"} for name, kind in kinds.items()]
        return {"Parameters": kept, "InvalidParameters": []}


def test_ciphertext_counts_as_no_value_of_a_parameter() -> None:
    client: Any = SecureStrings()
    values = SsmParameters(client).values(["/a", "/b"])
    assert [repository_of(values[name]) for name in ("/a", "/b")] == ["x", ""]
