"""Finds out, by a trial boot, which kind of machine this host can run."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly_lab.contracts import Boot, Keys, ServedProfile
from mayfly_lab.faults import Faults
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.ground import Ground, directory_ground, namespace_ground
from mayfly_lab.machines.room import Room

_PATIENCE = 20.0
_NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
_TRIAL = b"""\
#!/bin/sh
echo trial: up
nft add table inet trial && echo trial: nft
poweroff --force
"""


@dataclass(frozen=True, slots=True)
class Survey:
    """The best ground of this host, and why it has no namespaces."""

    ground: Ground
    reason: str
    """Empty with namespaces; otherwise the obstacle to them, in words for a user."""


def survey() -> Survey:
    """Boot a machine with namespaces, and report the best ground that works.

    Raises:
        Misconfigured: this host cannot run machines at all.
    """
    reason = _against_namespaces()
    if reason:
        return Survey(directory_ground(), reason)
    # A host may have nft, and a kernel that refuses its rules.
    real = _NFT is not None and "trial: nft" in _trial(namespace_ground(firewall=True))
    ground = namespace_ground(firewall=real)
    console = _trial(ground)
    if "trial: up" in console:
        return Survey(ground, "")
    last = (console.strip().splitlines() or ["its console is empty"])[-1]
    return Survey(directory_ground(), f"a machine with namespaces did not boot: {last}")


def _against_namespaces() -> str:
    if sys.platform != "linux":
        return f"{sys.platform} has no namespaces"
    return "" if os.geteuid() == 0 else "namespaces with their own users need root"


class _NoCloud:
    """An EC2 without profiles and notices, which notes the machine's end."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def profile(self, instance_id: str) -> ServedProfile | None:
        del instance_id
        return None

    def stale_roles(self, instance_id: str) -> Mapping[str, Keys]:
        del instance_id
        return {}

    def spot_action(self, instance_id: str) -> datetime | None:
        del instance_id
        return None

    def powered_off(self, instance_id: str) -> None:
        del instance_id
        self.ended.set()


def _trial(ground: Ground) -> str:
    """The console of a machine that boots, tries nft and powers off."""
    cloud = _NoCloud()
    config = RoomConfig({}, account="", boot_seconds=0.0, stop_seconds=0.0, decoys=False)
    room = Room(cloud, ground, config, [], Faults())
    boot = Boot(
        instance_id="i-trial",
        number=1,
        user_data=_TRIAL,
        image_id="",
        instance_type="",
        architecture="",
        availability_zone="",
        region="",
        private_ip="10.0.0.1",
        tags={},
    )
    try:
        room.boot(boot)
        cloud.ended.wait(_PATIENCE)
        return room.console(boot.instance_id)
    finally:
        room.close()
