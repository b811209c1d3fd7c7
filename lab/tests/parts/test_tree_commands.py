"""The commands that make trees: which mirror they take, and whose life their processes have."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mayfly.errors import Misconfigured
from mayfly_lab.machines.whole.commands import SystemCommands, mirror_of
from mayfly_lab.machines.whole.obstacles import no_rights

WHY_NOT = no_rights(SystemCommands())
may_build = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
ASKING = """
import fcntl, pathlib, sys
from mayfly_lab.machines.whole.commands import SystemCommands
here = pathlib.Path(sys.argv[1])
with (here / "lock").open("wb") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    argv = ("sh", "-c", f"setsid sleep 600 & echo runs >{here}/fifo; sleep 600")
    SystemCommands().run(argv, here / "log", lock.fileno(), 600)
"""


def _comes_free(lock: Path) -> bool:
    """Whether nobody holds the lock after a moment, in which killed processes end."""
    with lock.open("rb") as file:
        waiting = threading.Thread(target=fcntl.flock, args=(file, fcntl.LOCK_EX), daemon=True)
        waiting.start()
        waiting.join(20)
        return not waiting.is_alive()


def test_the_mirror_is_the_archive_of_debian_and_neither_its_updates_nor_others() -> None:
    lines = [
        "Debian Debian-Security http://mirror.example/security",
        "Example packages http://mirror.example/other",
        "Debian Debian http://mirror.example/debian",
    ]
    assert mirror_of("\n".join(lines)) == "http://mirror.example/debian"
    assert mirror_of("\n".join(lines[:2])) == ""
    assert mirror_of("") == ""


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt")
def test_a_mirror_of_an_apt_that_cannot_read_its_settings_is_a_matter_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "apt.conf"
    broken.write_text("not a setting")
    monkeypatch.setenv("APT_CONFIG", str(broken))
    with pytest.raises(Misconfigured, match=str(broken)):
        SystemCommands().mirror()


@may_build
def test_a_command_has_its_output_in_the_log_and_its_exit_status_returned(
    tmp_path: Path,
) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        argv = ("sh", "-c", "echo out; echo err >&2; exit 3")
        status = SystemCommands().run(argv, tmp_path / "log", lock.fileno(), 20)
    assert status == 3
    assert (tmp_path / "log").read_text() == "out\nerr\n"


@may_build
def test_a_command_holds_the_lock_itself(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        argv = ("bash", "-c", f"echo held >&{lock.fileno()}")
        assert SystemCommands().run(argv, tmp_path / "log", lock.fileno(), 20) == 0
    assert (tmp_path / "lock").read_text() == "held\n"


@may_build
def test_a_command_out_of_time_ends_with_its_children_and_gives_the_lock_back(
    tmp_path: Path,
) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = ("sh", "-c", "setsid sleep 600 & sleep 600")
        assert SystemCommands().run(argv, tmp_path / "log", lock.fileno(), 0.5) is None
    assert _comes_free(tmp_path / "lock")


@may_build
def test_a_build_ends_with_the_process_that_asked_for_it_even_if_that_is_killed(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen((sys.executable, "-c", ASKING, str(tmp_path))) as asking:
        runs, _, _ = select.select([fifo], [], [], 20)
        asking.kill()
    os.close(fifo)
    assert runs
    assert _comes_free(tmp_path / "lock")


@may_build
def test_a_mount_of_a_command_is_gone_with_it(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        argv = ("sh", "-c", f"mount -t tmpfs tmpfs {tmp_path} && : >{tmp_path}/inside")
        assert SystemCommands().run(argv, tmp_path / "log", lock.fileno(), 20) == 0
    assert not (tmp_path / "inside").exists()
