"""The real user data script, with stand-ins for programs that would change this machine."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mayfly_instance.sigv4 import Credentials
from tests.instance.front import Front, Reply, serving

SCRIPT = Path(__file__).resolve().parents[2] / "layers/instance/user-data.sh"
HOOKS = SCRIPT.parent / "mayfly_instance/hooks"
UNIT = SCRIPT.parent / "mayfly_instance/mayfly.service"
KEYS = Credentials(
    "ASIAUSERDATA", "secret/key+of=role", "session//token==", datetime.max.replace(tzinfo=UTC)
)
LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:ci-instance:7"
HOST = '{"protocol":1,"bundle_parameter":"/mayfly-infra/ci/bundle","it\'s":"a $HOME `x` \\\\ text"}'


def bundle() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("mayfly_instance/hooks/pre-bootstrap")
        entry.mode, entry.size = 0o755, 2
        tar.addfile(entry, io.BytesIO(b"#!"))
        tar.add(UNIT, "mayfly_instance/mayfly.service")
    return buffer.getvalue()


SYSTEMCTL = """\
case $1 in
  mask) for each; do
    file={root}/etc/systemd/system/$each
    [[ $each == *.service ]] || continue
    [[ ! -e $file && ! -L $file ]] || {{ echo "File $file already exists." >&2; exit 1; }}
    ln -s /dev/null "$file"
  done ;;
  start) env >{root}/env; tr '\\0' ' ' </proc/$PPID/cmdline >{root}/starter ;;
esac"""
"""Refuses as systemd 252 does to mask over a file; notes who starts a unit."""


class Boot:
    """A machine before its user data runs."""

    def __init__(self, root: Path, front: Front) -> None:
        self.root = root
        self.front = front
        self.bin = root / "stand-ins"
        self.bin.mkdir()
        (root / "dev").mkdir()
        (root / "dev/console").touch()
        self.units = root / "etc/systemd/system"
        self.units.mkdir(parents=True)
        self.stand_in("systemctl", SYSTEMCTL.format(root=root))
        self.stand_in("poweroff", "")
        self.stand_in("curl", f'exec {shutil.which("curl")} "$@" --retry 0')
        self.stand_in("python3", f'exec {sys.executable} "$@"')
        self.stand_in("sleep", "")
        content = bundle()
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("bundle/mayfly-instance.tar.gz", content)
        layer = zipped.getvalue()
        self.parameter = {"layer": LAYER, "sha256": hashlib.sha256(content).hexdigest()}
        self.code = base64.b64encode(hashlib.sha256(layer).digest()).decode()
        role = json.dumps(
            {
                "AccessKeyId": KEYS.access_key,
                "SecretAccessKey": KEYS.secret_key,
                "Token": KEYS.token,
            }
        )
        meta_data = "GET /latest/meta-data"
        front.answers = {
            "PUT /latest/api/token": lambda _: (200, "imds-token"),
            f"{meta_data}/placement/region": lambda _: (200, "eu-west-1"),
            f"{meta_data}/iam/security-credentials/": lambda _: (200, "bootstrap"),
            f"{meta_data}/iam/security-credentials/bootstrap": lambda _: (200, role),
            "GetParameter": lambda _: (
                200,
                json.dumps({"Parameter": {"Value": json.dumps(self.parameter)}}),
            ),
            "GetLayerVersion": lambda _: (
                200,
                json.dumps(
                    {"Content": {"Location": f"{front.url}/l.zip", "CodeSha256": self.code}}
                ),
            ),
            "GET /l.zip": lambda _: (200, layer),
        }

    def stand_in(self, name: str, script: str) -> None:
        file = self.bin / name
        log = f'{{ printf "%s " "{name}" "$@"; echo; }} >>"{self.root}/calls"'
        file.write_text(f"#!/bin/bash\n{log}\n{script}\n")
        file.chmod(0o755)

    def text(self) -> str:
        return SCRIPT.read_text().replace("\n__MAYFLY_HOST_JSON__\n", f"\n{HOST}\n")

    def run(self, text: str = "") -> int:
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "MAYFLY_ROOT": str(self.root),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.front.url,
            "AWS_ENDPOINT_URL": self.front.url,
        }
        command = ["bash", "-c", text or self.text()]
        return subprocess.run(command, env=environment, check=False, timeout=120).returncode

    @property
    def calls(self) -> str:
        return (self.root / "calls").read_text()

    @property
    def console(self) -> str:
        return (self.root / "dev/console").read_text()


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    with serving(KEYS) as front:
        yield Boot(tmp_path, front)
        # curl's signatures equal those of `sign`.
        assert front.forged == []


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

    first, *after = boot.calls.splitlines()[:3]
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


def test_the_script_is_short_and_passes_through_cloudformation_unchanged() -> None:
    text = SCRIPT.read_text()

    assert len(text.encode()) < 5_300
    assert "${" not in text
    assert text.count("\n__MAYFLY_HOST_JSON__\n") == 1
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("script", [SCRIPT, HOOKS / "pre-bootstrap", HOOKS / "pre-exit"])
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
