"""Docker for jobs, by `job/root`: its set-up, its start for an assignment, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mayfly_instance.machine import Program
from tests.instance.fake_machine import Act
from tests.instance.worlds import (
    BOOTSTRAP_ROW,
    SANDBOX_ROW,
    World,
    an_assignment,
    assert_failed,
)

PARAMETER = "/mayfly/ci/queues/deploy/job/root"
ROOTLESS = {
    "docker",
    "dockerd",
    "dockerd-rootless.sh",
    "rootlesskit",
    "newuidmap",
    "newgidmap",
    "slirp4netns",
}
SOCKET = "run/user/995/docker.sock"


def image_with(world: World, *programs: str, unit: bool = False) -> None:
    """Add programs to the image, and Docker's unit."""
    world.machine.programs |= set(programs)
    if unit:
        path = world.machine.places.root / "usr/lib/systemd/system/docker.service"
        path.parent.mkdir(parents=True)
        path.touch()


def docker_from_dnf(world: World) -> None:
    world.machine.programs.add("dnf")
    world.machine.on_command["dnf install --assumeyes --quiet docker"] = lambda: image_with(
        world, "docker", "dockerd", unit=True
    )


def listens(world: World) -> Callable[[Program], object]:
    """What a daemon does that is ready at once."""

    def listen(_: Program) -> None:
        socket = world.machine.places.root / SOCKET
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.touch()

    return listen


def test_docker_is_installed_in_set_up_where_the_queue_asks_for_it(world: World) -> None:
    world.cloud.parameters[PARAMETER] = "docker\n"
    docker_from_dnf(world)

    assert world.set_up()
    assert world.machine.ran("dnf install --assumeyes --quiet docker")
    assert not world.machine.ran("systemctl start")


@pytest.mark.parametrize("value", ["no", "yes", "podman", ""])
def test_other_queues_install_no_docker(world: World, value: str) -> None:
    world.cloud.parameters[PARAMETER] = value
    docker_from_dnf(world)

    assert world.set_up()
    assert not world.machine.ran("dnf")


def test_docker_of_the_bootstrap_script_is_not_installed_again(world: World) -> None:
    world.cloud.parameters[PARAMETER] = "docker"
    docker_from_dnf(world)
    world.add_script(Act(does=lambda _: image_with(world, "docker", "dockerd", unit=True)))

    assert world.set_up()
    assert not world.machine.ran("dnf")


@pytest.mark.parametrize(
    ("value", "programs", "lacks"),
    [
        ("docker", {"docker"}, "dockerd, docker.service"),
        ("docker", {"docker", "dockerd"}, "docker.service"),
        ("rootless-docker", ROOTLESS - {"rootlesskit"}, "rootlesskit"),
        ("rootless-docker", {"docker", "dockerd", "rootlesskit"}, "newuidmap, newgidmap, dockerd-"),
        ("rootless-docker", ROOTLESS - {"slirp4netns"}, "slirp4netns or vpnkit"),
    ],
)
def test_a_host_that_lacks_a_part_of_docker_fails_in_set_up_and_names_the_part(
    world: World, value: str, programs: set[str], lacks: str
) -> None:
    world.cloud.parameters[PARAMETER] = value
    image_with(world, *programs)
    world.run()

    assert_failed(world, f"job/root is {value}, and the host lacks {lacks}", row=BOOTSTRAP_ROW)
    assert "bootstrapped" not in world.phases


def test_a_host_that_dnf_gives_no_docker_fails_in_set_up(world: World) -> None:
    world.cloud.parameters[PARAMETER] = "docker"
    world.machine.programs.add("dnf")
    world.machine.failing["dnf install"] = "No match for argument: docker"
    world.run()

    assert_failed(world, "dnf exited with 1", row=BOOTSTRAP_ROW)


@pytest.mark.parametrize("value", ["docker", "rootless-docker"])
def test_a_host_from_before_the_change_of_the_queue_starts_no_agent(
    world: World, value: str
) -> None:
    world.assignment = an_assignment(imds="off", root=value)
    world.run()

    assert_failed(world, f"job/root is {value}, and the host lacks docker", row=SANDBOX_ROW)
    assert world.machine.started == []


def test_a_boot_goes_on_without_the_right_to_read_job_root(world: World) -> None:
    world.cloud.denied.add(PARAMETER)

    assert world.set_up()
    assert "job/root is checked only when a job comes: " in world.console


def test_a_job_with_docker_is_a_member_of_its_group_and_finds_the_daemon_started(
    world: World,
) -> None:
    world.assignment = an_assignment(imds="off", root="docker")
    image_with(world, "docker", "dockerd", unit=True)
    world.run()

    names = [" ".join(each) for each in world.machine.commands]
    member = names.index("usermod --append --groups docker mayfly-job")
    started = names.index("systemctl start docker.service")
    assert member < started < next(n for n, each in enumerate(names) if each.startswith("start "))
    assert world.agent().program.user == "mayfly-job"
    assert "DOCKER_HOST" not in world.agent().program.environment
    assert world.phases[-1] == "done"


def test_a_docker_service_that_does_not_start_ends_the_host_before_its_agent(world: World) -> None:
    world.assignment = an_assignment(imds="off", root="docker")
    image_with(world, "docker", "dockerd", unit=True)
    world.machine.failing["systemctl start docker.service"] = "Job for docker.service failed."
    world.run()

    assert_failed(world, "systemctl exited with 1", row=SANDBOX_ROW)
    assert world.machine.started == []


@pytest.mark.parametrize("root", ["no", "rootless-docker"])
def test_no_job_but_that_of_docker_joins_the_group(world: World, root: str) -> None:
    world.assignment = an_assignment(root=root)
    image_with(world, *ROOTLESS)
    world.machine.acts["mayfly-docker"] = Act(lasts=10_000, does=listens(world))
    world.run()

    assert not world.machine.ran("usermod --append")
    assert world.phases[-1] == "done"


def test_rootless_docker_runs_as_the_job_user_in_a_scope_that_ends_with_the_job(
    world: World,
) -> None:
    world.assignment = an_assignment(root="rootless-docker")
    image_with(world, *ROOTLESS)
    world.machine.acts["mayfly-docker"] = Act(lasts=10_000, does=listens(world))
    world.run()

    daemon, job = (each.program for each in world.machine.started)
    assert (daemon.unit, daemon.user) == ("mayfly-docker", "mayfly-job")
    assert daemon.properties == job.properties != ()
    driver = "native.cgroupdriver=cgroupfs"
    assert daemon.argv == ["/usr/bin/dockerd-rootless.sh", "--exec-opt", driver]
    runtime = str(Path(world.machine.places.root / SOCKET).parent)
    assert daemon.environment["XDG_RUNTIME_DIR"] == runtime
    assert job.environment["DOCKER_HOST"] == f"unix://{runtime}/docker.sock"
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-docker.scope")
    assert "bkjat" not in str(dict(daemon.environment))


def test_rootless_docker_is_found_where_debian_has_it(world: World) -> None:
    world.assignment = an_assignment(root="rootless-docker")
    image_with(world, *(ROOTLESS - {"dockerd-rootless.sh"}))
    script = world.machine.places.root / "usr/share/docker.io/contrib/dockerd-rootless.sh"
    script.parent.mkdir(parents=True)
    script.touch()
    world.machine.acts["mayfly-docker"] = Act(lasts=10_000, does=listens(world))
    world.run()

    assert world.machine.started[0].program.argv[0] == str(script)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act(code=1, says="[rootlesskit:parent] error: no slirp4netns"), "ended with 1"),
        (Act(lasts=10_000, says="still trying"), "was not ready within 60 s"),
    ],
)
def test_a_rootless_docker_that_is_never_ready_ends_the_host_before_its_agent(
    world: World, act: Act, reason: str
) -> None:
    world.assignment = an_assignment(root="rootless-docker")
    image_with(world, *ROOTLESS)
    world.machine.acts["mayfly-docker"] = act
    world.run()

    assert_failed(world, f"rootless Docker {reason}", row=SANDBOX_ROW)
    assert act.says in world.last_report["words"]
    assert [each.program.unit for each in world.machine.started] == ["mayfly-docker"]
    assert world.machine.ran("systemctl kill --signal=SIGKILL mayfly-docker.scope")
