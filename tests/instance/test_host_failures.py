"""Whatever goes wrong on a host, it ends with a reason that can be read, and without a job."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mayfly_instance import supervisor
from tests.instance.fakes import Act, a_process
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    HOST,
    SANDBOX_ROW,
    World,
    an_assignment,
    in_minutes,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def failed(world: World, reason: str, *, row: str) -> None:
    """The host gave up for this reason, said so in both places, and never ran a job."""
    key, report = world.cloud.reports[-1]
    assert (key, report["phase"]) == (row, "failed")
    assert reason in report["reason"]
    assert f"FAILED at: {report['step']}: {report['reason']}" in world.console
    assert not [each for each in world.machine.started if each.program.unit == "mayfly-job"]


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def without_agent(world: World, content: bytes | None) -> World:
    """The image has no agent, and the release archive is this one."""
    world.machine.programs.discard("buildkite-agent")
    digest = hashlib.sha256(content or b"").hexdigest()
    world.scene = replace(world.scene, host=replace(HOST, agent_sha256={"amd64": digest}))
    if content is not None:
        world.machine.downloads["https://example.org/3.83.1/agent-amd64.tar.gz"] = content
    return world


def test_an_image_without_an_agent_gets_the_pinned_one(world: World) -> None:
    content = archive(**{"buildkite-agent.cfg": b"token=xxx", "buildkite-agent": b"3.83.1"})
    without_agent(world, content).live()

    installed = world.machine.places.binaries / "buildkite-agent"
    assert (installed.read_bytes(), installed.stat().st_mode & 0o777) == (b"3.83.1", 0o755)
    assert world.agent().program.argv[0] == str(installed)
    assert world.phases[-1] == "done"


def test_an_image_with_another_agent_gets_the_pinned_one_beside_it(world: World) -> None:
    without_agent(world, archive(**{"buildkite-agent": b"3.83.1"}))
    world.machine.programs.add("buildkite-agent")
    world.machine.agent_version = "3.20.0"
    world.live()

    assert world.agent().program.argv[0].startswith(str(world.machine.places.binaries))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "curl --silent exited with 22"),
        (b"no archive", "is no readable archive"),
        (archive(readme=b"nothing"), "holds no buildkite-agent"),
        (archive(**{"buildkite-agent": b"3.84.0"}), "holds agent 3.84.0"),
    ],
    ids=["not there", "no archive", "no agent in it", "another version"],
)
def test_an_agent_that_cannot_be_installed(world: World, content: bytes, reason: str) -> None:
    without_agent(world, content).live()

    failed(world, reason, row=BOOTSTRAP_ROW)


def test_an_agent_archive_with_another_hash_is_never_unpacked(world: World) -> None:
    without_agent(world, archive(**{"buildkite-agent": b"3.83.1"}))
    world.scene = replace(world.scene, host=HOST)
    world.live()

    failed(world, "has another SHA-256 than the queue pins for amd64", row=BOOTSTRAP_ROW)
    assert not world.machine.places.binaries.exists()


def test_a_package_that_dnf_does_not_bring(world: World) -> None:
    world.machine.programs.discard("nft")
    world.machine.installable.clear()
    world.live()

    failed(world, "the image lacks nft", row=BOOTSTRAP_ROW)


def test_a_script_that_fails_condemns_the_host_with_its_last_lines(world: World) -> None:
    world.a_script(Act(code=3, says="step one\nno such repository\n"))
    world.live()

    failed(world, "s3://scripts/ci/set-up.sh exited with 3", row=BOOTSTRAP_ROW)
    assert world.last["words"] == "step one\nno such repository\n"
    assert "| no such repository" in world.console
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-script.scope")


def test_a_script_that_hangs_is_killed_at_its_limit(world: World) -> None:
    world.a_script(Act(lasts=10**6, says="waiting"), "s3://scripts/ci/set-up.sh minutes=2")
    world.live()

    failed(world, "took longer than 2 minutes", row=BOOTSTRAP_ROW)
    assert 120 <= world.clock.passed < 130
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-script.scope")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/usr/local/bin/set-up", "not s3://BUCKET/KEY"),
        ("s3://scripts/ci/set-up.sh minutes=soon", "not s3://BUCKET/KEY"),
        ("s3://scripts/ci/other.sh", "which is not there"),
        ("s3://scripts/ci/notes.txt", "does not begin with #!"),
    ],
)
def test_a_script_parameter_that_names_no_script(world: World, value: str, reason: str) -> None:
    world.a_script(Act(), value)
    world.cloud.objects["scripts/ci/notes.txt"] = b"do this"
    world.live()

    failed(world, reason, row=BOOTSTRAP_ROW)


def test_a_left_over_process_of_the_bootstrap_script_condemns_the_host(world: World) -> None:
    stray = a_process(900, "crond-by-hand")
    world.a_script(Act(does=lambda _: world.machine.table.append(stray)))
    world.live()

    failed(world, "left over: crond-by-hand[900]", row=BOOTSTRAP_ROW)
    assert "bootstrapped" not in world.phases


def test_what_the_package_installer_left_running_condemns_nobody(world: World) -> None:
    # dnf may leave a gpg-agent; it never had credentials.
    install = world.machine.install
    world.machine.programs.discard("git")
    world.machine.install = lambda packages: (
        install(packages),
        world.machine.table.append(a_process(800, "gpg-agent")),
    )
    world.live()

    assert world.phases[-1] == "done"


def test_a_process_of_the_script_that_ends_within_seconds_is_forgiven(world: World) -> None:
    def linger(_: object) -> None:
        world.machine.table.append(a_process(900, "logger"))
        world.clock.after(3, world.machine.table.pop)

    world.a_script(Act(does=linger))
    world.live()

    assert world.phases[-1] == "done"


def test_a_tmpfs_that_is_still_in_use_condemns_the_host(world: World) -> None:
    world.a_script(Act())
    world.machine.failing["umount"] = "target is busy"
    world.live()

    failed(world, "tmpfs is in use", row=BOOTSTRAP_ROW)


def test_an_image_whose_daemon_holds_credentials_is_refused(world: World) -> None:
    world.machine.table.append(a_process(77, "amazon-ssm-agen"))
    world.live()

    failed(world, "the image runs amazon-ssm-agen[77]", row=BOOTSTRAP_ROW)


def test_a_set_up_that_takes_too_long(world: World) -> None:
    def crawl(phase: str) -> None:
        if phase == "booting":
            world.clock.sleep(0)
            install = world.machine.guard_next_boot
            world.machine.guard_next_boot = lambda: (world.clock.sleep(3600), install())

    world.cloud.on_report = crawl
    world.live()

    failed(world, "set-up took longer than 9 minutes", row=BOOTSTRAP_ROW)


def test_a_boot_that_is_not_the_first_powers_off(world: World) -> None:
    world.live()
    world.cloud.reports.clear()
    world.machine.started.clear()
    world.machine.boot = "another boot"
    world.live()

    failed(world, "this boot is not the first, and nobody ordered it", row=SANDBOX_ROW)


def test_the_next_boot_is_guarded_by_a_unit_that_powers_off(world: World) -> None:
    world.live()

    unit = world.machine.places.next_boot_unit.read_text()
    assert "SuccessAction=poweroff" in unit
    assert "FailureAction=poweroff" in unit
    assert world.machine.ran("systemctl enable --no-reload --quiet mayfly-next-boot.service")


def test_an_instance_that_never_sees_its_sandbox_profile_powers_off(world: World) -> None:
    world.swap_after = None
    world.live()

    failed(world, f"IMDS shows the profile {HOST.bootstrap_profile}", row=BOOTSTRAP_ROW)
    assert world.phases == ["booting", "bootstrapped", "failed"]
    assert world.clock.passed < 6 * 60


def test_an_instance_whose_old_role_is_served_for_ever_powers_off(world: World) -> None:
    world.metadata.lingering = ["bootstrap"]
    world.live()

    failed(world, "still serves credentials of the bootstrap role", row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_an_instance_without_metadata_powers_off_and_says_so_on_the_console(world: World) -> None:
    world.metadata.broken = True
    world.live()

    assert world.cloud.reports == []
    assert "FAILED at: checking that this is the first boot" in world.console
    assert "no row to report into" in world.console


def test_metadata_that_comes_late_is_waited_for(world: World) -> None:
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    assert world.set_up()
    world.metadata.broken = True
    world.clock.after(20, lambda: setattr(world.metadata, "broken", False))
    world.sandbox()

    assert world.phases[-1] == "done"


def test_an_instance_that_starts_with_another_role_is_refused(world: World) -> None:
    world.metadata.roles = ["admin"]
    world.live()

    assert "IMDS serves the role 'admin', not the bootstrap role 'bootstrap'" in world.console
    assert "bootstrapped" not in world.phases


def test_a_mailbox_that_refuses_the_first_report(world: World) -> None:
    world.cloud.refused.add("set_attribute")
    world.live()

    assert "the mailbox does not take 'booting': AccessDenied" in world.console
    assert not world.machine.ran("useradd")
    assert world.clock.passed < 120


def test_a_mailbox_that_refuses_the_proof(world: World) -> None:
    world.clock.after(1, lambda: world.cloud.refused.add("set_attribute"))
    world.swap_after = 5
    world.live()

    assert "the mailbox does not take 'sandboxed': AccessDenied" in world.console
    assert "sandboxed" not in world.phases


@pytest.mark.parametrize("how", ["gone", "refused"])
def test_a_mailbox_that_is_out_of_reach_for_five_minutes(world: World, how: str) -> None:
    world.assignment = None

    def lose() -> None:
        world.cloud.gone = how == "gone"
        world.cloud.refused.add("item")

    world.clock.after(100, lose)
    world.live()

    assert "the mailbox is out of reach for 5 minutes" in world.console
    assert 399 <= world.clock.passed < 430


def test_a_mailbox_that_comes_back_in_time_is_forgiven(world: World) -> None:
    world.clock.after(4, lambda: setattr(world.cloud, "gone", True))
    world.clock.after(240, lambda: setattr(world.cloud, "gone", False))
    world.live()

    assert world.phases[-1] == "done"


def test_a_spot_notice_without_a_job_ends_the_host(world: World) -> None:
    world.assignment = None
    world.clock.after(50, lambda: setattr(world.metadata, "spot", in_minutes(2)))
    world.live()

    failed(world, "before it had a job", row=SANDBOX_ROW)
    assert world.last["notice"] == in_minutes(2)
    assert world.clock.passed < 60


def test_a_host_that_nobody_ever_needs_ends_at_last(world: World) -> None:
    world.assignment = None
    world.scene = replace(world.scene, limits=replace(world.scene.limits, idle=3600))
    world.live()

    failed(world, "no job came", row=SANDBOX_ROW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol": 2}, "the assignment is of protocol 2, this host knows 1"),
        ({"protocol": None}, "the assignment is of protocol None"),
        ({"boot": "another"}, "for another boot"),
        ({"queue": "other"}, "for another queue"),
        ({"job": "../../x"}, "no UUID"),
        ({"token": ""}, "has no token"),
        ({"token": 7}, "has no token"),
        ({"name": None}, "has no name"),
        ({"imds": "open"}, "'open', which is no choice"),
        ({"root": "docker"}, "'docker', which this host cannot do"),
        ({"root": "yes", "imds": "supervisor"}, "cannot hold for a job that is root"),
        ({"max_minutes": 0}, "no max_minutes"),
        ({"max_minutes": "60"}, "no max_minutes"),
        ({"policy": None}, "no readable policy"),
        ({"policy": {"rules": "pipeline=x", "repository": None}}, "no readable policy"),
        ({"policy": {"rules": []}}, None),
        ({"config": "bootstrap-script=/tmp/x"}, "sets 'bootstrap-script'"),
        ({"config": "no-pty=true\nexporttoken=x"}, "sets 'exporttoken'"),
        ({"config": "experiment = anything"}, "sets 'experiment'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_assignment_that_this_host_must_not_follow_is_refused(
    world: World, change: dict[str, Any], reason: str | None
) -> None:
    world.assignment = an_assignment(**change)
    world.live()

    if reason is None:
        assert world.phases[-1] == "done"
    else:
        failed(world, reason, row=SANDBOX_ROW)
        assert "assigned" not in world.phases


def test_an_assignment_of_an_unknown_protocol_is_refused(world: World) -> None:
    world.assignment = {"protocol": 99, "work": "something else"}
    world.live()

    failed(world, "protocol 99, this host knows 1", row=SANDBOX_ROW)


def test_an_assignment_that_is_not_an_object_is_refused(world: World) -> None:
    world.assignment = "run this"  # type: ignore[assignment] - what a row may hold by mistake
    world.live()

    failed(world, "is not an object", row=SANDBOX_ROW)


def test_a_profile_that_changes_after_the_proof_lets_no_job_in(world: World) -> None:
    world.clock.after(4, world.serve_bootstrap)
    world.live()

    assert "FAILED at: passing the gate once more" in world.console
    assert "running" not in world.phases
    assert not [each for each in world.machine.started if each.program.unit == "mayfly-job"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda machine: machine.failing.update(nft="no such table"), "IMDS cannot be closed"),
        (lambda machine: setattr(machine, "rules_work", False), "still open to mayfly-job"),
    ],
    ids=["the rule cannot be set", "the rule has no effect"],
)
def test_a_host_that_cannot_close_imds_powers_off(
    world: World, spoil: Callable[[Any], None], reason: str
) -> None:
    spoil(world.machine)
    world.live()

    failed(world, reason, row=SANDBOX_ROW)
    assert "sandboxed" not in world.phases


def test_imds_off_that_leaves_root_a_way_powers_off(world: World) -> None:
    world.assignment = an_assignment(imds="off")
    set_rules = world.machine.set_rules
    # Somebody's own rules win over ours.
    world.machine.set_rules = lambda rules: set_rules(rules + "skuid 0 accept")
    world.live()

    failed(world, "still open to root", row=SANDBOX_ROW)


def test_an_agent_that_does_not_start(world: World) -> None:
    def refuse(program: Any) -> None:
        if program.unit == "mayfly-job":
            world.machine._command(["systemd-run"], 1)

    world.machine.failing["systemd-run"] = ""
    world.machine.acts["mayfly-job"] = Act(does=refuse)
    world.live()

    assert world.last["phase"] == "failed"
    assert "the agent did not start" in world.last["reason"]


def test_a_broken_supervisor_stops_its_job_and_ends(world: World) -> None:
    world.machine.acts["mayfly-job"] = Act(lasts=10_000)
    world.clock.after(30, lambda: setattr(world.machine, "processes", None))
    world.live()

    assert world.agent().signals == [3]
    assert "the supervisor is broken" in world.last["reason"]
    assert world.clock.passed < 60


def test_neither_life_ever_raises(world: World) -> None:
    world.machine.boot_id = lambda: "x"
    world.machine.processes = None

    assert supervisor.live(world.scene, supervisor.SET_UP) is False
    assert supervisor.live(world.scene, supervisor.SANDBOX) is False
