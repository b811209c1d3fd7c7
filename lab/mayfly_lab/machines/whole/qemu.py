"""A whole machine under qemu: firmware that says EC2, a disk, a serial console, a power button."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from mayfly_lab.machines.inside.doors import WORD
from mayfly_lab.machines.whole.network import GATEWAY, mac
from mayfly_lab.machines.whole.overlay import DECOY
from mayfly_lab.machines.whole.plan import WholePlan

_MONITOR = "monitor"
_PATIENCE = 5.0
_KVM = "/dev/kvm"
_BOOT = (
    "root=/dev/vda",
    "rw",
    "console=tty0",
    "console=ttyS0,115200n8",
    "net.ifnames=0",
    "rd.udev.log_level=err",
)


def command(plan: WholePlan) -> list[str]:
    """The command that boots the machine; its standard output is the serial console."""
    # cloud-init takes a machine for EC2's when serial and UUID are equal and begin with ec2.
    identity = f"ec2{plan.instance_id[-5:]}-1234-4234-8234-123456789abc"
    return [
        "qemu-system-x86_64",
        *("-machine", "q35", "-smp", "2", "-m", str(plan.memory)),
        *_accelerated(),
        *("-nodefaults", "-display", "none", "-serial", "stdio"),
        *("-monitor", f"unix:{Path(plan.directory, _MONITOR)},server=on,wait=off"),
        *("-smbios", f"type=1,manufacturer=Amazon EC2,serial={identity},uuid={identity}"),
        *("-uuid", identity),
        *("-kernel", plan.kernel, "-initrd", plan.initrd, "-append", " ".join(_words(plan))),
        *("-drive", f"file={plan.image},format=raw,if=virtio,snapshot=on,cache=unsafe"),
        *("-netdev", f"tap,id=n0,ifname={GATEWAY},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=n0,mac={mac(plan.private_ip)},romfile="),
        *("-device", "virtio-rng-pci"),
    ]


def press(directory: str) -> None:
    """Press the ACPI power button of a running machine. Raises OSError, also where it hangs."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(_PATIENCE)
        monitor.connect(str(Path(directory, _MONITOR)))
        monitor.sendall(b"system_powerdown\n")
        # qemu drops a command whose connection ends before it is read: wait for the answer.
        heard = b""
        while b"system_powerdown\r\n" not in heard:
            piece = monitor.recv(4096)
            if not piece:
                return
            heard += piece


def _accelerated() -> list[str]:
    # A host that is a VM itself may have the device without the processor's support.
    flags = set(Path("/proc/cpuinfo").read_text().split())
    if flags & {"vmx", "svm"} and os.access(_KVM, os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max"]


def _words(plan: WholePlan) -> list[str]:
    ports = ",".join(str(port) for port in plan.doors)
    variables = [f"systemd.setenv={name}={value}" for name, value in plan.environment.items()]
    masked = [] if plan.decoys else [f"systemd.mask={DECOY}"]
    return [*_BOOT, f"{WORD}{ports}", *variables, *masked, *plan.words]
