"""Left-over processes, found in process tables; and the real table of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mayfly_instance import proc
from tests.instance.fake_machine import a_process

OWN = a_process(50, "python3", cgroup="/system.slice/cloud-final.service")
BEFORE = [a_process(1, "systemd", cgroup="/init.scope"), a_process(7, "sshd"), OWN]


def left_over_pids(*processes: proc.Process) -> list[int]:
    return [each.pid for each in proc.left_over(BEFORE, [*BEFORE, *processes], own_pid=50)]


def test_without_a_new_process_none_is_left_over() -> None:
    assert left_over_pids() == []


def test_a_new_process_is_left_over() -> None:
    assert left_over_pids(a_process(900)) == [900]


def test_a_new_process_with_a_reused_pid_is_left_over() -> None:
    assert left_over_pids(a_process(7, started=999)) == [7]


def test_a_new_child_of_the_supervisor_is_left_over() -> None:
    assert left_over_pids(a_process(900, parent=50)) == [900]


def test_a_zombie_or_kernel_thread_is_not_left_over() -> None:
    assert left_over_pids(a_process(900, state="Z"), a_process(901, state="X")) == []
    assert left_over_pids(a_process(900, "kworker/0:1", kernel=True)) == []


@pytest.mark.parametrize(
    "unit",
    [
        "systemd-journald.service",
        "systemd-udevd.service/udev",
        "dnf-makecache.service",
        "system-getty.slice/getty@tty1.service",
        "chronyd.service",
    ],
)
def test_a_process_of_a_unit_that_systemd_starts_by_itself_is_not_left_over(unit: str) -> None:
    assert left_over_pids(a_process(900, cgroup=f"/system.slice/{unit}")) == []


@pytest.mark.parametrize(
    "cgroup",
    [
        "/",
        "/system.slice/mayfly-script.scope",
        "/system.slice/run-r1234.service",
        "/system.slice/amazon-cloudwatch-agent.service",
        "/system.slice/docker.service",
        "/system.slice/atd.service",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
        "/my.slice/system.slice/systemd-x.service",
    ],
)
def test_a_process_of_any_other_cgroup_is_left_over(cgroup: str) -> None:
    assert left_over_pids(a_process(900, cgroup=cgroup)) == [900]


def test_a_process_in_the_supervisors_own_cgroup_is_left_over() -> None:
    # In a pid namespace all processes may show one cgroup: the one in which the lab runs.
    ours = "/system.slice/systemd-nspawn.service"
    before = [a_process(50, cgroup=ours)]
    after = [*before, a_process(900, cgroup=ours)]

    assert [each.pid for each in proc.left_over(before, after, own_pid=50)] == [900]


def test_daemons_that_hold_credentials_are_found_by_their_cut_names() -> None:
    found = [a_process(9, "amazon-ssm-agen"), a_process(10, "amazon-ssm-agen", state="Z")]

    assert [each.pid for each in proc.image_daemons([*BEFORE, *found])] == [9]
    assert all(len(name) <= 15 for name in proc.IMAGE_DAEMONS)


def test_a_zombie_does_not_count_as_a_child() -> None:
    table = [a_process(9, parent=8), a_process(10, parent=7, state="Z")]

    assert proc.has_children(table, 8)
    assert not proc.has_children(table, 7)


def add_entry(table: Path, pid: int, stat: str, cgroup: str) -> None:
    folder = table / str(pid)
    folder.mkdir(parents=True)
    folder.joinpath("stat").write_text(stat)
    folder.joinpath("status").write_text("Name:\tx\nUid:\t1001\t1002\t0\t0\n")
    folder.joinpath("cgroup").write_text(cgroup)


def test_process_names_with_blanks_and_parentheses_are_read(tmp_path: Path) -> None:
    rest = "S 7 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
    add_entry(tmp_path, 12, f"12 (a) b (c) {rest.format(flags=4194560)}", "0::/a.scope\n")
    add_entry(tmp_path, 13, f"13 (kworker) {rest.format(flags=69238880)}", "1:cpu:/x\n0::/\n")
    (tmp_path / "14").mkdir()  # A process that ended during the read.
    (tmp_path / "self").mkdir()

    found = sorted(proc.read(tmp_path), key=lambda each: each.pid)
    expected: list[Any] = [
        (12, 7, 4711, "S", "a) b (c", 1001, False, "/a.scope"),
        (13, 7, 4711, "S", "kworker", 1001, True, "/"),
    ]
    assert [tuple(vars(each).values()) for each in found] == expected


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/system.slice/mayfly-job.scope/program", "/system.slice/mayfly-job.scope"),
        ("/system.slice/mayfly-job.scope/libpod-1.scope/x", "/system.slice/mayfly-job.scope"),
        ("/system.slice/mayfly-job.scope", "/system.slice/mayfly-job.scope"),
        ("/system.slice/mayfly.service", "/system.slice/mayfly.service"),
    ],
)
def test_the_scope_around_a_process_is_found(tmp_path: Path, path: str, found: str) -> None:
    add_entry(tmp_path, 12, "", f"0::{path}\n")

    assert proc.cgroup(12, tmp_path) == found
    assert proc.cgroup(13, tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's process table")
def test_the_real_process_table_is_read() -> None:
    before = proc.read()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        after = proc.read()
        new = [each for each in proc.left_over(before, after, os.getpid()) if each.pid == child.pid]
        assert [(each.parent, each.uid) for each in new] == [(os.getpid(), os.getuid())]
        assert proc.has_children(after, os.getpid())
        child.communicate(b"\n")
