"""The real user data script, with stand-ins for programs that would change this machine."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.instance.front import Reply
from tests.instance.user_data_boot import HOST, KEYS, LAYER, SCRIPT, Boot, boot

__all__ = ["boot"]

HOOKS = SCRIPT.parent / "mayfly_instance/hooks"


def test_the_bundle_is_fetched_checked_unpacked_and_started(boot: Boot) -> None:
    assert boot.run() == 0

    assert [name for name, _ in boot.front.calls][-3:] == [
        "GetParameter",
        "GetLayerVersion",
        "GET /l.zip",
    ]
    asked = dict(boot.front.calls)
    assert asked["GetParameter"] == {"Name": "/mayfly-infra/ci/bundle"}
    assert asked["GetLayerVersion"] == {"Arn": [LAYER], "find": ["LayerVersion"]}
    code = boot.root / "opt/mayfly"
    hook = code / "mayfly_instance/hooks/pre-bootstrap"
    assert hook.stat().st_mode & 0o777 == 0o755
    assert code.stat().st_mode & 0o777 == 0o755
    assert json.loads((code / "host.json").read_text()) == json.loads(HOST)
    assert sorted(each.name for each in code.iterdir()) == ["host.json", "mayfly_instance"]
    assert boot.calls.splitlines()[-2:] == [
        "systemctl enable --quiet --no-reload mayfly.service ",
        "systemctl start --no-block mayfly.service ",
    ]
    assert "poweroff" not in boot.calls


def test_no_credential_is_in_a_command_line_an_environment_or_a_file(boot: Boot) -> None:
    boot.run()

    places = [each for each in boot.root.rglob("*") if each.is_file() and each.parent != boot.bin]
    everything = b"".join(each.read_bytes() for each in places)
    assert boot.root / "env" in places
    for secret in (KEYS.access_key, KEYS.secret_key, KEYS.token, "imds-token"):
        assert secret.encode() not in everything


def wrong_layer(boot: Boot) -> None:
    boot.code = base64.b64encode(b"x" * 32).decode()


def wrong_bundle(boot: Boot) -> None:
    boot.parameter["sha256"] = "0" * 64


def no_parameter(boot: Boot) -> None:
    del boot.front.answers["GetParameter"]


def no_profile(boot: Boot) -> None:
    del boot.front.answers["GET /latest/meta-data/iam/security-credentials/"]


def no_layer(boot: Boot) -> None:
    boot.front.answers["GetLayerVersion"] = lambda _: (403, "{}")


def no_download(boot: Boot) -> None:
    del boot.front.answers["GET /l.zip"]


def odd_answer(boot: Boot) -> None:
    boot.front.answers["GetParameter"] = lambda _: (200, "<html>")


def masks_fail(boot: Boot) -> None:
    boot.stand_in("systemctl", "exit 1")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (wrong_layer, "layer.zip has a wrong SHA-256"),
        (wrong_bundle, "bundle/mayfly-instance.tar.gz has a wrong SHA-256"),
        (no_parameter, "AmazonSSM.GetParameter"),
        (no_profile, "ROLE=$(imds iam/security-credentials/)"),
        (no_layer, "LAYER=$(signed lambda"),
        (no_download, "fetch --output layer.zip"),
        (odd_answer, "failed in line"),
        (masks_fail, "systemctl mask"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_any_failure_is_written_to_the_console_and_switches_the_machine_off(
    boot: Boot, spoil: Callable[[Boot], None], told: str
) -> None:
    spoil(boot)

    assert boot.run() == 1
    assert told in boot.console
    assert "\npoweroff" in boot.calls
    assert "systemctl start" not in boot.calls


def throttled(boot: Boot, operation: str, seconds: float, reply: Reply) -> list[float]:
    """Send this reply until the boot has slept for so long; returns the list of its sleeps."""
    answer = boot.front.answers[operation]
    slept: list[float] = []

    def reply_once(asked: Any) -> Reply:
        waits = [each.split()[1] for each in boot.calls.splitlines() if each.startswith("sleep ")]
        slept[:] = [float(each) for each in waits]
        return reply if sum(slept) < seconds else answer(asked)

    boot.front.answers[operation] = reply_once
    return slept


THROTTLED = [
    ("PUT /latest/api/token", (503, "")),
    ("GET /latest/meta-data/placement/region", (500, "")),
    ("GET /latest/meta-data/iam/security-credentials/", (404, "")),
    ("GetParameter", (400, '{"__type":"ThrottlingException","message":"Rate exceeded"}')),
    ("GetParameter", (500, '{"__type":"InternalServerError"}')),
    ("GetLayerVersion", (429, '{"Reason":"CallerRateLimitExceeded"}')),
    ("GetLayerVersion", (503, "")),
    ("GET /l.zip", (503, "<Error><Code>SlowDown</Code></Error>")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "reply"), THROTTLED)
def test_a_boot_outlasts_two_minutes_of_throttling(
    boot: Boot, operation: str, reply: Reply
) -> None:
    slept = throttled(boot, operation, 120, reply)

    assert boot.run() == 0
    assert 120 <= sum(slept) < 150
    assert len(slept) < 40
    assert "mayfly: user data: waiting for " in boot.console
    assert f"error: {reply[0]}" in boot.console


def test_a_boot_waits_in_vain_for_a_bounded_time(boot: Boot) -> None:
    slept = throttled(boot, THROTTLED[3][0], 9999, THROTTLED[3][1])

    assert boot.run() == 1
    assert 120 <= sum(slept) < 180
    assert len({each % 1 for each in slept}) > 1
    assert '"__type":"ThrottlingException"' in boot.console


@pytest.mark.parametrize("operation", ["GetParameter", "GetLayerVersion", "GET /l.zip"])
@pytest.mark.parametrize(
    "reply",
    [
        (400, '{"__type":"ParameterNotFound"}'),
        (400, '{"__type":"AccessDeniedException","message":"a-signed-token"}'),
        (403, "<Error><Code>AccessDenied</Code></Error>"),
    ],
)
def test_a_refused_boot_fails_at_once_and_shows_the_code_alone(
    boot: Boot, operation: str, reply: Reply
) -> None:
    boot.front.answers[operation] = lambda _: reply

    assert boot.run() == 1
    assert [name for name, _ in boot.front.calls].count(operation) == 1
    assert "\nsleep" not in boot.calls
    assert "a-signed-token" not in boot.console


def test_the_script_is_short_and_passes_through_cloudformation_unchanged() -> None:
    text = SCRIPT.read_text()

    assert len(text.encode()) < 5_400
    assert "${" not in text
    assert text.count("\n__MAYFLY_HOST_JSON__\n") == 1
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("script", [SCRIPT, HOOKS / "pre-bootstrap", HOOKS / "tell-causes"])
def test_shellcheck_finds_nothing_in_the_hosts_shell_scripts(script: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.defpath}")
    assert shellcheck, "shellcheck is in the environment of the tests"
    found = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)

    assert found.stdout == ""


def test_a_console_that_takes_nothing_does_not_hold_the_boot(boot: Boot) -> None:
    """A serial line that is held blocks each write; the time limit is shortened here."""
    boot.stand_in("timeout", f'shift && exec {shutil.which("timeout")} 0.1 "$@"')
    console = boot.root / "dev/console"
    console.unlink()
    os.mkfifo(console)
    line = os.open(console, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.write(line, b"x" * 4096):
            pass
    boot.parameter["sha256"] = "0" * 64
    assert boot.run() != 0
    os.close(line)

    assert "timeout 2 tee" in boot.calls
    assert "poweroff" in boot.calls
