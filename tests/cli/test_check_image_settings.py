"""check-image tries what the host really uses: the host's own properties, unit and cgroups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mayfly_cli.check_image import user_data
from mayfly_cli.check_image.on_instance import scopes
from mayfly_cli.check_image.on_instance.telling import Bad, Skip
from mayfly_instance import delegation
from mayfly_instance import scope as host_scope


def test_the_settings_hold_the_hosts_own_properties_and_way_into_a_delegated_scope() -> None:
    found: Any = user_data.settings()
    assert found["properties"] == [*host_scope.NEEDED, host_scope.OOM_CONTINUE]
    assert found["older"] == {host_scope.OOM_CONTINUE: host_scope.OOM_UNSEEN}
    assert found["delegation"] == delegation.PROPERTY
    assert found["enter"] == list(delegation.enter(scopes.DELEGATED, "mayfly-job"))


def test_the_checked_unit_is_the_supervisors_but_for_its_program() -> None:
    found: Any = user_data.settings()
    original = Path(host_scope.__file__).with_name("mayfly.service").read_text().splitlines()
    checked = found["supervisor"].splitlines()
    changed = [(old, new) for old, new in zip(original, checked, strict=True) if old != new]
    assert [new for _, new in changed] == ["WorkingDirectory=/", "ExecStart=/bin/sleep 5000"]
    assert [old.partition("=")[0] for old, _ in changed] == ["WorkingDirectory", "ExecStart"]


def test_no_script_of_the_instance_repeats_a_property_of_the_host() -> None:
    found: Any = user_data.settings()
    for path in user_data.ON_INSTANCE.glob("*.py"):
        text = path.read_text()
        repeated = [each for each in found["properties"] if each in text]
        assert not repeated, path


@pytest.mark.parametrize(
    ("unknown", "used"),
    [
        (set[str](), host_scope.OOM_CONTINUE),
        ({host_scope.OOM_CONTINUE}, host_scope.OOM_UNSEEN),
    ],
)
def test_an_older_systemd_gets_the_older_form_of_a_property(
    unknown: set[str], used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_on_machine(*argv: str, **_: object) -> tuple[int, str]:
        return int(bool({f"--property={each}" for each in unknown} & set(argv))), ""

    monkeypatch.setattr(scopes, "run", run_on_machine)
    assert scopes.known_properties(user_data.settings()) == [*host_scope.NEEDED, used]


_SEEN = "0::/program\n0::/container"


@pytest.mark.parametrize(
    ("status", "output", "verdict"),
    [
        (0, f"{_SEEN}\n67108864", "limited its memory"),
        (9, _SEEN, "Skip"),
        (0, f"{_SEEN}\nmax", "Bad"),
        (1, "0::/program\nmkdir: Permission denied", "Bad"),
        (9, "0::/system.slice/mayfly-check-delegated.scope", "Bad"),
    ],
)
def test_a_job_that_cannot_limit_a_container_is_bad_unless_the_machine_has_no_limits(
    status: int, output: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "run", lambda *argv, **_: (status * ("sh" in argv), output))
    try:
        found = scopes.delegated(user_data.settings())
    except (Bad, Skip) as error:
        found = type(error).__name__
    assert verdict in found
