"""Set-up of a host: the agent, packages, the operator's script and left-over processes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace

import pytest

from mayfly_instance.aws import AwsError
from tests.instance.fake_machine import Act, a_process
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    HOST,
    SANDBOX_ROW,
    SCRIPT,
    World,
    an_assignment,
    assert_failed,
)


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def without_agent(world: World, content: bytes | None) -> World:
    """Remove the image's agent and serve this release archive; None: no archive."""
    world.machine.programs.discard("buildkite-agent")
    digest = hashlib.sha256(content or b"").hexdigest()
    world.context = replace(world.context, host=replace(HOST, agent_sha256={"amd64": digest}))
    if content is not None:
        world.machine.downloads["https://example.org/3.83.1/agent-amd64.tar.gz"] = content
    return world


def test_an_image_without_an_agent_gets_the_pinned_one(world: World) -> None:
    content = archive(**{"buildkite-agent.cfg": b"token=xxx", "buildkite-agent": b"3.83.1"})
    without_agent(world, content).run()

    installed = world.machine.places.binaries / "buildkite-agent"
    assert (installed.read_bytes(), installed.stat().st_mode & 0o777) == (b"3.83.1", 0o755)
    assert world.agent().program.argv[0] == str(installed)
    assert world.phases[-1] == "done"


def test_an_image_with_another_agent_gets_the_pinned_one_beside_it(world: World) -> None:
    without_agent(world, archive(**{"buildkite-agent": b"3.83.1"}))
    world.machine.programs.add("buildkite-agent")
    world.machine.agent_version = "3.20.0"
    world.run()

    assert world.agent().program.argv[0].startswith(str(world.machine.places.binaries))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be fetched: curl --silent exited with 22"),
        (b"no archive", "is not a readable archive"),
        (archive(readme=b"nothing"), "contains no buildkite-agent"),
        (archive(**{"buildkite-agent": b"3.84.0"}), "contains agent version 3.84.0"),
    ],
    ids=["not there", "no archive", "no agent in it", "another version"],
)
def test_a_host_fails_if_its_agent_cannot_be_installed(
    world: World, content: bytes, reason: str
) -> None:
    without_agent(world, content).run()

    assert_failed(world, reason, row=BOOTSTRAP_ROW)


def test_an_agent_archive_with_another_hash_is_never_unpacked(world: World) -> None:
    without_agent(world, archive(**{"buildkite-agent": b"3.83.1"}))
    world.context = replace(world.context, host=HOST)
    world.run()

    assert_failed(world, "has another SHA-256 than the queue pins for amd64", row=BOOTSTRAP_ROW)
    assert not world.machine.places.binaries.exists()


def test_a_host_fails_if_dnf_does_not_install_a_package(world: World) -> None:
    world.machine.programs.discard("nft")
    world.machine.installable.clear()
    world.run()

    assert_failed(world, "the image lacks nft", row=BOOTSTRAP_ROW)


def test_a_failing_script_fails_the_host_and_its_last_lines_are_reported(world: World) -> None:
    world.add_script(Act(code=3, says="step one\nno such repository\n"))
    world.run()

    assert_failed(world, "s3://scripts/ci/set-up.sh exited with 3", row=BOOTSTRAP_ROW)
    assert world.last_report["words"] == "step one\nno such repository\n"
    assert "| no such repository" in world.console
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-script.scope")


def test_a_script_that_hangs_is_killed_at_its_limit(world: World) -> None:
    world.add_script(Act(lasts=10**6, says="waiting"), "s3://scripts/ci/set-up.sh minutes=2")
    world.run()

    assert_failed(world, "took longer than 2 minutes", row=BOOTSTRAP_ROW)
    assert 120 <= world.clock.passed < 130
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-script.scope")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/usr/local/bin/set-up", "not s3://BUCKET/KEY"),
        ("s3://scripts/ci/set-up.sh minutes=soon", "not s3://BUCKET/KEY"),
        ("s3://scripts/ci/other.sh", "which does not exist"),
        ("s3://scripts/ci/notes.txt", "does not begin with #!"),
    ],
)
def test_a_host_fails_if_the_script_parameter_names_no_script(
    world: World, value: str, reason: str
) -> None:
    world.add_script(Act(), value)
    world.cloud.objects["scripts/ci/notes.txt"] = b"do this"
    world.run()

    assert_failed(world, reason, row=BOOTSTRAP_ROW)


OLDER = b"#!/bin/bash\nolder\n"
SCRIPT_SHA256, OLDER_SHA256 = (hashlib.sha256(each).hexdigest() for each in (SCRIPT, OLDER))
OTHER = "0" * 64


@pytest.mark.parametrize(
    "pin",
    [
        f"sha256={SCRIPT_SHA256}",
        f"sha256={SCRIPT_SHA256.upper()}",
        "version=older",
        f"version=older minutes=2 sha256={OLDER_SHA256}",
    ],
)
def test_a_host_runs_the_pinned_script(world: World, pin: str) -> None:
    ran: list[bytes] = []
    script = world.machine.places.script / "bootstrap"
    act = Act(does=lambda _: ran.append(script.read_bytes()))
    world.add_script(act, f"s3://scripts/ci/set-up.sh {pin}")
    world.cloud.objects["scripts/ci/set-up.sh?older"] = OLDER
    world.run()

    assert ran == [OLDER if "older" in pin else SCRIPT]


@pytest.mark.parametrize(
    ("pin", "reason"),
    [
        (
            f"sha256={OTHER}",
            f"says sha256={OTHER}, and the object that it names has the SHA-256 {SCRIPT_SHA256}",
        ),
        (f"sha256={OLDER_SHA256}", f"has the SHA-256 {SCRIPT_SHA256}"),
        (
            f"version=older sha256={SCRIPT_SHA256}",
            f"SHA-256 {OLDER_SHA256}: s3://scripts/ci/set-up.sh version older",
        ),
        ("version=newer", "s3://scripts/ci/set-up.sh version newer, which does not exist"),
        ("version=null", "which the next upload replaces"),
        ("sha256=soon", "is not s3://BUCKET/KEY"),
    ],
)
def test_a_script_other_than_the_pinned_one_never_runs_and_fails_the_host(
    world: World, pin: str, reason: str
) -> None:
    ran: list[str] = []
    act = Act(does=lambda _: ran.append("ran"))
    world.add_script(act, f"s3://scripts/ci/set-up.sh {pin}")
    world.cloud.objects["scripts/ci/set-up.sh?older"] = OLDER
    world.run()

    assert_failed(world, reason, row=BOOTSTRAP_ROW)
    assert "bootstrap/script" in world.last_report["reason"]
    assert ran == []


def test_an_answer_of_s3_that_a_retry_cannot_mend_fails_the_host_and_names_the_parameter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_script(Act(), "s3://scripts/ci/set-up.sh version=x")

    def object_(*_: object) -> bytes:
        raise AwsError("s3: 400 InvalidArgument: Invalid version id specified")

    monkeypatch.setattr(world.cloud, "object", object_)
    world.run()

    reason = "S3 did not give s3://scripts/ci/set-up.sh version x, which bootstrap/script names"
    assert_failed(world, reason, row=BOOTSTRAP_ROW)


def test_a_refused_script_fails_the_host_at_once_and_names_a_missing_object(world: World) -> None:
    """S3 answers 403 for a missing object to a role without ListBucket."""
    world.add_script(Act(), "s3://scripts/ci/other.sh")
    world.cloud.refused.add("object")
    world.run()

    reason = "S3 refused s3://scripts/ci/other.sh, which bootstrap/script names: there is no such"
    assert_failed(world, reason, row=BOOTSTRAP_ROW)
    assert "ScriptPrefix" in world.last_report["reason"]
    assert world.clock.passed < 5


def test_a_left_over_process_of_the_bootstrap_script_fails_the_host(world: World) -> None:
    stray = a_process(900, "crond-by-hand")
    world.add_script(Act(does=lambda _: world.machine.table.append(stray)))
    world.run()

    assert_failed(world, "left over: crond-by-hand[900]", row=BOOTSTRAP_ROW)
    assert "bootstrapped" not in world.phases


def test_a_process_that_dnf_left_running_does_not_fail_the_host(world: World) -> None:
    # dnf may leave a gpg-agent, which never had credentials.
    world.machine.programs.discard("git")
    agent = a_process(800, "gpg-agent")
    world.machine.on_command["dnf install"] = lambda: world.machine.table.append(agent)
    world.run()

    assert world.phases[-1] == "done"


def test_a_process_of_the_script_that_ends_within_seconds_does_not_fail_the_host(
    world: World,
) -> None:
    def linger(_: object) -> None:
        world.machine.table.append(a_process(900, "logger"))
        world.clock.after(3, world.machine.table.pop)

    world.add_script(Act(does=linger))
    world.run()

    assert world.phases[-1] == "done"


def test_a_tmpfs_that_is_still_in_use_fails_the_host(world: World) -> None:
    world.add_script(Act())
    world.machine.failing["umount"] = "target is busy"
    world.run()

    assert_failed(world, "tmpfs is in use", row=BOOTSTRAP_ROW)


def test_an_image_with_a_running_daemon_that_holds_credentials_is_refused(world: World) -> None:
    world.machine.table.append(a_process(77, "amazon-ssm-agen"))
    world.run()

    assert_failed(world, "the image runs amazon-ssm-agen[77]", row=BOOTSTRAP_ROW)
    assert world.clock.passed >= world.context.limits.daemons


def test_a_daemon_that_user_data_killed_has_a_moment_to_end(world: World) -> None:
    worker = a_process(78, "ssm-agent-worke")
    world.machine.table.append(worker)
    world.clock.after(4, lambda: world.machine.table.remove(worker))
    world.run()

    assert world.phases[-1] == "done"


def test_a_set_up_that_takes_too_long_fails_the_host(world: World) -> None:
    world.machine.on_command["useradd"] = lambda: world.clock.sleep(3600)
    world.run()

    assert_failed(world, "set-up took longer than 9 minutes", row=BOOTSTRAP_ROW)


AGENT_CONFIG = "/mayfly/ci/queues/deploy/agent/config"


def test_a_setting_that_the_agent_does_not_have_fails_the_boot_with_its_name(world: World) -> None:
    world.cloud.parameters[AGENT_CONFIG] = "no-plugins=true\ngit-commit-verification=strict"
    world.run()

    reason = "agent/config sets git-commit-verification, which buildkite-agent 3.83.1 does not have"
    assert_failed(world, reason, row=BOOTSTRAP_ROW)
    assert "bootstrapped" not in world.phases


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ("no-plugins=true", "--no-plugins"),
        ("# newer than Mayfly's list\nlog-everything=no", "--log-everything value"),
        ("nonsense", ""),  # The control plane keeps the last good value.
        ("token=x", ""),
    ],
)
def test_a_boot_goes_on_with_settings_of_the_agent_and_with_values_that_do_not_apply(
    world: World, value: str, usage: str
) -> None:
    world.cloud.parameters[AGENT_CONFIG] = value
    world.machine.agent_help = usage

    assert world.set_up()


def test_a_boot_goes_on_without_the_right_to_read_the_settings(world: World) -> None:
    world.cloud.denied.add(AGENT_CONFIG)

    assert world.set_up()
    assert "agent/config is checked only when a job comes: " in world.console


def test_a_host_starts_no_agent_for_an_assignment_with_a_setting_that_the_agent_does_not_have(
    world: World,
) -> None:
    world.assignment = an_assignment(config="no-plugins=true\ngit-commit-verification=strict")
    world.run()

    assert_failed(world, "sets git-commit-verification, which", row=SANDBOX_ROW)
