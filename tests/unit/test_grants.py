"""What a job is given: role lines, access lists, and facts that decide about both. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.answers import Parameter
from mayfly.config.queue import QueueConfig
from mayfly.config.roles import parse_roles
from mayfly.dispatch.grants import Lists, denial, given, is_unjudged, judge, list_names, lists_of
from mayfly.dispatch.policy import Denial, Unread
from mayfly.dispatch.roles import Choice, choose
from mayfly.records.bounds import LONGEST_REASON
from mayfly_protocol.grants import Grants, Role, Secrets, SshHosts
from mayfly_protocol.job_facts import JobFacts

WEB = JobFacts(
    organization="acme",
    pipeline="web",
    build="812",
    repository="git@github.com:acme/web.git",
    branch="main",
    source="webhook",
    fork="no",
    teams=("core",),
)
PATH = "/vendors/buildkite/deploy"
ARN = "arn:aws:iam::123456789012:role/ci/web"
OTHER = "arn:aws:iam::123456789012:role/ci/other"
FOLDERS = ("global", "github.com_acme_web.git", "web")
NAMES = tuple(
    f"{PATH}/{folder}/{name}"
    for folder in FOLDERS
    for name in ("allowed_pipelines", "allowed_teams")
)


def queue(roles: str = "", **changes: Any) -> QueueConfig:
    """A queue with these lines of `role/a`; further lines after `;` are of `role/b`."""
    texts = dict(zip("ab", filter(None, roles.split(";")), strict=False))
    lines = tuple(line for name, text in texts.items() for line in parse_roles(name, text))
    return QueueConfig(queue="deploy", roles=lines, **changes)


def secret(roles: str = "", **changes: Any) -> QueueConfig:
    return queue(roles, secrets_path=PATH, **changes)


# -- the role ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "changes", "seconds"),
    [
        (f"pipeline=web -> {ARN}", {}, 3600),
        (f"pipeline=web,api -> {ARN} minutes=15", {}, 900),
        (f"pipeline=web branch=main source=webhook -> {ARN}", {}, 3600),
        (f"pipeline=web branch=release/* -> {ARN}", {"branch": "release/1"}, 3600),
        (f"pipeline=web repository=https://github.com/acme/* -> {ARN}", {}, 3600),
        (f"pipeline=web fork=yes -> {ARN}", {"fork": "yes"}, 3600),
        (f"pipeline=web branch=main -> {ARN}; pipeline=web branch=next -> {OTHER}", {}, 3600),
        (f"pipeline=api -> {OTHER}\npipeline=web -> {ARN}", {}, 3600),
    ],
)
def test_a_job_gets_the_role_of_its_one_line(
    roles: str, changes: dict[str, Any], seconds: int
) -> None:
    found = choose(queue(roles), replace(WEB, **changes))
    assert found == Choice(role=Role(ARN, seconds))


NONE = "this job has no credentials for AWS: "
FOREIGN = f"{NONE}no line of role/* is for its pipeline and repository"
OF_A = f"{NONE}a line of role/a that is for its pipeline asks for another "


@pytest.mark.parametrize(
    ("roles", "changes", "why"),
    [
        (f"pipeline=api -> {ARN}", {}, FOREIGN),
        (f"pipeline=web -> {ARN}", {"pipeline": "web2"}, FOREIGN),
        (f"pipeline=web -> {ARN}", {"pipeline": "Web"}, FOREIGN),
        (f"pipeline=web -> {ARN}", {"pipeline": ""}, FOREIGN),
        (f"pipeline=web repository=git@x.org:a/b -> {ARN}", {}, FOREIGN),
        (f"pipeline=web branch=release/* -> {ARN}", {}, f"{OF_A}branch"),
        (f"pipeline=web branch=main -> {ARN}", {"branch": "main2"}, f"{OF_A}branch"),
        (f"pipeline=web branch=main -> {ARN}", {"branch": ""}, f"{OF_A}branch"),
        (f"pipeline=web branch=x source=ui -> {ARN}", {}, f"{OF_A}branch and source"),
        # A fork's branch may have any name: a line is not for forks unless it says so.
        (f"pipeline=web -> {ARN}", {"fork": "yes"}, f"{OF_A}origin"),
        (f"pipeline=web branch=main -> {ARN}", {"fork": "yes"}, f"{OF_A}origin"),
        (f"pipeline=web -> {ARN}", {"fork": ""}, f"{OF_A}origin"),
        (f"pipeline=web source=ui -> {ARN}; pipeline=api -> {OTHER}", {}, f"{OF_A}source"),
    ],
)
def test_a_job_without_a_line_has_no_role_and_one_line_says_why(
    roles: str, changes: dict[str, Any], why: str
) -> None:
    found = choose(queue(roles), replace(WEB, **changes))
    assert found == Choice(no_role=why)
    assert "release" not in found.no_role


def test_a_queue_without_roles_says_nothing_of_them() -> None:
    assert choose(queue(), WEB) == Choice()


def test_a_job_without_a_role_is_told_when_the_present_lines_cannot_be_read() -> None:
    found = choose(queue(f"pipeline=api -> {ARN}", grants_unread=True), WEB)
    assert found.no_role == f"{FOREIGN}. The present role/* cannot be read, so the last ones hold"


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (f"pipeline=web -> {ARN}; pipeline=web branch=main -> {OTHER}", "role/a and role/b both"),
        (f"pipeline=web -> {ARN}; pipeline=web source=webhook -> {ARN}", "role/a and role/b both"),
        (f"pipeline=web -> {ARN}\npipeline=web branch=* -> {OTHER}", "2 lines of role/a give"),
    ],
)
def test_a_job_with_two_lines_is_refused_by_their_parameters(roles: str, why: str) -> None:
    found = judge(queue(roles), WEB, Lists())
    assert isinstance(found, Denial)
    assert found.reason.startswith(f"Queue deploy does not take this job: {why}")
    assert "Ask those who own the roles of the queue" in found.reason


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"branch": "fix#1"}, "its branch has U+0023, which no session tag can have"),
        ({"branch": "x" * 257}, "its branch has more than the 256 characters of a session tag"),
        ({"organization": ""}, "Buildkite states no organization for the job"),
        ({"source": ""}, "Buildkite states no source for the job"),
    ],
)
def test_a_fact_that_no_session_tag_holds_refuses_a_job_with_a_role_alone(
    changes: dict[str, Any], why: str
) -> None:
    facts = replace(WEB, **changes)
    found = judge(queue(f"pipeline=web -> {ARN}"), facts, Lists())
    assert isinstance(found, Denial)
    assert f": role/a gives it a role, and {why}. " in found.reason
    assert judge(queue(f"pipeline=api -> {ARN}"), facts, Lists()) is None


# -- the lists -----------------------------------------------------------------------------------


def test_the_lists_of_a_job_are_those_of_its_three_folders() -> None:
    assert list_names(secret(), WEB) == NAMES
    assert list_names(queue(f"pipeline=web -> {ARN}"), WEB) == ()


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({}, ""),
        ({0: "web"}, ""),
        ({0: "api\n web \r\n"}, ""),
        ({0: "api"}, f"its pipeline is not in {NAMES[0]}"),
        ({0: "web", 2: "api"}, f"its pipeline is not in {NAMES[2]}"),
        ({4: "Web"}, f"its pipeline is not in {NAMES[4]}"),
        ({0: " \n"}, f"its pipeline is not in {NAMES[0]}"),
        ({0: "web,api"}, f"its pipeline is not in {NAMES[0]}"),
        ({1: "core"}, ""),
        ({1: "ops"}, f"none of its teams is in {NAMES[1]}"),
        ({0: "web", 1: "ops"}, f"none of its teams is in {NAMES[1]}"),
        ({0: "api", 1: "core"}, f"its pipeline is not in {NAMES[0]}"),
    ],
)
def test_a_list_denies_the_whole_job_by_the_name_of_its_parameter(
    texts: dict[int, str], why: str
) -> None:
    lists = Lists({NAMES[number]: text for number, text in texts.items()})
    found = judge(secret(), WEB, lists)
    if not why:
        assert found is None
        return
    assert isinstance(found, Denial)
    assert found.reason.startswith(f"Queue deploy does not take this job: {why}. Ask those who own")
    assert "pipeline web," in found.reason
    assert "teams core" in found.reason


@pytest.mark.parametrize(
    ("source", "teams", "allowed"),
    [
        ("schedule", (), True),
        ("schedule", ("core",), False),
        ("webhook", (), False),
        ("ui", ("ops",), True),
    ],
)
def test_a_list_of_teams_lets_a_schedule_in_that_has_no_teams(
    source: str, teams: tuple[str, ...], allowed: bool
) -> None:
    facts = replace(WEB, source=source, teams=teams)
    assert (judge(secret(), facts, Lists({NAMES[1]: "ops"})) is None) is allowed


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, ""),
        ({NAMES[0]: Parameter("web", 1, kind="StringList")}, "it is a StringList; make it a "),
        ({NAMES[0]: Parameter("x", 1, kind="SecureString")}, "it is a SecureString; make it a "),
    ],
)
def test_a_list_that_cannot_be_read_leaves_the_job_waiting(
    found: dict[str, Parameter], why: str
) -> None:
    values: dict[str, Parameter | None] = {**dict.fromkeys(NAMES[1:]), **found}
    lists = lists_of(NAMES, values)
    waits = judge(secret(), WEB, lists)
    assert isinstance(waits, Unread)
    assert waits.parameter == NAMES[0]
    assert waits.reason.startswith(f"{NAMES[0]} cannot be read at present")
    assert why in waits.reason


def test_absent_lists_let_every_job_in_and_readable_ones_deny_beside_unreadable_ones() -> None:
    absent: dict[str, Parameter | None] = dict.fromkeys(NAMES)
    assert lists_of(NAMES, absent) == Lists()
    assert judge(secret(), WEB, lists_of(NAMES, absent)) is None
    partly = lists_of(NAMES, {NAMES[2]: Parameter("api", 1)})
    assert isinstance(judge(secret(), WEB, partly), Denial)


def test_no_list_is_judged_where_the_queue_gives_nothing() -> None:
    assert judge(queue(), WEB, Lists({}, {NAMES[0]: ""})) is None


# -- facts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"branch": "\ud800"}, "a fact about it has half a character"),
        ({"teams": ("t" * 30_000,)}, "the facts about it have more than 30,000 bytes"),
        (
            {"pipeline": "p" * 700},
            "the name of its pipeline or repository is too long for a folder of secrets",
        ),
        (
            {"repository": f"git@github.com:acme/{'x' * 700}"},
            "the name of its pipeline or repository is too long for a folder of secrets",
        ),
    ],
)
def test_facts_that_no_record_or_call_can_hold_deny_the_job(
    changes: dict[str, Any], why: str
) -> None:
    facts = replace(WEB, **changes)
    assert list_names(secret(), facts) == ()
    found = judge(secret(), facts, Lists())
    assert isinstance(found, Denial)
    assert f": {why}. " in found.reason
    found.reason.encode()


def test_the_longest_denial_fits_into_a_reason() -> None:
    facts = replace(
        WEB,
        pipeline="p" * 600,
        branch="ü" * 600,
        source="s" * 700,
        repository=f"git@github.com:acme/{'r' * 640}",
        teams=("t" * 900,),
    )
    path = "/vendors/buildkite"
    config = queue(secrets_path=path)
    found = judge(config, facts, Lists({f"{path}/{'p' * 600}/allowed_teams": "core"}))
    assert isinstance(found, Denial)
    assert len(found.reason.encode()) <= LONGEST_REASON


# -- what is given -------------------------------------------------------------------------------


def test_a_job_is_given_secrets_ssh_and_its_role() -> None:
    config = secret(
        f"pipeline=web -> {ARN}",
        shared_ssh_keys=(f"{PATH}/plugins",),
        ssh_during_command=True,
        known_hosts="x\n",
        over_443=("github.com",),
    )
    assert given(config, WEB) == Grants(
        WEB,
        Secrets(PATH, (f"{PATH}/plugins",), ssh_during_command=True),
        SshHosts("x\n", ("github.com",)),
        Role(ARN, 3600),
    )


def test_a_queue_that_gives_nothing_gives_no_grants() -> None:
    assert given(queue(), WEB) is None
    assert given(queue(grants_unread=True), WEB) is None
    assert not is_unjudged(queue(), None)


def test_a_claim_without_facts_is_not_bound_by_a_queue_that_gives_something() -> None:
    assert is_unjudged(secret(), None)
    assert not is_unjudged(secret(), WEB)
    assert denial(secret(), WEB) is None


def test_a_claim_that_has_two_lines_since_is_not_bound() -> None:
    two = queue(f"pipeline=web -> {ARN}; pipeline=web branch=main -> {OTHER}")
    found = denial(two, WEB)
    assert found is not None
    assert "role/a and role/b both give it a role" in found.reason
