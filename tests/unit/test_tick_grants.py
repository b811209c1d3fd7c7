"""Jobs that get secrets and roles: judged before a launch, told on their pages, bound with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mayfly.errors import Misconfigured, Transient
from mayfly.metrics import Metric
from mayfly.records.standing import DISPATCH
from mayfly.records.states import ClaimState
from mayfly.records.why import Code
from mayfly_protocol.grants import Grants, Role, parse
from mayfly_protocol.job_facts import JobFacts
from tests.unit.builders import QUEUE, a_job, row
from tests.unit.published import GIVING
from tests.unit.world import World, a_warm_world

WEB = {
    "BUILDKITE_ORGANIZATION_SLUG": "acme",
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BUILD_NUMBER": "812",
    "BUILDKITE_REPO": "git@github.com:acme/web.git",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_SOURCE": "webhook",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_BUILD_CREATOR_TEAMS": "core",
}
PATH = f"/vendors/buildkite/{QUEUE}"
SECRETS = {"secrets/path": "/vendors/buildkite/{queue}"}
ARN = "arn:aws:iam::123456789012:role/ci/web"
ROLE = {"role/web": f"pipeline=web branch=main -> {ARN} minutes=30"}
LIST = f"{PATH}/global/allowed_pipelines"
FOLDERS = ("global", "github.com_acme_web.git", "web")


def giving(count: int = 1, /, **parameters: str) -> World:
    """A warm world whose stack gives rights to secrets and roles, with these parameters."""
    world = a_warm_world(count)
    world.publish(QUEUE, **GIVING)
    world.configure(**parameters)
    outcome = world.provision()
    assert outcome.problems == []
    return world


def listed(world: World, job: str = "job-1", **changes: str) -> World:
    environment = {**WEB, **{f"BUILDKITE_{name}": text for name, text in changes.items()}}
    world.buildkite.schedule(QUEUE, a_job(job), environment)
    return world


def granted(world: World, job: str = "job-1") -> Grants | None:
    """The grants in the assignment of a bound job."""
    claim = world.claim(job)
    assert claim.slot is not None
    instance = world.fleet.instance(claim.slot)
    assert instance is not None
    found: Any = world.mailbox.rows[row(instance)].assignment
    assert (found["protocol"] == 2) is ("grants" in found)
    return parse(found["grants"]) if "grants" in found else None


def refused(world: World, job: str = "job-1") -> str:
    """The text on the page of a job that is denied; no instance was asked for."""
    launches = world.machines.machines.keys()
    world.dispatch()
    world.provision()
    assert world.claim(job).state is ClaimState.FAILED
    assert world.machines.machines.keys() == launches
    return str(world.buildkite.known[job].told)


def test_a_job_gets_the_secrets_folder_and_the_role_with_the_facts_that_decided() -> None:
    world = listed(giving(**SECRETS, **ROLE))
    world.dispatch()
    assert world.claim("job-1").facts == JobFacts.of(WEB)
    grants = granted(world)
    assert grants is not None
    assert grants.facts == JobFacts.of(WEB)
    assert grants.secrets is not None
    assert grants.secrets.path == PATH
    assert (grants.role, grants.no_role) == (Role(ARN, 1800), "")


def test_a_job_without_a_line_runs_without_a_role_and_its_log_is_told_why() -> None:
    world = listed(giving(**ROLE), BRANCH="next")
    world.dispatch()
    grants = granted(world)
    assert grants is not None
    assert (grants.secrets, grants.role) == (None, None)
    assert grants.no_role == (
        "this job has no credentials for AWS: a line of role/web that is for its pipeline asks "
        "for another branch"
    )


def test_a_queue_without_these_parameters_gives_nothing_and_reads_no_environment() -> None:
    world = listed(giving())
    world.dispatch()
    assert granted(world) is None
    assert world.claim("job-1").facts is None
    assert world.buildkite.calls["environment"] == 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_list_of_any_folder_denies_the_job_before_a_launch(folder: str) -> None:
    name = f"{PATH}/{folder}/allowed_pipelines"
    world = listed(giving(**SECRETS))
    world.parameters.put(name, "api\nother")
    told = refused(world)
    assert told.startswith(f"Queue {QUEUE} does not take this job: its pipeline is not in {name}.")
    assert "other" not in told.replace("another queue", "")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_list_of_teams_denies_the_job_too(folder: str) -> None:
    name = f"{PATH}/{folder}/allowed_teams"
    world = listed(giving(**SECRETS))
    world.parameters.put(name, "ops")
    assert f"none of its teams is in {name}. " in refused(world)


def test_lists_that_name_the_job_let_it_in() -> None:
    world = listed(giving(**SECRETS))
    for folder in FOLDERS:
        world.parameters.put(f"{PATH}/{folder}/allowed_pipelines", "api\r\nweb ")
        world.parameters.put(f"{PATH}/{folder}/allowed_teams", "core")
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_lists_of_other_folders_say_nothing() -> None:
    world = listed(giving(**SECRETS))
    world.parameters.put(f"{PATH}/api/allowed_pipelines", "api")
    world.parameters.put("/vendors/buildkite/other/global/allowed_pipelines", "api")
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_two_lines_deny_the_job_by_the_names_of_both_parameters() -> None:
    other = {"role/any": f"pipeline=web,api -> {ARN}"}
    told = refused(listed(giving(**ROLE, **other)))
    assert "role/any and role/web both give it a role" in told


def test_a_branch_that_no_session_tag_holds_denies_a_job_with_a_role() -> None:
    world = listed(giving(**{"role/web": f"pipeline=web -> {ARN}"}), BRANCH="fix#1")
    assert "role/web gives it a role, and its branch has U+0023" in refused(world)


UNREADABLE: Mapping[str, Any] = {
    "a StringList": lambda world: world.parameters.put(LIST, "web", kind="StringList"),
    "a SecureString": lambda world: world.parameters.put(LIST, "web", kind="SecureString"),
    "no right": lambda world: world.parameters.fail_next(
        "values", Misconfigured("AccessDeniedException"), times=3
    ),
    "an outage": lambda world: world.parameters.fail_next(
        "values", Transient("ThrottlingException"), times=3
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_list_that_cannot_be_read_leaves_the_job_waiting_with_note_reason_and_alarm(
    what: str,
) -> None:
    world = listed(giving(**SECRETS))
    UNREADABLE[what](world)
    for _ in range(3):
        outcome = world.after(seconds=3).dispatch()
    job = world.buildkite.known["job-1"]
    assert world.fleet.claim("job-1") is None
    assert (job.state, job.told) == ("scheduled", "")
    (note,) = job.notes
    assert note.startswith(f"Not taken yet: {LIST} cannot be read at present")
    assert ("make it a String" in note) is what.startswith("a S")
    assert [metric for metric, _ in outcome.alarms] == [Metric.UNREADABLE_POLICY]
    said = world.fleet.standing(DISPATCH, QUEUE)
    assert said is not None
    assert Code.POLICY_UNREADABLE in {reason.code for reason in said.reasons}
    if LIST in world.parameters.stored:
        world.parameters.remove(LIST)
    world.parameters.put(LIST, "web")
    world.after(seconds=3).dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_an_environment_that_cannot_be_read_opens_no_job_of_such_a_queue() -> None:
    world = listed(giving(**SECRETS))
    world.buildkite.fail_next("environment", Transient("502"))
    world.dispatch()
    assert world.fleet.claim("job-1") is None
    world.after(seconds=3).dispatch()
    assert world.claim("job-1").state is ClaimState.ASSIGNED


def test_a_job_that_waited_before_the_queue_gave_anything_is_judged_anew() -> None:
    world = listed(giving(0))
    world.dispatch()
    assert world.claim("job-1").facts is None
    world.configure(**SECRETS)
    world.parameters.put(LIST, "api")
    world.provision()
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.RELEASED
    assert "is to be judged" in world.claim("job-1").reason
    world.after(minutes=6)  # Buildkite lists the job again when its reservation has run out.
    assert f"its pipeline is not in {LIST}" in refused(world)


def test_a_job_that_gets_a_second_line_while_it_waits_is_denied_and_never_bound() -> None:
    world = listed(giving(0, **ROLE))
    world.dispatch()
    assert world.claim("job-1").state is ClaimState.WAITING
    world.configure(**{"role/any": f"pipeline=web -> {ARN}"})
    world.provision()
    assert "role/any and role/web both give it a role" in refused(world)


def test_a_role_that_is_taken_away_is_not_given_to_a_job_that_waits() -> None:
    world = listed(giving(0, **SECRETS, **ROLE))
    world.dispatch()
    world.parameters.remove(f"/mayfly/ci/queues/{QUEUE}/role/web")
    world.configure(**{"pool/hot": "many"})  # Another bad parameter must not keep the role.
    world.provision()
    world.machines.settle()
    world.make_ready()
    world.dispatch()
    grants = granted(world)
    assert grants is not None
    assert grants.role is None


def test_many_jobs_of_one_pipeline_share_one_call() -> None:
    world = giving(**SECRETS)
    for number in range(12):
        listed(world, f"job-{number}")
    world.dispatch()
    assert world.parameters.calls["values"] == 1
