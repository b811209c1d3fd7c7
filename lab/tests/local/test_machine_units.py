"""systemctl, systemd-run and dnf on a machine: stand-ins with the real commands' behaviour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.machine_kit import INSTANCE, Bench, a_bench
from mayfly_lab.machines.ground import Ground, Kind


@pytest.fixture(scope="module")
def units_bench(machine_grounds: dict[str, Ground | str]) -> Iterator[Bench]:
    """One room for the whole table; these commands are the same on both kinds of machine."""
    found = machine_grounds[Kind.DIRECTORY]
    assert isinstance(found, Ground)
    with a_bench(found) as bench:
        yield bench


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("systemctl stop nothing.service", 5, "Unit nothing.service not loaded"),
        ("systemctl start nothing", 5, "Unit nothing.service not found"),
        ("systemctl kill nothing.scope", 1, "Unit nothing.scope not loaded"),
        ("systemctl enable nothing.service", 1, "does not exist"),
        ("systemctl disable nothing.service", 1, "does not exist"),
        ("systemctl mask nothing.service", 0, "proceeding anyway"),
        ("systemctl mask --quiet nothing.service", 0, ""),
        ("systemctl mask nothing; systemctl is-enabled nothing", 1, "masked"),
        ("systemctl mask x; systemctl start x", 1, "Unit x.service is masked"),
        ("systemctl mask x; systemctl unmask x; systemctl is-enabled x", 1, "disabled"),
        ("systemctl is-active nothing", 3, "inactive"),
        ("systemctl stop user.slice", 0, ""),
        ("systemctl daemon-reload", 0, ""),
        ("systemctl frobnicate x", 1, "Unknown command verb frobnicate"),
        ("dnf install --assumeyes --quiet git", 0, "already installed"),
        ("dnf install -y nothing", 1, "Unable to find a match: nothing"),
        ("dnf upgrade", 1, "No such command: upgrade"),
        ("yum install -y tar", 0, "already installed"),
        ("systemd-run true", 1, "--scope"),
        ("systemd-run --scope", 1, "command line to execute required"),
        ("systemd-run --scope -- no-such-program", 127, "No such file"),
        ("journalctl --no-pager", 0, ""),
    ],
)
def test_commands_answer_like_the_real_ones(
    units_bench: Bench, command: str, code: int, said: str
) -> None:
    number = len(units_bench.ec2.off)
    console = units_bench.run(f"{command}\necho code=$?", instance_id=f"i-{number}")
    assert f"code={code}\n" in console
    assert said in console


def test_a_program_in_a_scope_keeps_pid_environment_files_and_exit_code(bench: Bench) -> None:
    console = bench.run(
        """exec 7< <(echo through the file)
        FOO=bar systemd-run --scope --collect --quiet --unit=s -- \
            bash -c 'echo "pid=$$ $FOO"; cat <&7; exit 9' &
        wait $!; echo "code=$? started=$!"
        systemd-run --scope --quiet -- bash -c 'kill -KILL $$'; echo code=$?
        """
    )
    pid = console.split("pid=")[1].split()[0]
    assert f"pid={pid} bar\nthrough the file\ncode=9 started={pid}" in console
    assert "code=137" in console


def test_killing_a_scope_ends_all_its_descendants(bench: Bench) -> None:
    console = bench.run(
        """systemd-run --scope --collect --quiet --unit=s -- bash -c '
            trap "" TERM
            (setsid sleep 11.1 &); nohup sleep 11.2 > /dev/null 2>&1 &
            sleep 0.2'
        echo left $(pgrep -c -f "^sleep 11")
        systemctl is-active s.scope
        systemctl kill --signal=SIGKILL s.scope; echo code=$?
        echo left $(pgrep -c -f "^sleep 11")
        systemctl kill --signal=SIGKILL s.scope; echo code=$?
        """
    )
    assert "left 2\nactive\ncode=0\nleft 0\n" in console
    assert "code=1" in console


def test_a_program_in_another_scope_outlives_the_first_scope(bench: Bench) -> None:
    console = bench.run(
        """systemd-run --scope --quiet --unit=one -- bash -c '
            systemd-run --scope --quiet --unit=two -- sleep 12.1 & sleep 0.3'
        systemctl kill --signal=SIGKILL one.scope
        echo left $(pgrep -c -f "^sleep 12.1")
        systemctl is-active two.scope; systemctl stop two.scope
        echo left $(pgrep -c -f "^sleep 12.1")
        """
    )
    assert "left 1\nactive\nleft 0" in console


def test_a_running_scope_cannot_be_created_again(bench: Bench) -> None:
    console = bench.run(
        """systemd-run --scope --quiet --unit=s -- sleep 13.1 &
        sleep 0.3
        systemd-run --scope --unit=s -- true || echo refused
        """
    )
    assert "Unit s.scope already exists" in console
    assert "refused" in console


def test_an_unprivileged_user_cannot_control_units(root_bench: Bench) -> None:
    console = root_bench.run(
        """as() { setpriv --reuid=1000 --clear-groups "$@" || echo "refused $1"; }
        as poweroff; as systemctl mask x.service; as systemd-run --scope true; as dnf install git
        as systemctl is-active x.service
        systemctl is-enabled x.service; echo still here
        """
    )
    for name in ("poweroff", "dnf"):
        assert f"refused {name}" in console
    assert "access denied" in console
    assert "masked" not in console
    assert "still here" in console


def test_every_call_of_a_stand_in_command_is_recorded(bench: Bench) -> None:
    bench.run("systemctl mask a.service; dnf install nothing; true")
    calls = bench.room.calls(INSTANCE)
    assert [(call.argv, call.exit) for call in calls] == [
        (("systemctl", "mask", "a.service"), 0),
        (("dnf", "install", "nothing"), 1),
        (("poweroff",), 0),
    ]
