"""Identity policies, boundary, session policy and resource policy together, as IAM weighs them."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Caller, Kind, Policies, Request, Verdict, evaluate

ROLE = "arn:aws:iam::1:role/path/job"
SESSION = "arn:aws:sts::1:assumed-role/job/i-1"
CALLER = Caller(SESSION, role=ROLE, unique_id="AROA1")
USER = Caller("arn:aws:iam::1:user/ann", unique_id="AIDA1")
SERVICE = Caller("", service="events.amazonaws.com")
REQUEST = Request("sqs:SendMessage", "arn:aws:sqs:r:1:q", {"aws:PrincipalArn": ROLE})
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*", "Sid": "All"}
NONE = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*", "Sid": "None"}


def of_queue(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    named = {} if principal is None else {"Principal": principal}
    return {"Effect": effect, "Action": "sqs:*", "Resource": "*", "Sid": "Queue", **named, **more}


def verdict(caller: Caller = CALLER, **policies: Any) -> Verdict:
    return evaluate(REQUEST, caller, Policies(**{"identity": [], **policies}))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({}, Verdict(False, Kind.IDENTITY, explicit=False)),
        ({"identity": [[ALL]]}, Verdict(True, Kind.IDENTITY, "All")),
        ({"identity": [[ALL], [NONE]]}, Verdict(False, Kind.IDENTITY, "None")),
        (
            {"identity": [[ALL]], "boundary": []},
            Verdict(False, Kind.BOUNDARY, explicit=False),
        ),
        ({"identity": [[ALL]], "boundary": [ALL, NONE]}, Verdict(False, Kind.BOUNDARY, "None")),
        ({"boundary": [ALL]}, Verdict(False, Kind.IDENTITY, explicit=False)),
        ({"identity": [[ALL]], "session": []}, Verdict(False, Kind.SESSION, explicit=False)),
        ({"identity": [[ALL]], "session": [NONE]}, Verdict(False, Kind.SESSION, "None")),
        (
            {"identity": [[ALL]], "boundary": [ALL], "session": [ALL]},
            Verdict(True, Kind.IDENTITY, "All"),
        ),
        ({"resource": [of_queue({"AWS": ROLE})]}, Verdict(True, Kind.RESOURCE, "Queue")),
        ({"resource": [of_queue({"AWS": "AROA1"})]}, Verdict(True, Kind.RESOURCE, "Queue")),
        ({"resource": [of_queue("*")]}, Verdict(True, Kind.RESOURCE, "Queue")),
        (
            {"resource": [of_queue({"AWS": ROLE})], "boundary": []},
            Verdict(False, Kind.BOUNDARY, explicit=False),
        ),
        (
            {"resource": [of_queue({"AWS": SESSION})], "boundary": [], "session": []},
            Verdict(True, Kind.RESOURCE, "Queue"),
        ),
        (
            {"resource": [of_queue({"AWS": ["arn:aws:iam::1:root"]})]},
            Verdict(False, Kind.IDENTITY, explicit=False),
        ),
        (
            {"identity": [[ALL]], "resource": [of_queue("*", "Deny")]},
            Verdict(False, Kind.RESOURCE, "Queue"),
        ),
        (
            {"identity": [[ALL]], "resource": [of_queue("*"), of_queue({"AWS": "1"}, "Deny")]},
            Verdict(False, Kind.RESOURCE, "Queue"),
        ),
        (
            {"identity": [[ALL]], "resource": [of_queue({"AWS": "arn:aws:iam::1:role/b"}, "Deny")]},
            Verdict(True, Kind.IDENTITY, "All"),
        ),
        (
            {"identity": [[ALL]], "resource_account": "2"},
            Verdict(False, Kind.RESOURCE, explicit=False),
        ),
        (
            {"resource": [of_queue({"AWS": ROLE})], "resource_account": "2"},
            Verdict(False, Kind.IDENTITY, explicit=False),
        ),
        (
            {"identity": [[ALL]], "resource": [of_queue({"AWS": "1"})], "resource_account": "2"},
            Verdict(True, Kind.IDENTITY, "All"),
        ),
        (
            {"identity": [[ALL]], "resource_must_allow": True},
            Verdict(False, Kind.RESOURCE, explicit=False),
        ),
        (
            {
                "identity": [[ALL]],
                "resource": [of_queue({"AWS": "arn:aws:iam::1:root"})],
                "resource_must_allow": True,
            },
            Verdict(True, Kind.IDENTITY, "All"),
        ),
    ],
)
def test_policies_weigh_together_as_in_iam(policies: dict[str, Any], expected: Verdict) -> None:
    assert verdict(**policies) == expected


def test_a_user_is_named_directly_by_the_own_arn() -> None:
    policies = {"resource": [of_queue({"AWS": USER.arn})], "boundary": []}
    assert verdict(USER, **policies).allowed
    assert not verdict(USER, resource=[of_queue({"AWS": ROLE})]).allowed


def test_a_service_has_only_the_rights_of_resource_policies() -> None:
    assert verdict(SERVICE, resource=[of_queue({"Service": "events.amazonaws.com"})]).allowed
    assert not verdict(SERVICE, resource=[of_queue({"Service": "sns.amazonaws.com"})]).allowed
    assert not verdict(CALLER, resource=[of_queue({"Service": "events.amazonaws.com"})]).allowed


@pytest.mark.parametrize(
    ("listed", "denied"),
    [
        ([SESSION, ROLE, "arn:aws:iam::1:root"], False),
        ([SESSION, ROLE, "1"], False),
        ([ROLE, "arn:aws:iam::1:root"], True),
        ([SESSION, ROLE], True),
        (["arn:aws:iam::1:role/other", "arn:aws:iam::1:root"], True),
    ],
)
def test_not_principal_excepts_only_who_is_listed_with_role_and_account(
    listed: list[str], denied: bool
) -> None:
    deny = of_queue(None, "Deny", NotPrincipal={"AWS": listed})
    assert verdict(identity=[[ALL]], resource=[deny]).allowed is not denied


def test_a_trust_policy_needs_no_resource() -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROLE}}
    request = Request("sts:AssumeRole", "arn:aws:iam::1:role/next")
    policies = Policies(identity=[], resource=[trust], resource_must_allow=True)
    assert evaluate(request, CALLER, policies).allowed


def test_a_resource_policy_without_a_principal_raises() -> None:
    with pytest.raises(KeyError, match="Principal"):
        verdict(resource=[of_queue(None)])
