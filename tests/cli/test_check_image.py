"""check-image without an account: what it sends, how it follows an instance, that it ends it."""

from __future__ import annotations

import ast
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.account import Account
from mayfly_cli.check_image import running, user_data
from mayfly_cli.check_image.on_instance.order import FIRST_BOOT, THIRD_BOOT
from mayfly_cli.check_image.policy import TAG, policy
from mayfly_cli.check_image.running import Follower, Options, report, run
from mayfly_cli.check_image.verdicts import EXPECTED, KILLED, Verdicts
from mayfly_cli.ends import BrokenError, UsageError
from mayfly_cli.one_instance import (
    TERMINATE_TRIES,
    Clock,
    OneInstance,
    Wanted,
    launched,
    request,
)
from tests.cli.real_account import bare_environment, one_line
from tests.cli.real_account import run as run_command

ID = "i-0123456789abcdef0"
SENT = {"TagSpecifications": [{"Tags": [{"Key": TAG, "Value": "1"}]}]}
OPTIONS = Options("x86_64", None, dry_run=False, policy=False, yes=True, region="eu-central-1")


def line(word: str, scenario: str, text: str = "seen") -> str:
    return f"[  12.3] noise\nmayfly-check|{word}|{scenario}|{text}\r\n"


FIRST = "".join(line("ok", name) for name in FIRST_BOOT) + line("ready", "power-button")
SECOND = line("ok", "power-button")
THIRD = "".join(line("ok", name) for name in THIRD_BOOT) + line("ready", KILLED)


# -- what is sent ----------------------------------------------------------------------------------


def test_the_user_data_is_small_enough_and_is_the_script_packed() -> None:
    packed = user_data.compressed()
    assert len(packed) <= user_data.LARGEST
    assert gzip.decompress(packed).decode() == user_data.script()


def test_the_user_data_writes_files_that_can_be_read(tmp_path: Path) -> None:
    script = user_data.script().replace("/opt/mayfly-check", str(tmp_path))
    script = script.replace("/etc/systemd/system/mayfly", f"{tmp_path}/mayfly")
    stand_in = tmp_path / "systemctl"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    stand_in.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    subprocess.run(["bash", "-c", script], check=True, env={"PATH": path}, timeout=30)
    sources = {path.name: path.read_text() for path in user_data.ON_INSTANCE.glob("*.py")}
    assert {path.name: path.read_text() for path in tmp_path.glob("on_instance/*.py")} == sources
    assert json.loads((tmp_path / "settings.json").read_text()) == user_data.settings()
    assert (tmp_path / "asked").read_text().splitlines()[-1].startswith("start --no-block")


def test_the_script_of_the_instance_is_python_39_and_imports_the_standard_library_alone() -> None:
    for path in user_data.ON_INSTANCE.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        nodes = list(ast.walk(tree))
        assert not [node for node in nodes if isinstance(node, ast.Match)]
        named = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
        named |= {
            str(node.module)
            for node in nodes
            if isinstance(node, ast.ImportFrom) and not node.level
        }
        assert {name.partition(".")[0] for name in named} <= set(sys.stdlib_module_names), path


def test_the_settings_name_the_units_of_user_data_and_the_rules_of_each_mode() -> None:
    found: Any = user_data.settings()
    assert {"amazon-ssm-agent.service", "amazon-cloudwatch-agent.service"} <= set(found["masked"])
    assert not [unit for unit in found["masked"] if unit.startswith("mayfly")]
    assert found["rules"].keys() == {"off", "supervisor", "job"}
    assert "reject" not in found["rules"]["job"]
    assert "skuid 0 accept" in found["rules"]["supervisor"]


def test_the_instance_ends_by_its_own_power_off_and_has_neither_role_nor_key() -> None:
    sent = request(Wanted(TAG, "ami-1", "arm64", user_data.compressed(), "subnet-1"))
    assert sent["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert not {"IamInstanceProfile", "KeyName"} & sent.keys()
    assert (sent["SubnetId"], sent["InstanceType"]) == ("subnet-1", "t4g.small")
    tags = {each["ResourceType"]: each["Tags"] for each in sent["TagSpecifications"]}
    assert {"Key": TAG, "Value": "1"} in tags["instance"]
    assert {"Key": TAG, "Value": "1"} in tags["volume"]


# -- the rights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "context", "allowed"),
    [
        ("ec2:TerminateInstances", {f"aws:ResourceTag/{TAG}": "1"}, True),
        ("ec2:TerminateInstances", {}, False),
        ("ec2:StopInstances", {f"aws:ResourceTag/{TAG}": "1"}, True),
        ("ec2:GetConsoleOutput", {}, False),
        ("ec2:RunInstances", {f"aws:RequestTag/{TAG}": "1"}, True),
        ("ec2:RunInstances", {}, False),
        ("ec2:CreateTags", {"ec2:CreateAction": "RunInstances"}, True),
        ("ec2:CreateTags", {}, False),
    ],
)
def test_the_policy_allows_only_what_the_check_does_to_its_own_instance(
    action: str, context: Mapping[str, str], allowed: bool
) -> None:
    arn = f"arn:aws:ec2:eu-central-1:123456789012:instance/{ID}"
    statements = policy()["Statement"]
    assert decide(Request(action, arn, dict(context)), statements).allowed is allowed


# -- following -------------------------------------------------------------------------------------


@dataclass
class Time:
    """A clock whose sleep is free."""

    now: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Ec2:
    """One instance that goes through its boots. `reason` is EC2's for its end."""

    reason: str = "Client.InstanceInitiatedShutdown"
    ignores_kill: bool = False
    console: str = FIRST
    state: str = "running"
    calls: list[str] = field(default_factory=list)
    refusals: int = 0

    def describe_instances(self, **_: object) -> Any:
        shown = {"State": {"Name": self.state}, "StateReason": {"Code": self.reason}}
        answer = {"Reservations": [{"Instances": [shown]}]}
        if KILLED in self.console and not self.ignores_kill:
            self.state = "terminated"
        return answer

    def get_console_output(self, **_: object) -> Any:
        return {"Output": self.console}

    def stop_instances(self, **_: object) -> None:
        self.calls.append("stop")
        self.state = "stopped"

    def start_instances(self, **_: object) -> None:
        self.calls.append("start")
        # The console of an earlier boot is gone: EC2 keeps 64 KB.
        self.state, self.console = "running", SECOND + THIRD

    def terminate_instances(self, **_: object) -> None:
        self.calls.append("terminate")
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "RequestLimitExceeded"}}, "TerminateInstances")

    def run_instances(self, **_: object) -> Any:
        self.calls.append("run")
        return {"Instances": [{"InstanceId": ID}]}


def account(ec2: Ec2) -> Account:
    return Account("123456789012", "arn:caller", "eu-central-1", None, {"ec2": ec2})


def followed(ec2: Ec2, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    clock = Time().clock()
    status = report(Follower(OneInstance(account(ec2), ID, clock), clock))
    return status, capsys.readouterr().out


def test_an_instance_is_stopped_started_and_followed_to_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ec2 = Ec2()
    status, shown = followed(ec2, capsys)
    assert (status, ec2.calls) == (0, ["stop", "start"])
    assert shown.splitlines()[-1] == f"{len(EXPECTED)} ok, 0 bad, 0 skipped"
    assert "the kill switched the machine off" in shown


@pytest.mark.parametrize("word", ["bad", "skip"])
def test_only_a_bad_verdict_makes_the_check_fail(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ec2 = Ec2(console=FIRST.replace("|ok|memory|", f"|{word}|memory|"))
    status, shown = followed(ec2, capsys)
    assert status == (1 if word == "bad" else 0)
    assert f"{word:<6}memory" in shown


def test_a_scenario_without_a_verdict_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = followed(Ec2(console=FIRST.replace("imds-off", "imds-of")), capsys)
    assert status == 1
    assert "bad   imds-off           no verdict came from the instance" in shown


def test_an_instance_that_survives_the_kill_of_its_supervisor_is_bad(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, shown = followed(Ec2(ignores_kill=True), capsys)
    assert status == 1
    assert f"bad   {KILLED}" in shown


def test_an_end_by_somebody_else_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = followed(Ec2(reason="Client.UserInitiatedShutdown"), capsys)
    assert status == 1
    assert "EC2's reason: Client.UserInitiatedShutdown" in shown


def test_a_silent_instance_ends_the_check_in_a_bounded_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    time = Time()
    ec2 = Ec2(console="")
    status = report(Follower(OneInstance(account(ec2), ID, time.clock()), time.clock()))
    assert (status, ec2.calls) == (1, [])
    assert time.now <= running.MOST_SECONDS + running.PAUSE
    assert f"0 ok, {len(EXPECTED)} bad" in capsys.readouterr().out


def test_a_verdict_that_the_console_repeats_is_read_once() -> None:
    verdicts = Verdicts()
    assert len(verdicts.read(FIRST)) == len(FIRST_BOOT) + 1
    assert verdicts.read(FIRST + SECOND) == Verdicts().read(SECOND)


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenError, ZeroDivisionError])
def test_the_instance_is_terminated_whatever_ends_the_check(error: type[BaseException]) -> None:
    ec2 = Ec2()
    with pytest.raises(error), launched(account(ec2), SENT, Time().clock()):
        raise error
    assert ec2.calls == ["run", "terminate"]


def test_a_termination_that_ec2_throttles_is_tried_again() -> None:
    ec2 = Ec2(refusals=TERMINATE_TRIES - 1)
    with launched(account(ec2), SENT, Time().clock()):
        pass
    assert ec2.calls.count("terminate") == TERMINATE_TRIES


def test_a_termination_that_ec2_refuses_names_the_instance() -> None:
    ec2 = Ec2(refusals=TERMINATE_TRIES)
    ended = pytest.raises(BrokenError, match=f"{ID}.* could not be terminated")
    with ended, launched(account(ec2), SENT, Time().clock()):
        pass


def test_a_refused_launch_says_that_nothing_was_launched() -> None:
    error = ClientError({"Error": {"Code": "InsufficientInstanceCapacity"}}, "RunInstances")
    with pytest.raises(BrokenError, match=r"launched nothing: .*InsufficientInstanceCapacity"):
        launch(error)


def test_a_launch_without_an_answer_names_the_tag_to_look_for() -> None:
    with pytest.raises(BrokenError, match=f"did not say whether it launched.*{TAG}"):
        launch(ReadTimeoutError(endpoint_url="https://ec2"))


def launch(error: Exception) -> None:
    """Launch where RunInstances fails with this error."""
    ec2 = Ec2()

    def refuse(**_: object) -> None:
        raise error

    vars(ec2)["run_instances"] = refuse
    with launched(account(ec2), SENT, Time().clock()):
        pass
    raise AssertionError("an instance was launched")


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """moto's account with Amazon's public parameters. Returns what lists its instances."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        ec2: Any = boto3.client("ec2", "eu-central-1")

        def instances() -> list[Any]:
            found = ec2.describe_instances()["Reservations"]
            return [each for reservation in found for each in reservation["Instances"]]

        yield instances


def test_a_dry_run_launches_nothing(
    moto: Callable[[], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    dry = Options("arm64", None, dry_run=True, policy=False, yes=False, region="eu-central-1")
    assert run(dry) == 0
    assert moto() == []
    shown = capsys.readouterr().out
    assert "one t4g.small" in shown
    assert "USD" in shown


def test_nothing_is_launched_without_a_confirmation(
    moto: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    asks = Options("x86_64", None, dry_run=False, policy=False, yes=False, region="eu-central-1")
    with pytest.raises(UsageError, match="give --yes"):
        run(asks)
    assert moto() == []


@pytest.mark.parametrize("typed", ["", "yes\n"])
def test_nothing_is_launched_without_the_word_that_confirms(
    typed: str, moto: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.StringIO(typed)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    asks = Options("x86_64", None, dry_run=False, policy=False, yes=False, region="eu-central-1")
    with pytest.raises(UsageError, match="nothing was launched"):
        run(asks)
    assert moto() == []


def test_the_instance_of_an_account_is_terminated_though_its_console_says_nothing(
    moto: Callable[[], list[Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "MOST_SECONDS", 3 * running.PAUSE)
    assert run(OPTIONS, Time().clock()) == 1
    (instance,) = moto()
    assert instance["State"]["Name"] in {"shutting-down", "terminated"}
    assert {"Key": TAG, "Value": "1"} in instance["Tags"]
    assert "no verdict came from the instance" in capsys.readouterr().out


def test_the_command_does_not_begin_without_credentials(tmp_path: Path) -> None:
    ended = run_command(
        "check-image", "--region", "eu-central-1", environment=bare_environment(tmp_path)
    )
    assert "no AWS credentials" in one_line(ended)


def test_the_policy_is_printed_without_credentials(tmp_path: Path) -> None:
    ended = run_command("check-image", "--policy", environment=bare_environment(tmp_path))
    assert (ended.status, json.loads(ended.out)) == (0, policy())
