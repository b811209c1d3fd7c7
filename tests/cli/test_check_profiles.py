"""check-profiles without an account: that it follows the instance, and deletes all it made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.account import Account
from mayfly_cli.check_profiles import running
from mayfly_cli.check_profiles.roles import NAMES, TAG, profiles
from mayfly_cli.check_profiles.running import Follower, Options, report, rights, run
from mayfly_cli.ends import BrokenError, UsageError
from mayfly_cli.one_instance import Clock, OneInstance
from tests.cli.real_account import bare_environment, one_line
from tests.cli.real_account import run as run_command

OLD, NEW = NAMES
ID = "i-0123456789abcdef0"


# -- following -------------------------------------------------------------------------------------


@dataclass
class Time:
    """A clock whose sleep is free."""

    now: float = 1000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Ec2:
    """An instance whose metadata service follows a replacement after `delay` seconds."""

    time: Time
    delay: float = 7.0
    follows: bool = True
    flaps: bool = False
    state: str = "running"
    profile: str = OLD
    lines: list[tuple[float, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._write(self.time.now, OLD)

    def _write(self, at: float, name: str) -> None:
        line = f"mayfly-profiles|{len(self.lines) + 1}|{int(at * 1000)}|{name}|{name}|{name}\n"
        self.lines.append((at, line))

    def describe_instances(self, **_: object) -> Any:
        return {"Reservations": [{"Instances": [{"State": {"Name": self.state}}]}]}

    def get_console_output(self, **_: object) -> Any:
        return {"Output": "".join(line for at, line in self.lines if at <= self.time.now)}

    def describe_iam_instance_profile_associations(self, **_: object) -> Any:
        arn = f"arn:aws:iam::123456789012:instance-profile/{self.profile}"
        shown = {
            "AssociationId": "iip-1",
            "State": "associated",
            "IamInstanceProfile": {"Arn": arn},
        }
        return {"IamInstanceProfileAssociations": [shown]}

    def replace_iam_instance_profile_association(self, **given: Any) -> None:
        self.calls.append("replace")
        old, self.profile = self.profile, given["IamInstanceProfile"]["Name"]
        at = self.time.now + self.delay
        for name in ([self.profile, old] if self.flaps else []) + [self.profile]:
            if self.follows:
                self._write(at, name)
                at += 1.0


def followed(ec2: Ec2, runs: int, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    account = Account("123456789012", "arn:caller", "eu-central-1", None, {"ec2": ec2})
    clock = ec2.time.clock()
    follower = Follower(account, OneInstance(account, ID, clock), clock, lambda: ec2.time.now)
    status = report(follower, runs)
    return status, capsys.readouterr().out


def test_every_replacement_is_measured_to_and_fro(capsys: pytest.CaptureFixture[str]) -> None:
    ec2 = Ec2(Time())
    status, shown = followed(ec2, 4, capsys)
    assert (status, ec2.calls, ec2.profile) == (0, ["replace"] * 4, OLD)
    assert "run 4 of 4: the new role alone after 7.0 s" in shown
    assert "returned to the old profile after the new one: 0 times" in shown


def test_a_return_to_the_old_profile_makes_the_check_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, shown = followed(Ec2(Time(), flaps=True), 2, capsys)
    assert status == 1
    assert "returned to the old profile after the new one: 2 times" in shown


def test_a_service_that_never_follows_ends_the_check_in_a_bounded_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ec2 = Ec2(Time(), follows=False)
    status, shown = followed(ec2, 50, capsys)
    assert (status, ec2.calls) == (1, ["replace"])
    assert "run 1 of 50: the new role alone not within the time" in shown
    assert ec2.time.now <= 1000 + running.RUN_SECONDS + running.BOOT_SECONDS


def test_an_instance_that_ends_stops_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenError, match=f"{ID} has ended"):
        followed(Ec2(Time(), state="terminated"), 2, capsys)


# -- roles -----------------------------------------------------------------------------------------


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """moto's account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Account(
            "123456789012", "arn", "eu-central-1", boto3.Session(region_name="eu-central-1")
        )


def made(account: Account) -> list[str]:
    iam = account.client("iam")
    roles = [each["RoleName"] for each in iam.list_roles()["Roles"]]
    shown = iam.list_instance_profiles()["InstanceProfiles"]
    return [*roles, *(each["InstanceProfileName"] for each in shown)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenError, ZeroDivisionError])
def test_roles_and_profiles_are_deleted_whatever_ends_the_check(
    account: Account, error: type[BaseException]
) -> None:
    def fail() -> None:
        with profiles(account):
            assert sorted(made(account)) == sorted([*NAMES, *NAMES])
            raise error

    with pytest.raises(error):
        fail()
    assert made(account) == []


def test_the_roles_have_no_rights_and_are_ec2s_alone(account: Account) -> None:
    with profiles(account):
        iam = account.client("iam")
        for name in NAMES:
            trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            assert [each["Principal"] for each in trust["Statement"]] == [
                {"Service": "ec2.amazonaws.com"}
            ]
            assert iam.list_role_policies(RoleName=name)["PolicyNames"] == []
            assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


def test_a_role_that_somebody_else_made_is_left_alone(account: Account) -> None:
    account.client("iam").create_role(RoleName=NEW, AssumeRolePolicyDocument="{}")
    with pytest.raises(BrokenError, match=f"{NEW} exists"), profiles(account):
        pass
    assert made(account) == [NEW]


# -- the command -----------------------------------------------------------------------------------

OPTIONS = Options(2, "x86_64", None, policy=False, yes=True, region="eu-central-1")


@pytest.mark.slow
def test_instance_and_roles_of_an_account_are_gone_after_a_silent_console(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "clock_skew", lambda _: 0.0)
    assert run(OPTIONS, Time().clock()) == 1
    found = account.client("ec2").describe_instances()["Reservations"]
    (instance,) = [each for reservation in found for each in reservation["Instances"]]
    assert instance["State"]["Name"] in {"shutting-down", "terminated"}
    assert {"Key": TAG, "Value": "1"} in instance["Tags"]
    assert made(account) == []
    assert "not within the time" in capsys.readouterr().out


def test_a_wrong_clock_stops_the_check_before_anything_is_made(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "clock_skew", lambda _: -90.0)
    with pytest.raises(UsageError, match="differs from AWS's by -90 s"):
        run(OPTIONS, Time().clock())
    assert made(account) == []


def test_nothing_is_made_without_a_confirmation(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "clock_skew", lambda _: 0.0)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    asks = Options(2, "x86_64", None, policy=False, yes=False, region="eu-central-1")
    with pytest.raises(UsageError, match="give --yes"):
        run(asks)
    assert made(account) == []


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("iam:CreateRole", f"arn:aws:iam::123456789012:role/{OLD}", {}, True),
        ("iam:CreateRole", "arn:aws:iam::123456789012:role/admin", {}, False),
        ("iam:PutRolePolicy", f"arn:aws:iam::123456789012:role/{OLD}", {}, False),
        (
            "iam:PassRole",
            f"arn:aws:iam::123456789012:role/{OLD}",
            {"iam:PassedToService": "lambda.amazonaws.com"},
            False,
        ),
        (
            "ec2:ReplaceIamInstanceProfileAssociation",
            f"arn:aws:ec2:eu-central-1:123456789012:instance/{ID}",
            {f"aws:ResourceTag/{TAG}": "1"},
            True,
        ),
        (
            "ec2:ReplaceIamInstanceProfileAssociation",
            f"arn:aws:ec2:eu-central-1:123456789012:instance/{ID}",
            {"aws:ResourceTag/mayfly-stack": "mayfly"},
            False,
        ),
        (
            "ec2:TerminateInstances",
            f"arn:aws:ec2:eu-central-1:123456789012:instance/{ID}",
            {f"aws:ResourceTag/{TAG}": "1"},
            True,
        ),
    ],
)
def test_the_callers_policy_covers_the_checks_own_things_alone(
    action: str, resource: str, context: Mapping[str, str], allowed: bool
) -> None:
    request = Request(action, resource, dict(context))
    assert decide(request, rights()["Statement"]).allowed is allowed


def test_a_refused_replacement_deletes_all(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "Replace")

    monkeypatch.setattr(running, "clock_skew", lambda _: 0.0)
    monkeypatch.setattr(Follower, "_replace", refuse)
    with pytest.raises(BrokenError, match="the roles are deleted"):
        run(OPTIONS, Time().clock())
    assert made(account) == []


def test_the_policy_is_printed_without_credentials(tmp_path: Path) -> None:
    ended = run_command("check-profiles", "--policy", environment=bare_environment(tmp_path))
    assert (ended.status, json.loads(ended.out)) == (0, rights())


def test_the_command_does_not_begin_without_credentials(tmp_path: Path) -> None:
    ended = run_command(
        "check-profiles", "--region", "eu-central-1", environment=bare_environment(tmp_path)
    )
    assert "no AWS credentials" in one_line(ended)
