"""The trees and disks of whole machines have what the scenarios count on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mayfly_lab.machines.whole.recipes import SUITES
from mayfly_lab.machines.whole.trees import Absent, Disk, disk, ready

SYSTEMD = {"bookworm": "systemd 252", "trixie": "systemd 257"}
CLOUD_INIT = {"bookworm": "22.4", "trixie": "25.1"}
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tree(suite: str) -> Path:
    try:
        return ready(suite)
    except Absent as reason:
        pytest.skip(str(reason))


def _inside(tree: Path, *argv: str) -> str:
    done = subprocess.run(
        # Python must not write its caches into the tree, which machines share.
        ("chroot", str(tree), "env", _PATH, "PYTHONDONTWRITEBYTECODE=1", *argv),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.whole
def test_a_tree_has_the_versions_that_the_scenarios_are_about(suite: str, tree: Path) -> None:
    assert _inside(tree, "systemctl", "--version").startswith(SYSTEMD[suite])
    assert CLOUD_INIT[suite] in _inside(tree, "cloud-init", "--version")


@pytest.mark.whole
def test_a_tree_has_the_programs_of_user_data_host_and_scenarios(tree: Path) -> None:
    for program in (
        "curl",
        "git",
        "ssh",
        "ssh-agent",
        "ssh-add",
        "nft",
        "python3",
        "setpriv",
        "podman",
        "newuidmap",
        "catatonit",
        "busybox",
    ):
        assert _inside(tree, "sh", "-c", f"command -v {program}").strip()


@pytest.mark.whole
def test_a_tree_knows_nothing_of_the_system_that_made_it(tree: Path) -> None:
    left = ("apt.conf.d/00outside", "auth.conf", "auth.conf.d")
    kept = [path for name in left if (path := tree / "etc/apt" / name).is_file()]
    kept += [path for path in (tree / "etc/apt/auth.conf.d").iterdir() if path.is_file()]
    assert kept == []
    assert not (tree / "usr/sbin/policy-rc.d").exists()
    assert not (tree / "etc/hostname").exists()
    assert (tree / "etc/machine-id").read_text() == ""
    assert "localhost" in (tree / "etc/hosts").read_text()
    assert not list((tree / "proc").iterdir())


@pytest.mark.whole
def test_no_service_of_podman_starts_with_a_machine(tree: Path) -> None:
    assert list((tree / "usr/lib/systemd/system").glob("podman*"))
    links = [path.name for path in (tree / "etc/systemd").rglob("*") if path.is_symlink()]
    assert links
    assert [name for name in links if name.startswith(("podman", "netavark"))] == []


@pytest.mark.vm
def test_a_disk_has_the_overlay_as_files_of_root_over_the_tree(suite: str, tmp_path: Path) -> None:
    unit = tmp_path / "etc/systemd/system/scenario.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Unit]\n")
    shutil.chown(unit, 1234, 1234)
    made = _disk(suite, tmp_path)
    found = _debugfs(made, "stat /etc/systemd/system/scenario.service")
    assert "User:     0   Group:     0" in found
    # The overlay's directories, which are another's, leave the modes of the tree's alone.
    assert "Mode:  0755" in _debugfs(made, "stat /etc")
    assert "ext4" in _debugfs(made, "cat /etc/fstab")
    assert "cloud-init" in _debugfs(made, "ls /usr/bin")
    assert made.kernel.stat().st_size > 1_000_000 < made.initrd.stat().st_size


def _disk(suite: str, overlay: Path) -> Disk:
    try:
        return disk(suite, overlay)
    except Absent as reason:
        pytest.skip(str(reason))


def _debugfs(made: Disk, request: str) -> str:
    return subprocess.run(
        ("debugfs", "-R", request, str(made.image)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
