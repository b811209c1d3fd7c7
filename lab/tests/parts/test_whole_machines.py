"""What the lab gives a whole machine at power-on, without a machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest

from local.machine_kit import a_boot
from mayfly_cli.ends import UsageError
from mayfly_lab.commands.machines import chosen_ground
from mayfly_lab.commands.option_types import WholeMachines
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.console import Console
from mayfly_lab.machines.disk import Disk as MachineDisk
from mayfly_lab.machines.inside import doors
from mayfly_lab.machines.whole import network, overlay, qemu
from mayfly_lab.machines.whole.builder import WholeMachines as Builder
from mayfly_lab.machines.whole.ground import WholeGround
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.plan import WholePlan
from mayfly_lab.machines.whole.trees import Disk

CLOUD_INIT = "usr/lib/python3/dist-packages/cloudinit/sources/DataSourceEc2.py"
DISK = Disk(Path("/t/disk.ext4"), Path("/t/vmlinuz"), Path("/t/initrd.img"))
BOOT = a_boot(number=2)


def a_plan(ground: WholeGround, *, decoys: bool = True) -> WholePlan:
    config = RoomConfig({"AWS_ENDPOINT_URL": "http://127.0.0.1:4"}, "1", decoys=decoys)
    builder = Builder(ground, config, [4, 5])
    try:
        message = json.dumps(builder.first(BOOT, "host", [], MachineDisk()).plan)
    finally:
        builder.close()
    return WholePlan.from_message(json.loads(message))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("whole", (Kind.CONTAINER, "bookworm")),
        ("whole/trixie", (Kind.CONTAINER, "trixie")),
        ("qemu", (Kind.VM, "bookworm")),
        ("qemu/trixie", (Kind.VM, "trixie")),
    ],
)
def test_the_option_names_kind_and_debian(text: str, chosen: tuple[Kind, str]) -> None:
    assert WholeMachines().convert(text, None, None) == chosen


@pytest.mark.parametrize("text", ["", "real", "whole/", "whole/sid", "trixie", "qemu/trixie/1"])
def test_the_option_refuses_other_machines_and_names_the_allowed_ones(text: str) -> None:
    with pytest.raises(click.BadParameter, match="whole or qemu, with or without /bookworm"):
        WholeMachines().convert(text, None, None)


def test_a_command_that_cannot_have_whole_machines_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = "whole machines need root"
    monkeypatch.setattr("mayfly_lab.machines.whole.ground.obstacle", lambda *_: why)
    with pytest.raises(UsageError, match=f"--machines: {why}"):
        chosen_ground((Kind.CONTAINER, "trixie"))


def test_a_plan_reaches_the_first_process_as_it_was_written() -> None:
    ground = WholeGround(Kind.CONTAINER, "trixie", tree=Path("/t"), layers=(Path("/l"),))
    plan = a_plan(ground)
    assert plan.kind is Kind.CONTAINER
    assert plan.trees == ("/l", "/t")
    assert (plan.image, plan.doors, plan.private_ip) == ("", (4, 5), "10.0.3.7")
    assert plan.group == f"mayfly-lab-{os.getpid()}-{BOOT.instance_id}-2"


def test_a_vm_is_told_what_an_instance_of_ec2_is_told() -> None:
    command = qemu.command(a_plan(WholeGround(Kind.VM, "trixie", disk=DISK, words=("quiet",))))
    joined = " ".join(command)
    identity = command[command.index("-uuid") + 1]
    assert identity.startswith("ec2")
    assert f"serial={identity},uuid={identity}" in joined
    assert "mac=02:00:0a:00:03:07" in joined
    words = command[command.index("-append") + 1].split()
    assert {"mayfly.doors=4,5", "quiet"} <= set(words)
    assert "systemd.setenv=AWS_ENDPOINT_URL=http://127.0.0.1:4" in words
    assert "file=/t/disk.ext4,format=raw,if=virtio,snapshot=on" in joined


def test_a_vm_without_decoys_masks_them() -> None:
    plan = a_plan(WholeGround(Kind.VM, "trixie", disk=DISK), decoys=False)
    assert f"systemd.mask={overlay.DECOY}" in " ".join(qemu.command(plan))


@pytest.mark.parametrize(
    ("address", "gateway"), [("10.0.3.7", "10.0.3.1"), ("10.0.3.1", "10.0.3.2")]
)
def test_the_gateway_has_an_address_beside_the_machines(address: str, gateway: str) -> None:
    assert network.gateway(address) == gateway


def test_every_unit_that_the_overlay_wants_is_of_the_overlay_or_of_systemd(tmp_path: Path) -> None:
    overlay.lay(tmp_path)
    own = {path.name for path in tmp_path.rglob("system/*") if path.is_file()}
    wanted = {path.name for path in tmp_path.rglob("*.wants/*")}
    assert wanted - own == {"systemd-networkd.service", "systemd-networkd-wait-online.service"}
    assert (tmp_path / overlay.PROGRAMS / "mayfly_lab/machines/inside/decoy.py").exists()
    overlay.lay(tmp_path)  # a second time, as over a tree that has it already


def a_tree(root: Path, source: str) -> None:
    overlay.lay(root)
    (root / CLOUD_INIT).parent.mkdir(parents=True)
    (root / CLOUD_INIT).write_text(source)


def test_a_container_is_told_what_a_kernels_command_line_tells_a_vm(tmp_path: Path) -> None:
    known = 'x("/sys/hypervisor/uuid")\ny = [(DataSourceEc2Local, (sources.DEP_FILESYSTEM,)), 1]\n'
    a_tree(tmp_path, known)
    overlay.adapt_to_nspawn(tmp_path, {"A": "b c"}, [4, 5], decoys=False)
    settings = (tmp_path / "etc/systemd/system.conf.d/mayfly-lab.conf").read_text()
    assert 'DefaultEnvironment="A=b c"' in settings
    assert (tmp_path / doors.FILE).read_text() == "mayfly.doors=4,5"
    assert not list(tmp_path.rglob(f"*.wants/{overlay.DECOY}"))
    source = (tmp_path / CLOUD_INIT).read_text()
    assert "/sys/" not in source
    assert "DataSourceEc2Local" not in source


def test_another_cloud_init_is_refused(tmp_path: Path) -> None:
    a_tree(tmp_path, "# all is new\n")
    with pytest.raises(ValueError, match="cloud-init of this tree"):
        overlay.adapt_to_nspawn(tmp_path, {}, [], decoys=True)


def test_a_kept_console_has_the_seconds_of_each_line(tmp_path: Path) -> None:
    times = iter([100.0, 100.5, 101.0, 112.25, 113.0, 200.0, 201.0])
    console = Console(lambda: next(times))
    console.keep(tmp_path / "first")
    console.write(b"one\ntw")
    console.write(b"o\n")
    console.write(b"three")
    console.write(b" and more\n")
    console.keep(tmp_path / "second")
    console.write(b"again\n")
    console.close()
    console.write(b"unkept\n")
    first = "    0.50 one\n    0.50 two\n   12.25 three and more\n"
    assert (tmp_path / "first").read_text() == first
    assert (tmp_path / "second").read_text() == "    1.00 again\n"
    assert console.text().endswith("again\nunkept\n")
