"""The promises of the small ports, held by their fakes and by SSM, SQS, IAM and logs alike."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mayfly.adapters.aws.iam import FRESH, IamRoles
from mayfly.adapters.aws.logs import LogGroup
from mayfly.adapters.aws.sqs import SqsNudges
from mayfly.adapters.aws.ssm import SsmParameters
from mayfly.answers import Parameter, Policy, Role
from mayfly.errors import Misconfigured, NotFound
from mayfly.ports import LastWords, Nudges, Parameters, Roles
from mayfly_fakes import FakeLastWords, FakeNudges, FakeParameters, FakeRoles

ClientOf = Callable[[str], Any]
NOW = datetime.now(UTC).replace(microsecond=123000)

# -- Parameters --------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "ssm"])
def parameters(
    request: pytest.FixtureRequest, client_of: ClientOf
) -> Iterator[tuple[Parameters, Callable[..., None]]]:
    if request.param == "fake":
        fake = FakeParameters()
        yield fake, lambda name, value, kind="String": fake.put(name, value, kind=kind)
        return
    request.getfixturevalue("aws")
    ssm, names = client_of("ssm"), set()

    def put(name: str, value: str, kind: str = "String") -> None:
        ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)
        names.add(name)

    yield SsmParameters(ssm), put
    for name in names:
        ssm.delete_parameter(Name=name)


def test_parameters_below_a_path_are_read_at_any_depth(
    parameters: tuple[Parameters, Callable[..., None]],
) -> None:
    port, put = parameters
    deep = {f"/mayfly/ci/queues/deploy/policy/rules/r{n:02}": f"v{n}" for n in range(25)}
    for name, value in {**deep, "/mayfly/ci/queues/deploy/paused": "true"}.items():
        put(name, value)
    put("/mayfly/ci/queues/deployment/paused", "not ours")
    found = port.under("/mayfly/ci/queues/deploy")
    assert {name: kept.value for name, kept in found.items()} == {
        **deep,
        "/mayfly/ci/queues/deploy/paused": "true",
    }
    assert port.under("/mayfly/ci/queues/deploy/") == found
    assert port.under("/mayfly/ci/queues/none") == {}


def test_the_version_of_a_parameter_counts_its_writes(
    parameters: tuple[Parameters, Callable[..., None]],
) -> None:
    port, put = parameters
    put("/mayfly/ci/a", "1")
    put("/mayfly/ci/a", "2")
    assert port.under("/mayfly/ci") == {"/mayfly/ci/a": Parameter("2", 2)}


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_parameter_is_read_with_its_type_and_never_decrypted(
    parameters: tuple[Parameters, Callable[..., None]], kind: str
) -> None:
    port, put = parameters
    put("/mayfly/ci/a", "plain", kind)
    [found] = port.under("/mayfly/ci").values()
    assert found.kind == kind
    assert (found.value == "plain") is (kind != "SecureString")


def test_values_are_read_by_name_and_are_none_for_missing_names(
    parameters: tuple[Parameters, Callable[..., None]],
) -> None:
    port, put = parameters
    names = [f"/buildkite/pipelines/p{n}/repository" for n in range(23)]
    for name in names:
        put(name, f"git@{name}")
    missing = "/buildkite/pipelines/none/repository"
    wanted = [*names, names[0], missing]
    assert port.values(wanted) == {
        **{name: Parameter(f"git@{name}", 1) for name in names},
        missing: None,
    }
    assert port.values([]) == {}


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_value_is_read_by_name_with_its_type_and_never_decrypted(
    parameters: tuple[Parameters, Callable[..., None]], kind: str
) -> None:
    port, put = parameters
    put("/vendors/global/allowed_pipelines", "web", kind)
    (found,) = port.values(["/vendors/global/allowed_pipelines"]).values()
    assert found is not None
    assert found.kind == kind
    assert (found.value == "web") is (kind != "SecureString")


# -- Nudges ------------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "sqs"])
def nudges(
    request: pytest.FixtureRequest, client_of: ClientOf
) -> Iterator[tuple[Nudges, Callable[[], list[str]]]]:
    if request.param == "fake":
        fake = FakeNudges()
        yield fake, lambda: fake.sent
        return
    request.getfixturevalue("aws")
    sqs = client_of("sqs")
    url = sqs.create_queue(QueueName="nudge")["QueueUrl"]

    def received() -> list[str]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"])["reason"] for message in answer.get("Messages", [])]

    yield SqsNudges(sqs, url), received
    sqs.delete_queue(QueueUrl=url)


def test_a_nudge_carries_its_reason(nudges: tuple[Nudges, Callable[[], list[str]]]) -> None:
    port, received = nudges
    port.send("2 jobs wait")
    port.send('a host is "gone"')
    assert sorted(received()) == ["2 jobs wait", 'a host is "gone"']


def test_a_delayed_nudge_arrives_later(nudges: tuple[Nudges, Callable[[], list[str]]]) -> None:
    port, received = nudges
    port.send("now")
    if isinstance(port, FakeNudges):
        port.send("later", timedelta(seconds=0.2))
        assert port.delays == [timedelta(0), timedelta(seconds=0.2)]
        return
    port.send("later", timedelta(seconds=0.2))
    port.send("much later", timedelta(days=1))  # longer than SQS allows
    assert received() == ["now"]
    until = time.monotonic() + 10
    while not (found := received()):
        assert time.monotonic() < until
    assert found == ["later"]


def test_a_missing_sqs_queue_is_a_misconfiguration(aws: None, client_of: ClientOf) -> None:
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/none"
    with pytest.raises(Misconfigured):
        SqsNudges(client_of("sqs"), url).send("anything")


# -- LastWords ---------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "logs"])
def words(
    request: pytest.FixtureRequest, client_of: ClientOf
) -> Iterator[tuple[LastWords, Callable[[str], list[tuple[datetime, str]]]]]:
    if request.param == "fake":
        fake = FakeLastWords()
        yield fake, lambda stream: fake.kept.get(stream, [])
        return
    request.getfixturevalue("aws")
    logs = client_of("logs")
    logs.create_log_group(logGroupName="/mayfly/ci/last-words")

    def read(stream: str) -> list[tuple[datetime, str]]:
        answer = logs.get_log_events(
            logGroupName="/mayfly/ci/last-words", logStreamName=stream, startFromHead=True
        )
        return [
            (datetime.fromtimestamp(event["timestamp"] / 1000, UTC), event["message"])
            for event in answer["events"]
        ]

    yield LogGroup(logs, "/mayfly/ci/last-words"), read
    logs.delete_log_group(logGroupName="/mayfly/ci/last-words")


def test_last_words_are_kept_in_a_log_stream_for_each_instance(
    words: tuple[LastWords, Callable[[str], list[tuple[datetime, str]]]],
) -> None:
    port, read = words
    port.keep("i-1", "script failed\nexit 3", NOW)
    port.keep("i-1", "console: …", NOW + timedelta(seconds=1))
    port.keep("i-2", "no network", NOW)
    assert read("i-1") == [
        (NOW, "script failed\nexit 3"),
        (NOW + timedelta(seconds=1), "console: …"),
    ]
    assert read("i-2") == [(NOW, "no network")]


def test_a_missing_log_group_is_a_misconfiguration(aws: None, client_of: ClientOf) -> None:
    with pytest.raises(Misconfigured, match="/mayfly/none"):
        LogGroup(client_of("logs"), "/mayfly/none").keep("i-1", "words", NOW)


# -- Roles -------------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "iam"])
def roles(
    request: pytest.FixtureRequest, client_of: ClientOf
) -> Iterator[tuple[Roles, Callable[[str, int], str]]]:
    """The port, and a function that makes a role with `count` policies and returns its ARN."""
    if request.param == "fake":
        fake = FakeRoles()

        def attach(name: str, count: int) -> str:
            arn = f"arn:aws:iam::123456789012:role/mayfly/ci/{name}"
            fake.attached[arn] = frozenset(
                f"arn:aws:iam::123456789012:policy/{name}-{n}" for n in range(count)
            )
            return arn

        yield fake, attach
        return
    request.getfixturevalue("aws")
    iam = client_of("iam")

    def make(name: str, count: int) -> str:
        role = iam.create_role(
            RoleName=name, Path="/mayfly/ci/", AssumeRolePolicyDocument=DOCUMENTS["trust"]
        )
        for number in range(count):
            statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
            document = {"Version": "2012-10-17", "Statement": [statement]}
            policy = iam.create_policy(
                PolicyName=f"{name}-{number}", PolicyDocument=json.dumps(document)
            )
            iam.attach_role_policy(RoleName=name, PolicyArn=policy["Policy"]["Arn"])
        return str(role["Role"]["Arn"])

    yield IamRoles(iam), make


def test_the_managed_policies_of_a_role_are_returned(
    roles: tuple[Roles, Callable[[str, int], str]],
) -> None:
    port, make = roles
    several, none = make("sandbox", 3), make("bare", 0)
    arns = {f"arn:aws:iam::123456789012:policy/sandbox-{n}" for n in range(3)}
    assert port.policies(several) == arns
    assert port.policies(none) == frozenset()


def test_iam_is_asked_again_once_its_answer_is_stale(aws: None, client_of: ClientOf) -> None:
    iam, now = client_of("iam"), [0.0]
    role = iam.create_role(RoleName="changing", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    port = IamRoles(iam, lambda: now[0])
    assert port.policies(role) == frozenset()
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    added = iam.create_policy(PolicyName="added", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="changing", PolicyArn=added)
    now[0] += FRESH - 1
    assert port.policies(role) == frozenset()
    now[0] += 1
    assert port.policies(role) == {added}


def test_an_unknown_role_is_not_found(roles: tuple[Roles, Callable[[str, int], str]]) -> None:
    with pytest.raises(NotFound):
        roles[0].policies("arn:aws:iam::123456789012:role/mayfly/ci/none")


ROLE_DOCUMENTS: dict[str, Any] = {
    "trust": {"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    "inline": {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/%b c"},
    "attached": {"NotAction": "iam:*", "Resource": "*"},
    "boundary": {"Action": "*", "Resource": "*"},
}
STATEMENTS = {name: {"Effect": "Allow", **part} for name, part in ROLE_DOCUMENTS.items()}
DOCUMENTS = {
    name: json.dumps({"Version": "2012-10-17", "Statement": part})
    for name, part in STATEMENTS.items()
}


@pytest.fixture(params=["fake", "iam"])
def whole_role(request: pytest.FixtureRequest, client_of: ClientOf) -> tuple[Roles, str, str]:
    """The port, the ARN of a role with a document of every kind, and the role's id."""
    ours = "arn:aws:iam::123456789012"
    if request.param == "fake":
        fake, arn = FakeRoles(), f"{ours}:role/mayfly/ci/whole"
        policies = [
            Policy("inline", (STATEMENTS["inline"],)),
            Policy(f"{ours}:policy/attached", (STATEMENTS["attached"],)),
        ]
        boundary = Policy(f"{ours}:policy/boundary", (STATEMENTS["boundary"],))
        trust = (STATEMENTS["trust"],)
        fake.attached[arn] = frozenset({policies[1].name})
        fake.roles[arn] = Role(arn, "AROAWHOLE", trust, tuple(policies), boundary)
        return fake, arn, "AROAWHOLE"
    request.getfixturevalue("aws")
    iam = client_of("iam")
    for name in ("attached", "boundary"):
        iam.create_policy(PolicyName=name, PolicyDocument=DOCUMENTS["inline"])
        iam.create_policy_version(
            PolicyArn=f"{ours}:policy/{name}", PolicyDocument=DOCUMENTS[name], SetAsDefault=True
        )
    role = iam.create_role(
        RoleName="whole",
        Path="/mayfly/ci/",
        AssumeRolePolicyDocument=DOCUMENTS["trust"],
        PermissionsBoundary=f"{ours}:policy/boundary",
    )["Role"]
    iam.put_role_policy(RoleName="whole", PolicyName="inline", PolicyDocument=DOCUMENTS["inline"])
    iam.attach_role_policy(RoleName="whole", PolicyArn=f"{ours}:policy/attached")
    return IamRoles(iam), role["Arn"], role["RoleId"]


def test_a_role_is_read_with_every_document(whole_role: tuple[Roles, str, str]) -> None:
    port, arn, id_ = whole_role
    role = port.role(arn)
    assert (role.arn, role.id) == (arn, id_)
    assert role.trust == (STATEMENTS["trust"],)
    assert {policy.name: policy.statements for policy in role.policies} == {
        "inline": (STATEMENTS["inline"],),
        "arn:aws:iam::123456789012:policy/attached": (STATEMENTS["attached"],),
    }
    assert role.boundary is not None
    assert role.boundary.statements == (STATEMENTS["boundary"],)
    assert role.attached == port.policies(arn)


def test_a_role_without_policies_and_boundary_is_read(
    roles: tuple[Roles, Callable[[str, int], str]],
) -> None:
    port, make = roles
    role = port.role(make("plain", 0))
    assert (role.policies, role.boundary) == ((), None)


def test_an_unknown_role_is_not_read(roles: tuple[Roles, Callable[[str, int], str]]) -> None:
    with pytest.raises(NotFound):
        roles[0].role("arn:aws:iam::123456789012:role/mayfly/ci/none")
