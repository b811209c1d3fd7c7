"""A machine from power on to power off, with namespaces and without."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.machine_kit import INSTANCE, Bench, a_bench, a_boot, until
from mayfly_lab.contracts import MachineRoom
from mayfly_lab.machines.console import KEPT
from mayfly_lab.machines.ground import Ground, Kind
from mayfly_lab.machines.machine import First
from mayfly_lab.machines.ordinary import OrdinaryMachines

METADATA = "${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest"


def test_a_machine_runs_its_user_data_and_tells_ec2_that_it_went_off(bench: Bench) -> None:
    room: MachineRoom = bench.room
    console = bench.run("echo hello from $0")
    assert "hello from" in console
    assert "var/lib/cloud/instance/scripts/part-001" in console
    assert bench.ec2.off == [INSTANCE]
    assert room.console(INSTANCE) == console


def test_a_machine_whose_first_process_ends_before_its_plan_is_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = OrdinaryMachines.first

    def first(machines: OrdinaryMachines, *given: Any) -> First:
        # More than a pipe holds, so that the lab is still writing when the process ends.
        plan = {"long": "x" * 1_000_000}
        return replace(usual(machines, *given), argv=("true",), plan=plan)

    monkeypatch.setattr(OrdinaryMachines, "first", first)
    bench.boot("#!/bin/bash\n")
    bench.until_off()


def test_a_machine_boots_however_long_the_path_of_temporary_files_is(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with a_bench(ground) as bench:
        assert "the stand-ins answer" in bench.run(
            "systemctl daemon-reload\necho the stand-ins answer"
        )


def test_user_data_has_a_minimal_environment(bench: Bench) -> None:
    console = bench.run('echo "HOME=${HOME-unset}"; env | sort')
    assert f"AWS_ENDPOINT_URL=http://127.0.0.1:{bench.port}" in console
    assert "LANG=C.UTF-8" in console
    assert "VIRTUAL_ENV" not in console
    if bench.namespaces:
        assert "HOME=unset" in console
    else:
        assert f"HOME={os.environ.get('HOME', '/root')}\n" not in console


def test_user_data_may_be_compressed(bench: Bench) -> None:
    bench.boot(gzip.compress(b"#!/bin/sh\necho unpacked\npoweroff\n"))
    bench.until_off()
    assert "unpacked" in bench.room.console(INSTANCE)


def test_user_data_that_is_not_a_script_is_not_run(bench: Bench) -> None:
    bench.boot(b"packages: [git]\n")
    bench.until_said("so nothing runs")
    bench.room.cut(INSTANCE)
    assert bench.ec2.off == []


def test_user_data_starts_after_the_stated_delay(bench: Bench) -> None:
    object.__setattr__(bench.room._config, "boot_seconds", 0.5)
    began = time.monotonic()
    bench.run("echo up")
    assert time.monotonic() - began > 0.5


def test_the_lab_is_reached_on_loopback(bench: Bench) -> None:
    assert "the front door" in bench.run('curl -sS "$AWS_ENDPOINT_URL/here"')
    assert [request.target for request in bench.requests] == ["/here"]


def test_the_machine_reaches_its_own_metadata(bench: Bench) -> None:
    console = bench.run(
        f"""ttl='X-aws-ec2-metadata-token-ttl-seconds: 60'
        token=$(curl -sS -X PUT -H "$ttl" {METADATA}/api/token)
        curl -sS -H "X-aws-ec2-metadata-token: $token" {METADATA}/meta-data/instance-id
        """
    )
    assert INSTANCE in console


def test_a_machine_has_python_but_not_the_hosts_agent(bench: Bench) -> None:
    console = bench.run(
        "python3 -c 'import sys; print(sys.version_info >= (3, 9))'; type -a buildkite-agent"
    )
    assert "True" in console
    assert "not found" in console


def test_the_programs_of_a_machine_run_on_the_python_of_amazon_linux(
    machine_grounds: dict[str, Ground | str],
) -> None:
    found, old = machine_grounds[Kind.NAMESPACES], python_39()
    if isinstance(found, str) or old is None:
        pytest.skip("needs namespaces and a Python 3.9 somewhere")
    ground = replace(found, python=str(old), python_prefix=str(old.parents[1]))
    with a_bench(ground, decoys=True) as bench:
        console = bench.run(
            """python3 --version; setpriv --reuid=1000 --clear-groups python3 -c 'print("for all")'
            systemctl mask --now amazon-ssm-agent; systemd-run --scope --unit=s -- true && echo ran
            nft --file - <<< 'flush ruleset' && echo flushed
            """
        )
    assert "Python 3.9." in console
    for word in ("for all", "ran", "flushed"):
        assert f"{word}\n" in console
    assert "Traceback" not in console


def python_39() -> Path | None:
    """A working Python 3.9 interpreter of this host; None without one."""
    found = shutil.which("python3.9")
    managed = sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9"))
    for candidate in [*managed, *([Path(found)] if found else [])]:
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate.resolve()
    return None


def test_every_boot_has_an_id_of_its_own(bench: Bench) -> None:
    if not bench.namespaces:
        pytest.skip("without namespaces the supervisor's own module shows the id")
    show = "echo id=$(cat /proc/sys/kernel/random/boot_id)"
    ids = {bench.run(show, instance_id=f"i-{number}").split("id=")[1][:36] for number in (1, 2)}
    assert len(ids) == 2
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() not in ids


def test_the_console_keeps_the_last_64_kb(bench: Bench) -> None:
    # More takes the pace of a serial line too long.
    console = bench.run("seq 1 13500; echo the end")
    assert len(console.encode()) == KEPT
    assert "the end" in console
    assert "\n1\n2\n" not in console


def test_text_written_to_the_console_device_is_on_the_console(bench: Bench) -> None:
    assert "by device" in bench.run('echo by device > "${MAYFLY_ROOT:-}/dev/console"')


def test_a_console_takes_output_no_faster_than_a_serial_line(bench: Bench) -> None:
    """A program that cannot wait loses what the 4 KB before a line do not hold."""
    write = (
        "import os, sys; line = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK); "
        "taken = os.write(line, b'x' * 40000); print('taken', taken <= 8192)"
    )
    console = bench.run(f'python3 -c "{write}" "${{MAYFLY_ROOT:-}}/dev/console"; sleep 1')
    assert "taken True" in console


def test_cutting_the_power_ends_a_machine_at_once(bench: Bench) -> None:
    bench.boot("(setsid sleep 1234 &) ; trap '' TERM ; echo up; sleep 1234")
    bench.until_said("up")
    until(lambda: programs_named("sleep 1234"), bench.room.console, INSTANCE)
    bench.room.cut(INSTANCE)
    assert programs_named("sleep 1234") == []
    assert bench.ec2.off == []
    assert bench.room.console(INSTANCE).endswith("up\n")


AT_ITS_END = "trap 'sleep 0.1; echo ends; exit' TERM; echo up; sleep 1234 & wait"


def test_the_power_button_ends_the_programs_of_a_machine_in_order(bench: Bench) -> None:
    bench.boot(AT_ITS_END)
    bench.until_said("up")
    bench.room.press(INSTANCE)
    bench.until_off()
    assert "Power down" in bench.room.console(INSTANCE)
    assert "ends" in bench.room.console(INSTANCE)


def test_a_machine_that_ec2_shuts_down_has_time_and_does_not_report_its_end(bench: Bench) -> None:
    bench.boot(AT_ITS_END)
    bench.until_said("up")
    bench.room.shut_down(INSTANCE)
    assert "ends" in bench.room.console(INSTANCE)
    assert programs_named("sleep 1234") == []
    assert bench.ec2.off == []


def test_cutting_a_machine_that_is_off_or_unknown_does_nothing(bench: Bench) -> None:
    bench.run("echo up")
    bench.room.cut(INSTANCE)
    bench.room.cut("i-unknown")
    assert bench.room.console("i-unknown") == ""


def test_an_instance_that_is_on_does_not_boot(bench: Bench) -> None:
    bench.boot("sleep 1234")
    with pytest.raises(ValueError, match="is on"):
        bench.room.boot(a_boot(""))


def test_a_machine_that_is_started_and_cut_at_once_leaves_nothing(bench: Bench) -> None:
    for _ in range(5):
        bench.boot("sleep 4321")
        bench.room.cut(INSTANCE)
    assert programs_named("sleep 4321") == []


def test_programs_that_ignore_the_shutdown_are_killed(bench: Bench) -> None:
    object.__setattr__(bench.room._config, "stop_seconds", 0.2)
    bench.boot("trap '' TERM; (trap '' TERM; sleep 5678) & poweroff; sleep 5678")
    bench.until_off()
    assert programs_named("sleep 5678") == []


def test_shutdown_may_be_ordered_for_later_and_called_off(bench: Bench) -> None:
    console = bench.run("shutdown -h +1 && shutdown -c && echo still here; shutdown -P tomorrow")
    assert "still here" in console
    assert "Failed to parse time specification: tomorrow" in console


@pytest.mark.parametrize(
    "command",
    ["poweroff", "poweroff --force", "halt", "shutdown -h now", "systemctl poweroff"],
)
def test_every_way_to_switch_off_works(bench: Bench, command: str) -> None:
    bench.boot(f"{command}; sleep 1234")
    bench.until_off()


def test_a_reboot_keeps_the_disk_and_starts_what_was_enabled(bench: Bench) -> None:
    root = "${MAYFLY_ROOT:-}"
    bench.boot(
        f"""echo kept > {root}/var/lib/kept; echo lost > {root}/run/lost
        mkdir {root}/run/held && mount -t tmpfs held {root}/run/held
        echo first $(cat {root}/run/boot_id)
        again={root}/var/lib/again
        printf "[Service]\\nExecStart=/bin/bash $again\\nSuccessAction=poweroff\\n" \\
            > {root}/etc/systemd/system/again.service
        echo "cat {root}/var/lib/kept; ls {root}/run; echo second" > $again
        systemctl enable --quiet again.service && reboot; sleep 1234
        """
    )
    bench.until_off()
    console = bench.room.console(INSTANCE)
    assert "Restarting system" in console
    after = console.split("Restarting system")[1]
    assert "kept" in after
    assert "second" in after
    assert "lost" not in after
    assert "held" not in after
    assert "first" not in after


def test_invalid_control_messages_from_a_job_do_not_harm_the_machine(bench: Bench) -> None:
    console = bench.run(
        """cat > /dev/null; python3 - "${MAYFLY_ROOT:-}/run/mayfly-lab/control" <<'END'
import socket, sys
for words in (b"5\\n", b"{\\n", b'{"argv": []}\\n', b"\\xff\\n", b'{"event": "off"}\\n'):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        connection.sendall(words)
        print("answer:", connection.recv(100))
END
        systemctl is-active nothing
        """
    )
    assert console.count("answer: b''") == 5
    assert "inactive" in console


def test_closing_the_machine_room_leaves_no_programs_or_files(bench: Bench) -> None:
    builder = bench.room._builder
    assert isinstance(builder, OrdinaryMachines)
    home = builder._home
    bench.boot("sleep 8765")
    bench.boot("sleep 8765", instance_id="i-2")
    bench.run("echo done", instance_id="i-3")
    until(lambda: len(programs_named("sleep 8765")) == 2, bench.room.console, INSTANCE)
    bench.room.close()
    assert programs_named("sleep 8765") == []
    assert not home.exists()


def programs_named(arguments: str) -> list[str]:
    """The host's programs with exactly this command line."""
    wanted = arguments.replace(" ", "\0") + "\0"
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [entry.parent.name] if entry.read_text() == wanted else []
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
