"""Runs check-profiles: makes roles and the instance, replaces profiles, prints what was seen."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import json
import shlex
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.account import Account, open_account
from mayfly_cli.check_image import policy as check_image_policy
from mayfly_cli.check_profiles.readings import Reading, Switch, read, summary, switch
from mayfly_cli.check_profiles.roles import NAMES, TAG, policy, profiles
from mayfly_cli.confirmation import confirmed
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError
from mayfly_cli.one_instance import (
    GONE,
    TYPES,
    Clock,
    OneInstance,
    Wanted,
    image,
    launched,
    request,
)

RUN_SECONDS = 600.0
"""The longest that one replacement is waited for."""
QUIET_SECONDS = 15.0
"""A run ends when nothing has changed for so long after all paths named the new role."""
BOOT_SECONDS = 300.0
MOST_SECONDS = 4 * 3600.0
"""Time of all runs. The instance ends itself ten minutes later."""
PAUSE = 5.0
_PROPAGATION_TRIES = 12
MOST_SKEW = 2.0
"""Seconds by which the caller's clock may differ from AWS's, whose Date has whole seconds."""
_SCRIPT = """\
#!/bin/bash
# An error switches the machine off, which terminates the instance.
trap 'systemctl poweroff' ERR
set -Eeuo pipefail
cat >/run/watch.py <<'END_OF_FILE'
{watch}END_OF_FILE
systemd-run --quiet --unit=mayfly-check-profiles --property=FailureAction=poweroff {run}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    runs: int
    architecture: str
    subnet: str | None
    policy: bool
    yes: bool
    region: str | None


def run(options: Options, clock: Clock | None = None) -> int:
    """Run the check. Returns the exit status.

    Raises:
        UsageError: the account cannot be opened, the clock is wrong, or nobody can confirm.
        BrokenError: AWS refused a call; instance and roles are deleted.
    """
    if options.policy:
        sys.stdout.write(json.dumps(rights(), indent=2) + "\n")
        return WELL
    account = open_account(options.region)
    try:
        newest = image(account, options.architecture)
        skew = clock_skew(account)
    except (ClientError, BotoCoreError) as error:
        raise UsageError(str(error)) from error
    if abs(skew) > MOST_SKEW:
        raise UsageError(f"this machine's clock differs from AWS's by {skew:.0f} s: set it first")
    _announce(account, options, newest)
    if not options.yes and not confirmed(TAG, "make roles and launch"):
        raise UsageError("nothing was made")
    wanted = Wanted(
        TAG, newest, options.architecture, user_data(), options.subnet, profile=NAMES[0]
    )
    return _measure(account, options.runs, request(wanted), clock or Clock())


def rights() -> dict[str, Any]:
    """The policy document of the caller's rights: those of a launch, and those of profiles."""
    launch = json.dumps(check_image_policy.policy()).replace(check_image_policy.TAG, TAG)
    both = json.loads(launch)
    both["Statement"] += policy()["Statement"]
    return dict(both)


def user_data() -> bytes:
    """The user data: a script that starts the watch as a unit, packed as cloud-init unpacks it."""
    watch = Path(__file__).with_name("watch.py").read_text(encoding="utf-8")
    minutes = str(MOST_SECONDS / 60 + 10)
    program = shlex.join(("/usr/bin/python3", "-IS", "/run/watch.py", minutes, *NAMES))
    return gzip.compress(_SCRIPT.format(watch=watch, run=program).encode(), mtime=0)


def clock_skew(account: Account) -> float:
    """Seconds by which this machine's clock is ahead of AWS's."""
    answer = account.client("sts").get_caller_identity()
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return time.time() - email.utils.parsedate_to_datetime(told).timestamp()
    except ValueError as error:
        raise UsageError(f"AWS told no time: {told!r}") from error


def _announce(account: Account, options: Options, newest: str) -> None:
    sys.stdout.write(
        f"In account {account.id}, {account.region}, check-profiles will make the roles and\n"
        f"profiles {NAMES[0]} and {NAMES[1]}, without any right, and\n"
        f"launch one {TYPES[options.architecture]} of {newest}, tagged {TAG}=1, without key.\n"
        f"It will replace the instance's profile {options.runs} times, and delete all at its end.\n"
        f"That takes about {options.runs} minutes, 4 hours at most, and costs less than 0.30 USD.\n"
    )


def _measure(account: Account, runs: int, sent: dict[str, Any], clock: Clock) -> int:
    try:
        with profiles(account):
            _wait_for_profile(account, sent, clock)
            with launched(account, sent, clock) as instance:
                return report(Follower(account, instance, clock), runs)
    except (ClientError, BotoCoreError) as error:
        raise BrokenError(f"{error}; the instance is terminated, the roles are deleted") from error


def _wait_for_profile(account: Account, sent: dict[str, Any], clock: Clock) -> None:
    """Wait until EC2 knows the new profile. Raises UsageError if EC2 would not launch."""
    for _ in range(_PROPAGATION_TRIES):
        try:
            account.client("ec2").run_instances(**sent, DryRun=True)
        except ClientError as error:
            if code_of(error) == "DryRunOperation":
                return
            if code_of(error) != "InvalidParameterValue":
                raise UsageError(f"EC2 would not launch the instance: {error}") from error
        clock.sleep(PAUSE)
    raise BrokenError(f"EC2 does not know {NAMES[0]} after {_PROPAGATION_TRIES * PAUSE:g} s")


@dataclass(slots=True)
class Follower:
    """Replaces the profile of the instance, and follows what the instance sees."""

    account: Account
    instance: OneInstance
    clock: Clock
    now: Callable[[], float] = time.time
    """Seconds since the epoch, which the instance's clock tells too."""
    _readings: dict[int, Reading] = field(default_factory=dict)

    def switches(self, runs: int) -> Generator[Switch]:
        """Each replacement's times; ends early with a run that does not come to its end."""
        end = self.clock.seconds() + MOST_SECONDS
        self._wait(NAMES[0], BOOT_SECONDS, 0)
        for number in range(runs):
            if self.clock.seconds() > end:
                return
            away, to = NAMES[number % 2], NAMES[(number + 1) % 2]
            asked = self.now()
            self._replace(to)
            associated = self._associated(to)
            self._wait(to, RUN_SECONDS, asked)
            seen = switch(to, away, asked, associated, self._readings.values())
            yield seen
            if seen.whole is None:
                return

    def _replace(self, to: str) -> None:
        ec2 = self.account.client("ec2")
        (now,) = self._associations()
        ec2.replace_iam_instance_profile_association(
            AssociationId=now["AssociationId"], IamInstanceProfile={"Name": to}
        )

    def _associated(self, to: str) -> float | None:
        """When EC2 first showed the new association; None within the time of a run."""
        end = self.clock.seconds() + RUN_SECONDS
        while self.clock.seconds() < end:
            shown = self._associations()
            if [_name(each) for each in shown if each["State"] == "associated"] == [to]:
                return self.now()
            self.clock.sleep(1)
        return None

    def _associations(self) -> list[Any]:
        """The associations that are on or coming."""
        answer = self.account.client("ec2").describe_iam_instance_profile_associations(
            Filters=[
                {"Name": "instance-id", "Values": [self.instance.id]},
                {"Name": "state", "Values": ["associating", "associated"]},
            ]
        )
        return list(answer["IamInstanceProfileAssociations"])

    def _wait(self, name: str, seconds: float, since: float) -> None:
        """Wait until the instance has seen `name` alone and nothing else for QUIET_SECONDS.

        Raises BrokenError for an instance that is gone.
        """
        end, quiet, known = self.clock.seconds() + seconds, 0.0, -1
        while self.clock.seconds() < end and quiet < QUIET_SECONDS:
            if self.instance.seen().state in GONE:
                raise BrokenError(f"instance {self.instance.id} has ended; its console says why")
            self._readings = read(self.instance.console(), self._readings)
            last = self._readings[max(self._readings)] if self._readings else None
            arrived = last is not None and last.at >= since and last.is_whole(name)
            quiet = quiet + PAUSE if arrived and len(self._readings) == known else 0.0
            known = len(self._readings)
            self.clock.sleep(PAUSE)


def _name(association: Any) -> str:
    return str(association["IamInstanceProfile"]["Arn"]).rpartition("/")[2]


def report(follower: Follower, runs: int) -> int:
    """Print a line for each run, then the table. Returns the exit status."""
    seen: list[Switch] = []
    with contextlib.closing(follower.switches(runs)) as switches:
        for each in switches:
            seen.append(each)
            whole = "not within the time" if each.whole is None else f"after {each.whole:.1f} s"
            sys.stdout.write(f"run {len(seen)} of {runs}: the new role alone {whole}\n")
            sys.stdout.flush()
    sys.stdout.write("\n".join(summary(seen)) + "\n")
    well = len(seen) == runs and all(each.whole is not None and not each.returned for each in seen)
    return WELL if well else WRONG
