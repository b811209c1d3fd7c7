"""A second boot under a real systemd and cloud-init: what runs again, and how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from local.stopped_kit import SECOND, Stopped, a_stopped_instance
from mayfly.errors import Misconfigured
from mayfly_lab.machines.whole.ground import whole_ground
from mayfly_lab.machines.whole.kinds import Kind

pytestmark = pytest.mark.whole

_STAMP = re.compile(r"mayfly (\S+Z) (.*)")


@dataclass(frozen=True, slots=True)
class _Boot:
    stopped: Stopped
    console: str

    def at(self, words: str) -> float:
        """The time of the supervisor's first line with these words, in seconds."""
        for line in self.console.splitlines():
            if (found := _STAMP.search(line)) and words in found[2]:
                return datetime.fromisoformat(found[1]).timestamp()
        raise AssertionError(f"the console has no {words!r}:\n{self.console}")


@pytest.fixture(scope="module")
def boot(suite: str) -> Iterator[_Boot]:
    """The second boot, by an order, of an instance whose script warmed a file on the disk."""
    try:
        ground = whole_ground(Kind.CONTAINER, suite)
    except Misconfigured as reason:
        pytest.skip(str(reason))
    with a_stopped_instance(
        ground,
        script="#!/bin/bash\nmkdir -p /var/lib/mirrors && echo warm >/var/lib/mirrors/app\n",
        job="cat /var/lib/mirrors/app | tell mirror\n"
        "systemctl is-enabled amazon-ssm-agent.service | tell agent\n"
        "nft list ruleset 2>&1 | head -c 100 | tell rules\n",
        off_seconds=60.0,
    ) as stopped:
        stopped.order()
        yield _Boot(stopped, stopped.start())


def test_a_second_boot_by_an_order_runs_a_job(boot: _Boot) -> None:
    assert boot.stopped.cloud.phases() == SECOND, boot.console


def test_cloud_init_does_not_run_user_data_again(boot: _Boot) -> None:
    assert "fetching the bundle" in boot.stopped.first
    assert "fetching the bundle" not in boot.console


def test_what_the_script_left_on_the_disk_is_there_for_the_job(boot: _Boot) -> None:
    assert boot.stopped.cloud.told["mirror"] == "warm"


def test_services_with_credentials_stay_masked_and_silent(boot: _Boot) -> None:
    assert boot.stopped.cloud.told["agent"] == "masked"
    assert boot.stopped.cloud.services == []


def test_the_stop_of_the_idle_instance_was_orderly(boot: _Boot) -> None:
    # Not on the console: systemd hangs up its login while the machine goes down, and what the line
    # has not sent by then is lost.
    assert boot.stopped.end == "the machine is going down", boot.stopped.first[-6000:]
    # The power button may be pressed before cloud-init has ended its last stage.
    failed = [line for line in boot.stopped.first.splitlines() if "FAILED" in line]
    assert [line for line in failed if "cloud-final" not in line] == []


def test_the_proof_follows_the_supervisors_start_within_two_seconds(boot: _Boot) -> None:
    """Ten seconds here, because tests run on busy machines; the duration is in the output."""
    took = boot.at("reported sandboxed") - boot.at("this boot is not the first")
    print(f"supervisor's first line to sandboxed: {took:.2f} s")
    assert took < 10
