"""The packet filter for IMDS: the rules, and with root and nftables their effect in the kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from mayfly_instance import firewall
from mayfly_instance.failure import HostFailure
from mayfly_protocol.words import Imds

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NFT = shutil.which("nft", path=PATH)
# Runs in a network namespace of its own, on whose loopback both addresses of IMDS listen.
TRIAL = """
import json, os, socket, subprocess
from pathlib import Path
from mayfly_instance import firewall
from mayfly_instance.machine import Machine
from mayfly_instance.places import Places
from mayfly_protocol.words import Imds

for command in ("link set lo up", "addr add 169.254.169.254/32 dev lo",
                "-6 addr add fd00:ec2::254/128 dev lo nodad"):
    subprocess.run(["ip", *command.split()], check=True)
ADDRESSES = ("169.254.169.254", "fd00:ec2::254")
servers = [socket.create_server((address, 80), family=family)
           for address, family in zip(ADDRESSES, (socket.AF_INET, socket.AF_INET6))]
machine = Machine(Places(Path("/nowhere")))
found = {}
for choice in (Imds.OFF, Imds.SUPERVISOR, Imds.JOB, Imds.SUPERVISOR):
    firewall.close(machine, choice, ("169.254.169.254", 80), "nobody")
    found[choice.value] = [[machine.reaches(address, 80, user) for address in ADDRESSES]
                     for user in ("root", "nobody")]
machine.set_rules(firewall.rules(Imds.JOB))
try:
    firewall.check(machine, Imds.SUPERVISOR, ("169.254.169.254", 80), "nobody")
except Exception as error:
    found["seen"] = str(error)
print(json.dumps(found))
"""


@pytest.mark.parametrize("choice", list(Imds))
def test_the_rules_of_each_choice_replace_earlier_rules(choice: Imds) -> None:
    # `add` first, because deleting a missing table is an error.
    assert firewall.rules(choice).startswith("add table inet mayfly\ndelete table inet mayfly\n")


def test_root_is_accepted_before_all_others_are_rejected() -> None:
    rules = firewall.rules(Imds.SUPERVISOR)

    assert rules.index("skuid 0 accept") < rules.index("reject")
    assert "skuid" not in firewall.rules(Imds.OFF)
    assert "reject" not in firewall.rules(Imds.JOB)


def test_forwarded_packets_of_containers_are_dropped() -> None:
    for choice in (Imds.OFF, Imds.SUPERVISOR):
        forward = firewall.rules(choice).partition("chain forward")[2]
        assert "ip daddr 169.254.169.254 drop" in forward
        assert "ip6 daddr fd00:ec2::254 drop" in forward


IPV4, IPV6 = "169.254.169.254", "fd00:ec2::254"


class LeakyFilter:
    """A packet filter that lets one user through to one address; all other attempts fail."""

    def __init__(self, *hole: str) -> None:
        self._hole = hole

    def set_rules(self, rules: str) -> None:
        pass

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        return port == 80 and (user, host) == self._hole


@pytest.mark.parametrize("host", [IPV4, IPV6])
@pytest.mark.parametrize(
    ("choice", "user"), [(Imds.OFF, "root"), (Imds.OFF, "job"), (Imds.SUPERVISOR, "job")]
)
def test_each_user_and_address_that_a_choice_closes_is_tried(
    choice: Imds, user: str, host: str
) -> None:
    with pytest.raises(HostFailure, match=f"still open to {user} at {host},"):
        firewall.close(LeakyFilter(user, host), choice, (IPV4, 80), "job")


@pytest.mark.parametrize("host", [IPV4, IPV6])
@pytest.mark.parametrize(
    ("choice", "user"), [(Imds.SUPERVISOR, "root"), (Imds.JOB, "root"), (Imds.JOB, "job")]
)
def test_a_user_that_a_choice_admits_may_reach_imds(choice: Imds, user: str, host: str) -> None:
    leaky = LeakyFilter(user, host)
    firewall.close(leaky, choice, (IPV4, 80), "job")
    assert leaky.reaches(host, 80, user)


@pytest.mark.skipif(NFT is None or os.geteuid() != 0, reason="needs root and nft")
def test_the_kernel_enforces_the_rules_of_each_choice() -> None:
    tried = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", TRIAL],
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )

    assert tried.returncode == 0, tried.stderr
    found = json.loads(tried.stdout)
    seen = found.pop("seen")
    everybody, nobody = [True, True], [False, False]
    assert found == {
        "off": [nobody, nobody],
        "supervisor": [everybody, nobody],
        "job": [everybody, everybody],
    }
    assert seen == "IMDS is still open to nobody at 169.254.169.254, although rules are set"
