"""`Machine` with stand-ins for the programs that it calls."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mayfly_instance import firewall
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.machine import Machine, Program, Running
from mayfly_instance.places import Places
from mayfly_protocol.words import Imds

CURRENT_USER = next((each.pw_name for each in pwd.getpwall() if each.pw_uid == os.getuid()), "")
PATIENCE = 60


class UnprivilegedMachine(Machine):
    """A machine that gives its files to the current user: tests may run without root."""

    def _own(self, path: Path, owner: str) -> None:
        if CURRENT_USER:  # In a container the current user may have no name.
            super()._own(path, CURRENT_USER)


@pytest.fixture
def bin_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    return path


@pytest.fixture
def machine(tmp_path: Path, bin_path: Path) -> UnprivilegedMachine:
    found = UnprivilegedMachine(Places(tmp_path / "root"))
    found.places.root.mkdir()
    return found


def stand_in(bin_path: Path, name: str, script: str) -> Path:
    """Install a stand-in that logs its arguments, then runs the script. Returns the log."""
    log = bin_path / f"{name}.log"
    file = bin_path / name
    file.write_text(f'#!/bin/bash\nprintf "%s\\n" "$0 $*" >>{log}\n{script}\n')
    file.chmod(0o755)
    return log


def exit_code(running: Running) -> int:
    assert isinstance(running, subprocess.Popen)
    return running.wait(PATIENCE)


def calls_in(log: Path) -> list[str]:
    return [line.partition(" ")[2] for line in log.read_text().splitlines()]


def test_a_scope_runs_the_program_itself_with_its_environment_and_files(
    machine: UnprivilegedMachine, bin_path: Path, tmp_path: Path
) -> None:
    log = stand_in(
        bin_path, "systemd-run", 'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"'
    )
    reading, writing = os.pipe()
    os.write(writing, b"over an open file")
    os.close(writing)
    script = f'echo "$$ $WHO"; env | wc -l; cat <&{reading}; exit 7'
    output = tmp_path / "output"
    program = Program(
        unit="mayfly-job",
        argv=["/bin/bash", "-c", script],
        environment={"WHO": "me", "PATH": f"{bin_path}:/usr/bin:/bin"},
        directory=tmp_path,
        output=output,
        pass_files=(reading,),
    )
    running = machine.start(program)
    os.close(reading)
    code = exit_code(running)

    pid_and_who, variables, passed = output.read_text().splitlines()
    assert (pid_and_who, passed) == (f"{running.pid} me", "over an open file")
    assert code == 7
    assert int(variables) <= 6  # Two given variables and those of two shells.
    assert calls_in(log)[0].startswith(
        "--scope --collect --quiet --unit=mayfly-job -- /bin/bash -c"
    )
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_program_of_another_user_is_started_by_setpriv(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    scopes = stand_in(
        bin_path, "systemd-run", 'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"'
    )
    # Wait for its output before the signal: the shell in front of it ignores SIGQUIT.
    is_there = f"import time; print('there', flush=True); time.sleep({2 * PATIENCE})"
    log = stand_in(bin_path, "setpriv", f'exec {sys.executable} -c "{is_there}"')
    output = bin_path / "o"
    program = Program("u", ["agent", "start"], {"PATH": os.environ["PATH"]}, bin_path, output)
    running = machine.start(replace(program, user="mayfly-job"))
    until = time.monotonic() + PATIENCE
    while output.read_text() != "there\n":
        assert time.monotonic() < until
        time.sleep(0.005)
    running.send_signal(signal.SIGQUIT)
    code = exit_code(running)

    assert calls_in(log) == ["--reuid=mayfly-job --regid=mayfly-job --init-groups -- agent start"]
    scope = "--scope --collect --quiet --unit=u --property=Delegate=yes"
    assert calls_in(scopes)[0].startswith(f"{scope} -- sh -c")
    assert code == -signal.SIGQUIT


def test_a_command_of_another_user_has_its_input_and_its_environment_and_no_other(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    log = stand_in(bin_path, "setpriv", "cat; env | sort")
    environment = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": "/run/x"}
    said = machine.run_as("mayfly-job", ["ssh-add", "-"], environment, "a secret key\n", 10)

    assert calls_in(log) == ["--reuid=mayfly-job --regid=mayfly-job --init-groups -- ssh-add -"]
    assert said.startswith("a secret key\n")
    assert "SSH_AUTH_SOCK=/run/x" in said
    assert "HOME=" not in said
    assert "a secret key" not in log.read_text()


def test_a_program_that_cannot_be_started_raises_command_failed(
    machine: UnprivilegedMachine, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(CommandFailed, match="cannot start agent"):
        machine.start(Program("u", ["agent"], {}, nowhere, tmp_path / "o"))


def test_a_failing_command_raises_command_failed_with_its_output(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    stand_in(bin_path, "dnf", "echo No match for argument: nftables >&2; exit 1")
    with pytest.raises(CommandFailed, match="dnf install exited with 1") as failure:
        machine.install(["nftables"])

    assert failure.value.words == "No match for argument: nftables\n"


def test_a_missing_command_raises_command_failed(machine: UnprivilegedMachine) -> None:
    with pytest.raises(CommandFailed, match="cannot run dnf: No such file"):
        machine.install(["git"])


def test_rules_are_loaded_from_standard_input(machine: UnprivilegedMachine, bin_path: Path) -> None:
    log = stand_in(bin_path, "nft", f"cat >{bin_path}/rules")
    machine.set_rules(firewall.rules(Imds.OFF))

    assert calls_in(log) == ["--file -"]
    assert (bin_path / "rules").read_text() == firewall.rules(Imds.OFF)


def test_power_off_is_forced_when_systemd_is_stuck(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    log = stand_in(bin_path, "poweroff", "[[ $* == *--force* ]]")
    machine.power_off()

    assert calls_in(log) == ["", "--force"]


def test_killing_a_scope_that_has_ended_raises_nothing(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    log = stand_in(bin_path, "systemctl", "echo Unit x.scope not loaded. >&2; exit 1")
    machine.kill_scope("x")

    assert calls_in(log) == ["kill --signal=SIGKILL x.scope"]


def test_a_file_is_written_whole_with_its_mode(
    machine: UnprivilegedMachine, tmp_path: Path
) -> None:
    file = tmp_path / "a/b"
    machine.write_file(file, b"one", 0o600)
    machine.write_file(file, b"two", 0o640)

    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"two", 0o640)
    assert [each.name for each in file.parent.iterdir()] == ["b"]


def test_remove_does_not_follow_a_symbolic_link(
    machine: UnprivilegedMachine, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    kept.joinpath("file").touch()
    link = tmp_path / "link"
    link.symlink_to(kept)
    machine.remove(link)
    machine.remove(tmp_path / "absent")

    assert not link.is_symlink()
    assert kept.joinpath("file").exists()


def test_other_users_lose_write_permission_in_a_directory_given_to_root(
    machine: UnprivilegedMachine, tmp_path: Path
) -> None:
    hook = tmp_path / "hooks/environment"
    hook.parent.mkdir()
    hook.touch()
    hook.chmod(0o777)
    machine.make_root_own(hook.parent)

    assert hook.stat().st_mode & 0o777 == 0o755


def test_a_program_that_set_up_installed_is_found_before_the_images(
    machine: UnprivilegedMachine, bin_path: Path
) -> None:
    stand_in(bin_path, "buildkite-agent", "")
    assert machine.find("buildkite-agent") == bin_path / "buildkite-agent"
    machine.write_file(machine.places.binaries / "buildkite-agent", b"", 0o755)
    assert machine.find("buildkite-agent") == machine.places.binaries / "buildkite-agent"
    assert machine.find("no-such-program") is None


def test_a_supervisor_without_root_refuses_a_real_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostFailure, match="must run as root"):
        Machine(Places(Path("/")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may try as another user")
def test_the_connection_attempt_runs_as_the_given_user(machine: UnprivilegedMachine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert machine.reaches("127.0.0.1", port, "nobody")
    assert not machine.reaches("127.0.0.1", port, "nobody")
    assert os.getuid() == 0


def test_a_socket_that_is_bound_and_takes_no_connections_yet_does_not_listen() -> None:
    """A process can be stopped between the two calls for long, on a busy machine."""
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as server:
        path = Path(directory) / "socket"
        machine = Machine(Places(Path(directory)))
        assert not machine.listens(path)
        server.bind(str(path))
        assert not machine.listens(path)
        server.listen()
        assert machine.listens(path)
