"""The network around a whole machine: its gateway, its DHCP server, and the lab's servers.

All of it is in a network namespace of the machine's own, so the addresses of two machines, or of
two labs, never collide, and nothing is left of it when its last process has ended.
"""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from pathlib import Path

from mayfly_lab.machines.inside import network as inside
from mayfly_lab.machines.inside.doors import OUTSIDE

GATEWAY = "gateway0"
"""The gateway's interface, outside the machine."""
CONTAINER = "host0"
"""The other end, which nspawn moves into the machine."""
_METADATA = ("169.254.169.254", "fd00:ec2::254")
_SIZE = 24


def build(private_ip: str, *, tap: bool) -> None:
    """Build the network of this process's namespace: a pair of interfaces, or a tap for qemu.

    A container takes its end of the pair with it at its end, so each reboot needs a new pair.

    Raises:
        OSError: the kernel refuses a setting.
        subprocess.CalledProcessError: `ip` fails; its message is on standard error.
    """
    made = (
        f"tuntap add {GATEWAY} mode tap"
        if tap
        else f"link add {GATEWAY} type veth peer name {CONTAINER} address {mac(private_ip)}"
    )
    commands = [
        made,
        "link set lo up",
        f"link set {GATEWAY} up",
        f"addr add {gateway(private_ip)}/{_SIZE} dev {GATEWAY}",
        f"addr add fd00:9::1/64 dev {GATEWAY} nodad",
        f"addr add {OUTSIDE}/32 dev {GATEWAY}",
        f"addr add {_METADATA[0]}/32 dev {GATEWAY}",
        f"addr add {_METADATA[1]}/128 dev {GATEWAY} nodad",
    ]
    if Path("/sys/class/net", GATEWAY).exists():
        # The kernel may take a moment to remove the pair of a container that has ended.
        subprocess.run(("ip", "link", "delete", GATEWAY), stderr=subprocess.DEVNULL, check=False)
    batch = "\n".join(commands).encode()
    subprocess.run(("ip", "-batch", "-"), input=batch, stdout=subprocess.DEVNULL, check=True)
    # A gateway without a route answers "unreachable" at once; one that does not forward is silent.
    for family in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", family).write_text("1")


def gateway(private_ip: str) -> str:
    """The gateway's address: the first of the machine's network, as in a subnet of a VPC."""
    network = ipaddress.ip_interface(f"{private_ip}/{_SIZE}").network
    first, second = network[1], network[2]
    return str(second if str(first) == private_ip else first)


def mac(private_ip: str) -> str:
    """The hardware address of the machine's interface: the same at each boot, as on EC2."""
    octets = ipaddress.ip_address(private_ip).packed
    return ":".join(f"{octet:02x}" for octet in (0x02, 0, *octets))


def listen(ports: tuple[int, ...]) -> list[socket.socket]:
    """Listening sockets of this namespace: the metadata service's, IPv4 first, then the doors'."""
    places = [(_METADATA[0], 80), (_METADATA[1], 80), *((OUTSIDE, port) for port in ports)]
    return [inside.listen(address, port) for address, port in places]


METADATA_SOCKETS = len(_METADATA)


def dhcp_server(private_ip: str) -> list[str]:
    """The command of the DHCP server, which gives one address and stays in the foreground."""
    mask = ipaddress.ip_interface(f"{private_ip}/{_SIZE}").netmask
    return [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",  # no DNS
        f"--interface={GATEWAY}",
        "--bind-dynamic",
        "--user=root",
        "--leasefile-ro",
        "--dhcp-leasefile=/dev/null",
        "--pid-file=",
        "--log-facility=/dev/null",
        f"--dhcp-range={private_ip},{private_ip},{mask},1h",
        "--no-ping",  # The only address is free: a look whether it is takes seconds.
    ]
