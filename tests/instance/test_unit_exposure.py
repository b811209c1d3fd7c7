"""What `systemd-analyze security` says of the supervisor's unit, and the list of what is off."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.instance.user_data_boot import UNIT

LARGEST = 95
"""The highest rating that passes, in tenths: what systemd 252 gives."""
ON = {"KeyringMode=", "NotifyAccess=", "Delegate=", "AmbientCapabilities="}
DEVICES = "DeviceAllow="
"""Counts as off as long as one device is allowed."""
DROPPED = ("SYS_PACCT", "WAKE_ALARM", "BLOCK_SUSPEND", "LEASE", "SYS_TTY_CONFIG")
PAGE = Path(__file__).parents[2] / "docs/unit.md"
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="this host has no systemd-analyze")


def analyze(*options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", *options, UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze does not judge files (systemd 250 does)")
    return done


def judged() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(analyze("--json=short").stdout)
    assert len(found) > 50
    return found


def listed() -> set[str]:
    """The settings of the page's table `Off`."""
    table = PAGE.read_text("utf-8").partition("\n## Off\n")[2]
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def setting(name: str) -> str:
    """The setting without the part that is judged, which follows the tilde."""
    return name.partition("~")[0]


def test_the_exposure_of_the_unit_stays_at_its_rating() -> None:
    assert analyze(f"--threshold={LARGEST}").returncode == 0


def test_every_setting_that_is_off_is_on_the_written_list_and_no_other() -> None:
    off = {setting(each["name"]) for each in judged() if each["set"] is False}
    assert off - {DEVICES} == listed()


def test_the_limits_of_the_unit_are_in_force() -> None:
    on = {each["name"] for each in judged() if each["set"]}
    assert on >= ON
    (devices,) = (each["description"] for each in judged() if each["name"] == DEVICES)
    assert devices.endswith(": /dev/console:rw")
    assert on >= {f"CapabilityBoundingSet=~CAP_{name}" for name in DROPPED}
