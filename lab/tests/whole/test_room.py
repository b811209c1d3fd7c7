"""The machine room with whole machines: power, network, and what is left on the host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine_kit import INSTANCE, Bench, a_bench, until
from mayfly.errors import Misconfigured
from mayfly_lab.machines.whole import network
from mayfly_lab.machines.whole.ground import WholeGround, whole_ground
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.leader import children
from whole.traces import cgroups

pytestmark = pytest.mark.whole

OTHER = "i-0fedcba9876543210"
UP = "user data runs"
_TOKEN = (
    "curl -sS -g -m 5 -o /dev/null -w '%{http_code}' -X PUT"
    " -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' URL/latest/api/token"
)


@pytest.fixture(scope="module")
def ground() -> WholeGround:
    try:
        return whole_ground(Kind.CONTAINER)
    except Misconfigured as reason:
        pytest.skip(str(reason))


@pytest.fixture
def bench(ground: WholeGround, tmp_path: Path) -> Iterator[Bench]:
    with a_bench(ground, consoles=tmp_path) as found:
        yield found


def say_up(then: str = "") -> str:
    return f'echo "{UP}"\n{then}'


def host() -> dict[str, object]:
    """What machines of this process could leave on the host; other labs may run beside it."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    groups = cgroups(f"mayfly-lab-{os.getpid()}-*")
    interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
    return {
        "mounts": {line for line in mounts if "mayfly-" in line},
        "groups": set(map(str, groups)),
        "interfaces": interfaces & {network.GATEWAY, network.CONTAINER},
        "programs": set(children(os.getpid())),
    }


def test_cloud_init_runs_user_data_on_a_machine_with_the_lab_around_it(bench: Bench) -> None:
    console = bench.run(
        "exec 2>&1\n"
        "ps -o comm= -p 1\n"
        'echo "platform $(cloud-init query cloud_name) of $(cloud-init query instance_id)"\n'
        f'echo "v4 $({_TOKEN.replace("URL", "http://169.254.169.254")})"\n'
        f'echo "v6 $({_TOKEN.replace("URL", "http://[fd00:ec2::254]")})"\n'
        'echo "lab: $(curl -sS "$AWS_ENDPOINT_URL")"\n'
        "ip -brief address show host0\n"
        "curl -s -m 5 http://192.0.2.1/; echo way outside: $?\n"
        "sleep 1"  # the journal passes the output on
    )
    assert "systemd" in console
    assert f"platform aws of {INSTANCE}" in console
    assert "v4 200" in console
    assert "v6 200" in console
    assert "lab: the front door" in console
    assert "10.0.3.7/24" in console
    assert "way outside: 7" in console  # refused, not timed out


def test_machines_with_the_same_address_run_side_by_side(bench: Bench) -> None:
    before = host()
    bench.boot(say_up("sleep 600"))
    bench.boot(say_up("sleep 600"), instance_id=OTHER)
    bench.until_said(UP)
    bench.until_said(UP, OTHER)
    bench.room.close()
    assert host() == before


def test_the_power_button_shuts_a_machine_down_in_order(bench: Bench) -> None:
    bench.boot(say_up("sleep 600"))
    bench.until_said(UP)
    bench.room.press(INSTANCE)
    bench.until_off()
    console = bench.room.console(INSTANCE)
    assert "the power button is pressed" in console
    assert "Reached target poweroff.target" in console
    assert "Powering off." in console


def test_a_machine_reboots_with_its_disk(bench: Bench) -> None:
    bench.boot(
        "cat >/etc/systemd/system/second.service <<END\n"
        "[Service]\nExecStart=/bin/sh -c 'echo second boot >/dev/console; systemctl poweroff'\n"
        "[Install]\nWantedBy=multi-user.target\n"
        "END\n"
        "systemctl enable second.service\n"
        "systemctl reboot"
    )
    bench.until_off()
    assert "second boot" in bench.room.console(INSTANCE)


def test_a_cut_machine_is_gone_at_once_and_ec2_hears_nothing(bench: Bench) -> None:
    before = host()
    bench.boot(say_up("sleep 600"))
    bench.until_said(UP)
    assert host() != before
    bench.room.cut(INSTANCE)
    assert host() == before
    assert bench.ec2.off == []
    assert bench.room.init(INSTANCE) is None


def test_a_machine_that_hangs_is_neither_up_nor_off(bench: Bench) -> None:
    bench.faults.parse("machine-hangs=*,value=1s")
    bench.boot(say_up())
    until(lambda: bench.room.init(INSTANCE), lambda: bench.room.console(INSTANCE))
    until(frozen, lambda: bench.room.console(INSTANCE))
    assert bench.ec2.off == []
    bench.room.cut(INSTANCE)
    assert bench.room.init(INSTANCE) is None


def frozen() -> bool:
    group = f"mayfly-lab-{os.getpid()}-{INSTANCE}-1"
    [events] = cgroups(f"{group}/cgroup.events")
    return "frozen 1" in events.read_text()


_LAB = """
import sys
from pathlib import Path
from local.machine_kit import a_bench, INSTANCE
from mayfly_lab.machines.whole.ground import whole_ground
from mayfly_lab.machines.whole.kinds import Kind
with a_bench(whole_ground(Kind.CONTAINER, sys.argv[1])) as bench:
    bench.boot("sleep 600")
    bench.until_said("cloud-init")
    print("up", flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_of_a_lab_that_is_killed(ground: WholeGround) -> None:
    before = host()
    roots = [str(path) for path in (Path(__file__).parents[1], *map(Path, sys.path)) if str(path)]
    lab = subprocess.Popen(
        (sys.executable, "-c", _LAB, ground.suite),
        env={**os.environ, "PYTHONPATH": ":".join(roots)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert lab.stdout is not None
    assert lab.stdout.readline() == b"up\n"
    [group] = cgroups(f"mayfly-lab-{lab.pid}-*")
    lab.send_signal(signal.SIGKILL)
    lab.wait()
    until(lambda: host() == before and not group.exists(), lambda: str(host()))
