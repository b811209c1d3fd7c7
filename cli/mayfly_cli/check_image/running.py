"""Runs check-image: says what it will do, launches, follows the console, acts, terminates."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from mayfly_cli.account import Account, open_account
from mayfly_cli.check_image.policy import TAG, policy
from mayfly_cli.check_image.user_data import compressed
from mayfly_cli.check_image.verdicts import BUTTON, KILLED, Verdict, Verdicts
from mayfly_cli.confirmation import confirmed
from mayfly_cli.ends import WELL, BrokenError, UsageError
from mayfly_cli.one_instance import (
    GONE,
    TYPES,
    Clock,
    OneInstance,
    Wanted,
    allowed,
    image,
    launched,
    request,
)

MOST_SECONDS = 40 * 60.0
"""Time of the whole check. The instance ends itself after 15 minutes of each of its boots."""
OFF_SECONDS = 180.0
"""Time in which the instance must be off after the kill of its supervisor's unit."""
PAUSE = 5.0
_SELF = "Client.InstanceInitiatedShutdown"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    architecture: str
    subnet: str | None
    dry_run: bool
    policy: bool
    yes: bool
    region: str | None


def run(options: Options, clock: Clock | None = None) -> int:
    """Run the check. Returns the exit status.

    Raises:
        UsageError: the account cannot be opened, EC2 would not launch, or nobody can confirm.
        BrokenError: AWS refused a call; the instance is terminated.
    """
    if options.policy:
        sys.stdout.write(json.dumps(policy(), indent=2) + "\n")
        return WELL
    clock = clock or Clock()
    account = open_account(options.region)
    try:
        newest = image(account, options.architecture)
        wanted = Wanted(TAG, newest, options.architecture, compressed(), options.subnet)
        sent = request(wanted)
        allowed(account, sent)
    except (ClientError, BotoCoreError) as error:
        raise UsageError(str(error)) from error
    _announce(account, options, str(sent["ImageId"]))
    if options.dry_run:
        sys.stdout.write("EC2 would launch the instance; nothing was launched\n")
        return WELL
    if not options.yes and not confirmed(TAG, "launch it"):
        raise UsageError("nothing was launched")
    try:
        with launched(account, sent, clock) as instance:
            return report(Follower(instance, clock))
    except (ClientError, BotoCoreError) as error:
        raise BrokenError(f"{error}; the instance is terminated") from error


def _announce(account: Account, options: Options, image_id: str) -> None:
    kind = TYPES[options.architecture]
    place = options.subnet or "a default subnet"
    sys.stdout.write(
        f"In account {account.id}, {account.region}, {place}, check-image will launch one {kind}\n"
        f"of {image_id} with an 8 GiB volume, tagged {TAG}=1, without role and key. It will stop\n"
        "the instance, start it and terminate it. That takes about 10 minutes, 40 at most, and\n"
        "costs less than 0.05 USD: price of the type, of the volume and of an IPv4 address.\n"
    )


class Follower:
    """Follows the instance through its three boots, and does what must be done outside."""

    def __init__(self, instance: OneInstance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock
        self.verdicts = Verdicts()
        self._pressed = self._started = False
        self._killed_at: float | None = None

    def follow(self) -> Iterable[Verdict]:
        """Verdicts as they come, until the instance is gone or the time is up."""
        end = self._clock.seconds() + MOST_SECONDS
        while self._clock.seconds() < end:
            state = self._instance.seen()
            # Also of an instance that is gone: EC2 shows its console for an hour.
            yield from self.verdicts.read(self._instance.console())
            if state.state in GONE:
                yield from self._ending(state.reason)
                return
            self._act(state.state)
            if self._killed_at and self._clock.seconds() > self._killed_at + OFF_SECONDS:
                break
            self._clock.sleep(PAUSE)
        yield from self.verdicts.missing()

    def _act(self, state: str) -> None:
        if self.verdicts.asks(BUTTON) and not self._pressed:
            self._instance.stop()
            self._pressed = True
        elif self._pressed and not self._started and state == "stopped":
            self._instance.start()
            self._started = True
        elif self.verdicts.asks(KILLED) and self._killed_at is None:
            self._killed_at = self._clock.seconds()

    def _ending(self, reason: str) -> Iterable[Verdict]:
        if self.verdicts.asks(KILLED) and ("bad", KILLED) not in self.verdicts.seen:
            good = reason == _SELF
            text = "the kill switched the machine off" if good else f"EC2's reason: {reason}"
            yield self.verdicts.add(Verdict("ok" if good else "bad", KILLED, text))
        yield from self.verdicts.missing()


def report(follower: Follower) -> int:
    """Print the verdicts as they come, then their number. Returns the exit status."""
    for verdict in follower.follow():
        follower.verdicts.add(verdict)
        sys.stdout.write(f"{verdict.word:<6}{verdict.scenario:<18} {verdict.text}\n")
        sys.stdout.flush()
    line, status = follower.verdicts.summary()
    sys.stdout.write(line + "\n")
    return status
