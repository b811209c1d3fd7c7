"""Shared parts of the local AWS's tests: a lab without machines, and refusals as data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mayfly_lab.aws.config import ACCOUNT, Delays, LabConfig
from mayfly_lab.aws.front.call import Kind, Principal
from mayfly_lab.aws.local import LocalAws
from mayfly_lab.contracts import Boot, InstanceView, Keys, Listener

STACK = "mayfly"
QUEUE = "default"
ADMINISTRATOR_ARN = f"arn:aws:iam::{ACCOUNT}:user/administrator"
FAST = Delays(
    pending=0.05,
    stopping=0.05,
    shutting_down=0.05,
    association=0.05,
    imds_swap=0.05,
    imds_linger=0.3,
    describe=0.0,
    events=0.0,
    trail=0.5,
    stream=0.01,
    queue=0.0,
)


class EmptyRoom:
    """A machine room that runs nothing and records which instances have power."""

    def __init__(self, view: InstanceView, listener: Listener) -> None:
        self.view = view
        self.listener = listener
        self.powered: dict[str, Boot] = {}
        self.boots: list[Boot] = []
        self.discarded: list[str] = []

    def boot(self, boot: Boot) -> None:
        self.powered[boot.instance_id] = boot
        self.boots.append(boot)

    def shut_down(self, instance_id: str) -> None:
        self.cut(instance_id)

    def cut(self, instance_id: str) -> None:
        self.powered.pop(instance_id, None)

    def discard(self, instance_id: str) -> None:
        self.discarded.append(instance_id)

    def console(self, instance_id: str) -> str:
        return f"console of {instance_id}"

    def close(self) -> None:
        self.powered.clear()


class Lab:
    """A started local AWS with an empty machine room."""

    def __init__(self, home: Path, delays: Delays, **options: Any) -> None:
        self.rooms: list[EmptyRoom] = []
        self.ahead = 0.0
        config = LabConfig(home=home, delays=delays, **options)
        self.aws = LocalAws(config, self._open, clock=lambda: time.time() + self.ahead)
        self._session = boto3.Session(region_name="us-east-1")
        self._clients: dict[tuple[str, str], Any] = {}

    def _open(self, view: InstanceView, listener: Listener) -> EmptyRoom:
        self.rooms.append(EmptyRoom(view, listener))
        return self.rooms[-1]

    def later(self, seconds: float) -> None:
        """Advance the lab's clock; waits for real time do not end earlier."""
        self.ahead += seconds

    @property
    def room(self) -> EmptyRoom:
        return self.rooms[-1]

    def client(self, service: str, keys: Keys | None = None) -> Any:
        """A client without retries, with the administrator's keys or others."""
        held = keys or self.aws.administrator
        key = service, f"{held.access_key}{held.secret_key}{held.token}"
        if key not in self._clients:
            self._clients[key] = self._session.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.aws.endpoint,
                aws_access_key_id=held.access_key,
                aws_secret_access_key=held.secret_key,
                aws_session_token=held.token,
                config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
            )
        return self._clients[key]

    def keys_of(self, kind: Kind, name: str) -> Keys:
        """Credentials of a function (`dispatch`) or of an instance (`i-1`)."""
        return self.aws.credentials.issue(principal(kind, name), timedelta(hours=1))


@contextmanager
def a_lab(home: Path, delays: Delays = FAST, **options: Any) -> Iterator[Lab]:
    lab = Lab(home, delays, **options)
    lab.aws.start()
    try:
        yield lab
    finally:
        lab.aws.stop()
    assert lab.aws.failures == []


def principal(kind: Kind, name: str) -> Principal:
    """A principal of the stack `mayfly` and its queue `default`."""
    role = f"AROA{kind.upper()}"
    return Principal(
        userid=f"{role}:{name}",
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{kind}/{name}",
        kind=kind,
        name=name,
        stack=STACK,
        queue=QUEUE,
    )


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
    """Code and HTTP status of AWS's refusal of a call."""
    try:
        call(**parameters)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status
    raise AssertionError("the call was not refused")
