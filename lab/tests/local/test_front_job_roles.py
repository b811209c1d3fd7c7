"""Roles of jobs in the lab's STS: rights, trust by session tags, duration, and what sessions know.

The words are STS's, as callers have seen them; the sources of the rules stand in sessions.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deployed_account import Account
from local.iam_calls import Principals, policy
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.contracts import Keys

TAGS = {"pipeline": "app", "branch": "main", "queue": "first"}
BOTH = ["sts:AssumeRole", "sts:TagSession"]


@pytest.fixture(scope="module")
def principals(account: Account) -> Principals:
    return Principals(account)


@pytest.fixture
def host(account: Account, principals: Principals, request: pytest.FixtureRequest) -> Keys:
    """Credentials of a role like a sandbox role, which may assume roles below /ci/."""
    name = f"host-{abs(hash(request.node.name)) % 10**9}"
    principals.make_role(name)
    allow_host(account, name, BOTH)
    return account.lab.aws.sessions.begin(name, "i-1")[0]


def allow_host(account: Account, name: str, actions: list[str]) -> None:
    below = f"arn:aws:iam::{ACCOUNT}:role/ci/*"
    given = policy({"Effect": "Allow", "Action": actions, "Resource": below})
    account.client("iam").put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=given)


def role(account: Account, name: str, actions: Any = BOTH, path: str = "/ci/", **more: Any) -> str:
    """A role that trusts the account, for sessions of the pipeline `app` on `main` alone."""
    tags = {"aws:RequestTag/pipeline": "app", "aws:RequestTag/branch": "main"}
    trust = {
        "Effect": "Allow",
        "Action": actions,
        "Principal": {"AWS": ACCOUNT},
        "Condition": {"StringEquals": tags},
    }
    made = account.client("iam").create_role(
        RoleName=name, Path=path, AssumeRolePolicyDocument=policy(trust), **more
    )
    return str(made["Role"]["Arn"])


def assume(account: Account, keys: Keys, arn: str, **changes: Any) -> Any:
    tags = changes.pop("tags", TAGS)
    given = {
        "RoleArn": arn,
        "RoleSessionName": "app-7-j",
        "DurationSeconds": 900,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "TransitiveTagKeys": list(tags),
        **changes,
    }
    return account.lab.client("sts", keys).assume_role(**given)


def code_of(account: Account, keys: Keys, arn: str, **changes: Any) -> str:
    with pytest.raises(ClientError) as refused:
        assume(account, keys, arn, **changes)
    error = refused.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_a_session_is_known_by_its_name_its_tags_and_its_end(account: Account, host: Keys) -> None:
    arn = role(account, "known")
    found = assume(account, host, arn)
    holder = account.lab.aws.credentials.holder(found["Credentials"]["AccessKeyId"])
    assert holder is not None
    own = account.lab.client("sts", holder.keys).get_caller_identity()
    assert own["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/known/app-7-j"
    assert dict(holder.principal.tags) == TAGS
    now = account.lab.aws.credentials._clock()
    assert 890 <= holder.keys.expires.timestamp() - now <= 900
    assert holder.expired(now + 901)
    context = account.lab.aws.iam.policies.identity(holder.principal).context
    assert context["aws:PrincipalTag/pipeline"] == "app"


@pytest.mark.parametrize(
    "tags", [{**TAGS, "pipeline": "other"}, {**TAGS, "branch": "topic"}, {}], ids=str
)
def test_a_trust_policy_decides_by_the_tags_of_the_session(
    account: Account, host: Keys, tags: dict[str, str]
) -> None:
    arn = role(account, f"by-tags-{len(tags)}-{tags.get('pipeline')}-{tags.get('branch')}")
    assert code_of(account, host, arn, tags=tags).startswith("AccessDenied: ")


def test_tags_need_a_right_of_their_own_in_the_trust_policy(account: Account, host: Keys) -> None:
    told = code_of(account, host, role(account, "untagged", "sts:AssumeRole"))
    assert told.startswith("AccessDenied: ")
    assert "sts:TagSession" in told


def test_tags_need_a_right_of_their_own_of_the_caller(
    account: Account, principals: Principals
) -> None:
    principals.make_role("host-without-tags")
    allow_host(account, "host-without-tags", ["sts:AssumeRole"])
    keys = account.lab.aws.sessions.begin("host-without-tags", "i-1")[0]
    told = code_of(account, keys, role(account, "of-a-caller"))
    assert told.startswith("AccessDenied: ")
    assert "sts:TagSession" in told


def test_roles_outside_the_path_are_refused(account: Account, host: Keys) -> None:
    assert "AccessDenied" in code_of(account, host, role(account, "outside", path="/"))
    unknown = f"arn:aws:iam::{ACCOUNT}:role/ci/unknown"
    assert "AccessDenied" in code_of(account, host, unknown)


def test_a_chained_session_lasts_an_hour_at_most(account: Account, host: Keys) -> None:
    arn = role(account, "long", MaxSessionDuration=43200)
    told = code_of(account, host, arn, DurationSeconds=3601)
    assert told.startswith("ValidationError: The requested DurationSeconds exceeds the 1 hour")
    assert assume(account, host, arn, DurationSeconds=3600)


def test_a_session_lasts_no_longer_than_its_role_allows(account: Account) -> None:
    arn = role(account, "short")
    given = {
        "RoleArn": arn,
        "RoleSessionName": "of-a-person",
        "DurationSeconds": 3601,
        "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
    }
    with pytest.raises(ClientError, match="MaxSessionDuration set for this role"):
        account.client("sts").assume_role(**given)
    assert account.client("sts").assume_role(**{**given, "DurationSeconds": 3600})


def test_a_session_of_a_session_inherits_transitive_tags(account: Account, host: Keys) -> None:
    first, second = role(account, "first-of-chain"), role(account, "second-of-chain")
    allow_host(account, "first-of-chain", BOTH)
    found = assume(account, host, first, TransitiveTagKeys=["pipeline", "branch"])
    holder = account.lab.aws.credentials.holder(found["Credentials"]["AccessKeyId"])
    assert holder is not None
    found = assume(account, holder.keys, second, tags={})
    chained = account.lab.aws.credentials.holder(found["Credentials"]["AccessKeyId"])
    assert chained is not None
    assert dict(chained.principal.tags) == {"pipeline": "app", "branch": "main"}
    told = code_of(account, holder.keys, second, tags={"pipeline": "other"})
    assert "transitive" in told or "AccessDenied" in told


@pytest.mark.parametrize(
    "tags", [{**TAGS, "note": "a\nb#"}, {**TAGS, "note": "a", "Note": "b"}], ids=["marks", "twice"]
)
def test_tags_that_are_none_are_refused(account: Account, host: Keys, tags: dict[str, str]) -> None:
    arn = role(account, f"bad-tags-{len(tags)}")
    told = code_of(account, host, arn, tags=tags)
    assert told.startswith(("ValidationError", "InvalidParameterValue"))
