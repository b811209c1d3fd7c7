"""The process list shows every command line that a process had while the list looked."""

from __future__ import annotations

import shutil
from pathlib import Path

from mayfly_lab.machines.process_list import _ALL, ProcessList


def run(proc: Path, pid: int, *words: str) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_each_command_line_is_shown_once(tmp_path: Path) -> None:
    run(tmp_path, 1, "/sbin/init")
    run(tmp_path, 2, "sh", "-c", "echo canary")
    run(tmp_path, 3)  # a kernel thread
    (tmp_path / "self").mkdir()
    (tmp_path / "4").mkdir()  # it has ended
    processes = ProcessList(tmp_path)
    processes.look()
    processes.look()
    assert processes.text().splitlines() == ["/sbin/init", "sh -c echo canary"]


def test_a_process_that_has_ended_stays_in_the_list_and_its_number_is_used_again(
    tmp_path: Path,
) -> None:
    processes = ProcessList(tmp_path)
    for words in ("first", "second"):
        run(tmp_path, 2, words)
        for _ in range(4):
            processes.look()
        shutil.rmtree(tmp_path / "2")
        processes.look()
    assert processes.text().splitlines() == ["first", "second"]


def test_a_new_process_is_read_again_after_it_became_its_program(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path)
    run(tmp_path, 2, "supervisor")
    processes.look()
    run(tmp_path, 2, "ssh-add", "canary")
    processes.look()
    assert "ssh-add canary" in processes.text()


def test_a_process_that_becomes_another_program_late_is_seen(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path)
    run(tmp_path, 2, "sh")
    for _ in range(_ALL):
        processes.look()
    run(tmp_path, 2, "printenv", "canary")
    for _ in range(_ALL):
        processes.look()
    assert "printenv canary" in processes.text()


def test_a_host_without_processes_to_see_has_an_empty_list(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path / "none")
    processes.start()
    processes.stop()
    assert not processes.text()
