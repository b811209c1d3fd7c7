"""What user data does with systemd's units: the image's services and the supervisor's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.instance.user_data_boot import UNIT, Boot, boot

__all__ = ["boot"]


def test_the_supervisors_unit_is_the_bundles_with_the_path_of_the_code(boot: Boot) -> None:
    boot.run()

    unit = (boot.units / "mayfly.service").read_text()
    assert unit == UNIT.read_text().replace("=/opt/mayfly\n", f"={boot.root}/opt/mayfly\n")
    assert f"\nWorkingDirectory={boot.root}/opt/mayfly\n" in unit


def test_the_process_that_starts_the_unit_never_held_credentials(boot: Boot) -> None:
    boot.run()

    starter = (boot.root / "starter").read_text()
    assert starter.startswith("bash -c systemctl start --no-block mayfly.service")


def test_image_services_are_masked_then_killed_then_stopped_before_anything_else(
    boot: Boot,
) -> None:
    boot.run()

    first, *after = boot.calls.splitlines()[:4]
    begins = "systemctl mask --quiet "
    names = first.removeprefix(begins)
    assert first.startswith(begins)
    assert names.split()[:2] == [
        "amazon-ssm-agent.service",
        "snap.amazon-ssm-agent.amazon-ssm-agent.service",
    ]
    assert after == [
        f"systemctl kill --signal=SIGKILL {names}",
        f"systemctl stop --quiet {names}",
        f"systemctl reset-failed {names}",
    ]


AGENT = "amazon-cloudwatch-agent.service"


def a_unit_file(units: Path) -> None:
    (units / AGENT).write_text("[Service]\n")


def an_alias(units: Path) -> None:
    (units / AGENT).symlink_to("/usr/lib/systemd/system/other.service")


def a_mask(units: Path) -> None:
    (units / AGENT).symlink_to("/dev/null")


def a_drop_in(units: Path) -> None:
    (units / f"{AGENT}.d").mkdir()


def a_link_of_a_target(units: Path) -> None:
    a_unit_file(units)
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / AGENT).symlink_to(units / AGENT)


@pytest.mark.parametrize("put", [a_unit_file, an_alias, a_mask, a_drop_in, a_link_of_a_target])
def test_a_service_of_the_image_is_masked_whatever_etc_holds(
    boot: Boot, put: Callable[[Path], None]
) -> None:
    put(boot.units)

    assert boot.run() == 0
    assert (boot.units / AGENT).readlink() == Path("/dev/null")


def test_a_unit_file_that_cannot_be_removed_switches_the_machine_off(boot: Boot) -> None:
    (boot.units / AGENT).mkdir()  # As good as an immutable file: rm fails.

    assert boot.run() == 1
    assert 'rm -f "$@"' in boot.console
    assert boot.calls.splitlines() == ["poweroff "]


@pytest.mark.parametrize("verb", ["enable", "start"])
def test_a_unit_that_cannot_be_started_switches_the_machine_off(boot: Boot, verb: str) -> None:
    boot.stand_in("systemctl", f"[[ $1 != {verb} ]]")

    boot.run()

    assert boot.calls.splitlines()[-1] == "poweroff "


def test_power_off_is_forced_where_neither_unit_nor_power_off_starts(boot: Boot) -> None:
    boot.stand_in("systemctl", "[[ $1 != start ]]")
    boot.stand_in("poweroff", "[[ $1 == --force ]]")

    boot.run()

    assert boot.calls.splitlines()[-2:] == ["poweroff ", "poweroff --force "]


def test_power_goes_off_where_no_fresh_process_can_be_started(boot: Boot) -> None:
    text = boot.text().replace("exec bash -c", "exec /no/such/bash -c")

    boot.run(text)

    assert boot.calls.splitlines()[-1] == "poweroff "
