"""Grants: hosts read what `dispatch` writes, and refuse what they cannot read whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mayfly_protocol.grants import Grants, Role, Secrets, SshHosts, parse
from mayfly_protocol.job_facts import JobFacts

FACTS = JobFacts(
    organization="acme",
    pipeline="web",
    build="7",
    repository="git@github.com:a/b.git",
    branch="main",
    source="webhook",
    fork="no",
    teams=("sre",),
)
FULL = Grants(
    facts=FACTS,
    secrets=Secrets(
        "/vendors/buildkite/deploy", ("/vendors/buildkite/deploy/global/ssh/key",), True
    ),
    ssh=SshHosts("github.com ssh-ed25519 AAAA", ("github.com",)),
    role=Role("arn:aws:iam::123456789012:role/ci/web", 3600),
    no_role="two lines give a role",
)


def sent(grants: Grants) -> Any:
    return json.loads(json.dumps(grants.to_row()))


@pytest.mark.parametrize("grants", [FULL, Grants(FACTS), Grants(JobFacts())])
def test_grants_are_read_as_they_were_written(grants: Grants) -> None:
    assert parse(sent(grants)) == grants


@pytest.mark.parametrize("name", sorted(FULL.to_row()))
@pytest.mark.parametrize("value", ["absent", 7, ["x"], True])
def test_grants_with_a_field_that_cannot_be_read_are_refused(name: str, value: object) -> None:
    row = sent(FULL)
    row[name] = value
    if value == "absent":
        del row[name]
    with pytest.raises(ValueError, match=r"grants|fact|role"):
        parse(row)


@pytest.mark.parametrize("part", ["facts", "secrets", "ssh", "role"])
def test_grants_without_a_part_of_a_field_are_refused(part: str) -> None:
    for name in sent(FULL)[part]:
        row = sent(FULL)
        del row[part][name]
        with pytest.raises(ValueError, match=r"grants|fact|role"):
            parse(row)


@pytest.mark.parametrize("seconds", [0, 899, 3601, True, "3600", None])
def test_a_session_that_aws_does_not_give_is_refused(seconds: Any) -> None:
    row = sent(replace(FULL, role=Role("arn", seconds)))
    with pytest.raises(ValueError, match="seconds"):
        parse(row)
