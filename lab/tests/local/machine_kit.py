"""A machine room with a scripted EC2 and a small server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from buildkite_emulator.serving.server import Answer, HttpServer, Request
from mayfly_lab.contracts import Boot, Keys, ServedProfile
from mayfly_lab.faults import Faults
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.ground import Ground, Kind, directory_ground
from mayfly_lab.machines.machine import Door
from mayfly_lab.machines.room import Room
from mayfly_lab.machines.survey import survey
from mayfly_lab.machines.whole.ground import WholeGround

ACCOUNT = "123456789012"
INSTANCE = "i-0123456789abcdef0"
PATIENCE = 60.0


def a_boot(user_data: str | bytes = "", **changes: Any) -> Boot:
    """A first boot; a script gets its first line added."""
    if isinstance(user_data, str):
        user_data = f"#!/bin/bash\n{user_data}".encode()
    values: dict[str, Any] = {
        "instance_id": INSTANCE,
        "number": 1,
        "user_data": user_data,
        "image_id": "ami-0123456789abcdef0",
        "instance_type": "m7i.large",
        "architecture": "x86_64",
        "availability_zone": "eu-central-1a",
        "region": "eu-central-1",
        "private_ip": "10.0.3.7",
        "tags": {"mayfly-queue": "q"},
    }
    return Boot(**{**values, **changes})


def a_profile(kind: str) -> ServedProfile:
    """The profile `kind` with the role `kind`-role."""
    keys = Keys(
        f"ASIA{kind.upper()}", f"secret-{kind}", f"token-{kind}", now() + timedelta(hours=6)
    )
    arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/mayfly/{kind}"
    return ServedProfile(arn, f"AIPA{kind.upper()}", f"{kind}-role", keys)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class ScriptedEc2:
    """An EC2 with answers set by the test; implements InstanceView."""

    profiles: dict[str, ServedProfile | None] = field(default_factory=dict)
    stale: dict[str, Keys] = field(default_factory=dict)
    interruption: datetime | None = None
    off: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def profile(self, instance_id: str) -> ServedProfile | None:
        return self.profiles.get(instance_id, a_profile("bootstrap"))

    def stale_roles(self, instance_id: str) -> Mapping[str, Keys]:
        return self.stale

    def spot_action(self, instance_id: str) -> datetime | None:
        return self.interruption

    def powered_off(self, instance_id: str) -> None:
        with self.changed:
            self.off.append(instance_id)
            self.changed.notify_all()


@dataclass
class Bench:
    """A machine room with its EC2, server and faults."""

    room: Room
    ground: Ground | WholeGround
    ec2: ScriptedEc2
    faults: Faults
    requests: list[Request]
    port: int

    @property
    def namespaces(self) -> bool:
        return self.ground.kind is Kind.NAMESPACES

    def boot(self, user_data: str | bytes, **changes: Any) -> None:
        self.room.boot(a_boot(user_data, **changes))

    def run(self, user_data: str, **changes: Any) -> str:
        """Boot a machine with this script, which then switches off. Returns its console."""
        instance_id = changes.get("instance_id", INSTANCE)
        self.boot(f"{user_data}\npoweroff\n", **changes)
        self.until_off(instance_id)
        return self.room.console(instance_id)

    def run_out(self, instance_id: str = INSTANCE) -> str:
        """Wait until a machine has switched itself off. Returns its console."""
        self.until_off(instance_id)
        return self.room.console(instance_id)

    def until_off(self, *instance_ids: str) -> None:
        wanted = set(instance_ids or [INSTANCE])
        with self.ec2.changed:
            held = self.ec2.changed.wait_for(lambda: wanted <= set(self.ec2.off), PATIENCE)
        assert held, {each: self.room.console(each) for each in wanted - set(self.ec2.off)}

    def until_said(self, text: str, instance_id: str = INSTANCE) -> str:
        """Wait until the console contains a text. Returns the whole console."""
        until(lambda: text in self.room.console(instance_id), self.room.console, instance_id)
        return self.room.console(instance_id)


def until(happened: Callable[[], object], tell: Callable[..., object], *about: object) -> None:
    """Wait for an effect of another program; `tell` returns the text for the failure."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, tell(*about)
        time.sleep(0.01)


@contextmanager
def a_bench(
    ground: Ground | WholeGround,
    serve: Callable[[Request], Answer] | None = None,
    ec2: ScriptedEc2 | None = None,
    **config: Any,
) -> Iterator[Bench]:
    """A room on this ground; its machines find a server at AWS_ENDPOINT_URL."""
    requests: list[Request] = []

    def answer(request: Request) -> Answer:
        requests.append(request)
        return serve(request) if serve else Answer(200, b"the front door\n")

    server = HttpServer(answer)
    server.start()
    ec2, faults = ec2 or ScriptedEc2(), Faults()
    settings = RoomConfig(
        **{
            "environment": {"AWS_ENDPOINT_URL": server.url},
            "account": ACCOUNT,
            "boot_seconds": 0.05,
            "decoys": False,
            **config,
        }
    )
    port = server.address[1]
    room = Room(ec2, ground, settings, [Door(port, server)], faults)
    try:
        yield Bench(room, ground, ec2, faults, requests, port)
    finally:
        room.close()
        server.stop()


def grounds() -> dict[str, Ground | str]:
    """The ground of each kind of machine, or the reason why this host has none."""
    found = survey()
    namespaces = found.ground if found.ground.kind is Kind.NAMESPACES else found.reason
    return {Kind.NAMESPACES: namespaces, Kind.DIRECTORY: directory_ground()}
