"""Ids, settings and runtime directory that rootless containers need of the job user."""

from __future__ import annotations

import pytest

from mayfly_instance import containers
from mayfly_instance.failure import HostFailure
from tests.instance.worlds import World, an_assignment, assert_failed

UIDS = "usermod --add-subuids"


def write(world: World, **files: str) -> None:
    """Write files of /etc."""
    etc = world.machine.places.root / "etc"
    etc.mkdir(exist_ok=True)
    for name, content in files.items():
        (etc / name).write_text(content)


@pytest.mark.parametrize(
    ("taken", "first"),
    [
        ([], 100_000),
        ([(165_536, 65_536)], 100_000),
        ([(100_000, 65_536)], 165_536),
        ([(165_535, 1)], 165_536),
        ([(99_999, 1), (165_536, 1)], 100_000),
        ([(99_000, 1_001)], 100_001),
        ([(231_072, 65_536), (100_000, 65_536)], 165_536),
        ([(100_000, 300_000), (110_000, 10)], 400_000),
        ([(120_000, 10), (100_000, 10), (150_000, 10)], 150_010),
    ],
)
def test_the_lowest_range_is_chosen_that_overlaps_no_other(
    taken: list[tuple[int, int]], first: int
) -> None:
    assert containers.lowest_free(taken) == first


def test_a_machine_whose_ids_are_all_given_away_has_none_for_containers() -> None:
    with pytest.raises(HostFailure, match="leave no ids"):
        containers.lowest_free([(100_000, 600_000_000)])


def test_set_up_gives_the_job_user_ids_although_the_image_has_no_file_of_ids(world: World) -> None:
    world.run()

    assert world.machine.ran(f"{UIDS} 100000-165535 --add-subgids 100000-165535 mayfly-job")
    assert world.machine.places.subordinate_uids.read_bytes() == b""
    assert world.machine.places.subordinate_gids.read_bytes() == b""
    assert world.phases[-1] == "done"


def test_ids_of_the_job_user_overlap_no_range_user_or_group_of_the_image(world: World) -> None:
    write(
        world,
        subuid="ec2-user:100000:65536\n",
        subgid="ec2-user:165536:65536\nnonsense\n",
        passwd="root:x:0:0::/root:/bin/sh\nbuilder:x:231080:231080::/:/bin/sh\n",
        group="root:x:0:\nteam:x:300000:\n",
    )
    world.run()

    assert world.machine.ran(f"{UIDS} 231081-296616 --add-subgids 231081-296616 mayfly-job")
    assert world.machine.places.subordinate_uids.read_text() == "ec2-user:100000:65536\n"


@pytest.mark.parametrize("owner", ["mayfly-job", "995"])
def test_ids_that_the_image_gives_the_job_user_stay(world: World, owner: str) -> None:
    write(world, subuid=f"{owner}:500000:65536\n", subgid=f"{owner}:500000:65536\n")
    world.run()

    assert not world.machine.ran(UIDS)
    assert world.phases[-1] == "done"


def test_a_user_with_uids_alone_gets_both(world: World) -> None:
    write(world, subuid="mayfly-job:100000:65536\n", subgid="")
    world.run()

    assert world.machine.ran(f"{UIDS} 165536-231071 --add-subgids 165536-231071 mayfly-job")


def test_a_host_that_cannot_give_ids_fails_in_set_up(world: World) -> None:
    world.machine.failing[UIDS] = "usermod: cannot lock /etc/subuid; try again later."
    world.run()

    assert_failed(world, "usermod exited with 1", row="AROA-bootstrap:i-0abc")
    assert "cannot lock /etc/subuid" in world.last_report["words"]


def test_podman_is_told_to_manage_cgroups_without_a_session_of_systemd(world: World) -> None:
    world.run()

    settings = world.machine.places.container_settings
    assert settings == world.machine.places.job_home / ".config/containers/containers.conf"
    assert 'cgroup_manager = "cgroupfs"' in settings.read_text()
    for path in (settings.parent.parent, settings.parent):
        assert ["chown", "mayfly-job", str(path)] in world.machine.commands
    assert not world.machine.ran("systemctl start user@")
    assert not world.machine.ran("loginctl")


def test_settings_for_containers_that_the_image_has_stay(world: World) -> None:
    settings = world.machine.places.container_settings
    settings.parent.mkdir(parents=True)
    settings.write_text("# ours\n")
    world.run()

    assert settings.read_text() == "# ours\n"


def test_the_job_has_a_runtime_directory_of_its_own_on_a_tmpfs(world: World) -> None:
    world.run()

    path = world.machine.places.root / "run/user/995"
    options = "mode=0700,nosuid,nodev,size=10%"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    done = world.machine.commands
    start = next(each for each in done if each[:2] == ["start", "mayfly-job"])
    assert done.index(mount) < done.index(["chown", "mayfly-job", str(path)]) < done.index(start)
    assert world.agent().program.environment["XDG_RUNTIME_DIR"] == str(path)


def test_the_runtime_directory_does_not_exist_before_the_proof(world: World) -> None:
    assert world.set_up()
    assert not (world.machine.places.root / "run/user").exists()


def test_a_job_that_runs_as_root_gets_no_runtime_directory(world: World) -> None:
    world.assignment = an_assignment(imds="off", root="yes")
    world.run()

    assert "XDG_RUNTIME_DIR" not in world.agent().program.environment
