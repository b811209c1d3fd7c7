"""One instance of a check: launched, read, stopped, started, and always terminated."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.account import Account
from mayfly_cli.ends import BrokenError, UsageError

TYPES = {"x86_64": "t3.small", "arm64": "t4g.small"}
"""Types on Nitro, which alone show the latest console and serve metadata over IPv6."""
_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
_NOT_YET = frozenset({"InvalidInstanceID.NotFound"})
GONE = frozenset({"shutting-down", "terminated"})
TERMINATE_TRIES, TERMINATE_PAUSE = 10, 3.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that never go back, and sleep."""

    seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance as EC2 shows it."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class OneInstance:
    """The launched instance."""

    account: Account
    id: str
    clock: Clock = field(default_factory=Clock)

    def seen(self) -> Seen:
        """State and reason. An instance that EC2 does not show yet is `pending`."""
        try:
            answer = self._ec2.describe_instances(InstanceIds=[self.id])
        except ClientError as error:
            if code_of(error) in _NOT_YET:
                return Seen("pending", "")
            raise
        (shown,) = answer["Reservations"][0]["Instances"]
        reason = (shown.get("StateReason") or {}).get("Code", "")
        return Seen(shown["State"]["Name"], reason)

    def console(self) -> str:
        """The console's last 64 KB; the latest ones where EC2 has them."""
        try:
            answer = self._ec2.get_console_output(InstanceId=self.id, Latest=True)
        except ClientError as error:
            if code_of(error) not in {"UnsupportedOperation", "IncorrectInstanceState", *_NOT_YET}:
                raise
            with contextlib.suppress(ClientError):
                return str(self._ec2.get_console_output(InstanceId=self.id).get("Output") or "")
            return ""
        return str(answer.get("Output") or "")

    def stop(self) -> None:
        """Press the power button, without the end of the instance."""
        self._ec2.stop_instances(InstanceIds=[self.id])

    def start(self) -> None:
        """Switch the stopped instance on again."""
        self._ec2.start_instances(InstanceIds=[self.id])

    def terminate(self) -> None:
        """Terminate, trying again while EC2 fails. Raises BrokenError where EC2 keeps failing."""
        why: Exception | None = None
        for _ in range(TERMINATE_TRIES):
            try:
                self._ec2.terminate_instances(InstanceIds=[self.id])
            except (ClientError, BotoCoreError) as error:
                why = error
                self.clock.sleep(TERMINATE_PAUSE)
            else:
                return
        raise BrokenError(
            f"instance {self.id} in {self.account.region} could not be terminated: {why}. "
            f"Terminate it: aws ec2 terminate-instances --instance-ids {self.id}"
        )

    @property
    def _ec2(self) -> Any:
        return self.account.client("ec2")


def image(account: Account, architecture: str) -> str:
    """Id of the Amazon Linux 2023 image that Amazon's public parameter names now."""
    name = _PARAMETER.format(architecture)
    return str(account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a check launches."""

    tag: str
    """Key of the tag, with the value `1`, by which the caller's rights know the instance."""
    image: str
    architecture: str
    user_data: bytes
    subnet: str | None
    profile: str | None = None
    """Name of the instance profile."""


def request(wanted: Wanted) -> dict[str, Any]:
    """The request of RunInstances. The instance ends by its own power-off."""
    tags = [{"Key": wanted.tag, "Value": "1"}, {"Key": "Name", "Value": wanted.tag}]
    place = {"SubnetId": wanted.subnet} if wanted.subnet else {}
    role = {"IamInstanceProfile": {"Name": wanted.profile}} if wanted.profile else {}
    return {
        "ImageId": wanted.image,
        "InstanceType": TYPES[wanted.architecture],
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "UserData": wanted.user_data,
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "HttpEndpoint": "enabled",
            "HttpProtocolIpv6": "enabled",
        },
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")
        ],
        **place,
        **role,
    }


def allowed(account: Account, sent: dict[str, Any]) -> None:
    """Ask EC2 whether it would launch. Raises UsageError with EC2's refusal."""
    try:
        account.client("ec2").run_instances(**sent, DryRun=True)
    except ClientError as error:
        if code_of(error) != "DryRunOperation":
            raise UsageError(f"EC2 would not launch the instance: {error}") from error


@contextlib.contextmanager
def launched(account: Account, sent: dict[str, Any], clock: Clock) -> Iterator[OneInstance]:
    """The launched instance; terminated at the end of the block, however the block ends.

    Raises BrokenError when EC2 launches none, or does not say whether it did. An instance that
    nobody knows of ends itself.
    """
    try:
        answer = account.client("ec2").run_instances(**sent)
    except ClientError as error:
        raise BrokenError(f"EC2 launched nothing: {error}") from error
    except BotoCoreError as error:
        raise BrokenError(
            f"EC2 did not say whether it launched: {error}. Look for instances with the tag "
            f"{_tag_of(sent)}; one that was launched terminates itself"
        ) from error
    instance = OneInstance(account, answer["Instances"][0]["InstanceId"], clock)
    try:
        sys.stdout.write(f"launched {instance.id}\n")
        yield instance
    finally:
        instance.terminate()
        sys.stdout.write(f"terminated {instance.id}\n")


def _tag_of(sent: dict[str, Any]) -> str:
    return str(sent["TagSpecifications"][0]["Tags"][0]["Key"])
