"""nft on a machine of a host without nft: the supported rules, and their effect."""

from __future__ import annotations

import pytest

from local.machine_kit import Bench
from mayfly_instance import firewall
from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.inside.nft import LAST_USER, NotUnderstood, refused
from mayfly_protocol.words import Imds

EVERYBODY = [range(LAST_USER + 1)]
ALL_BUT_ROOT = [range(1, LAST_USER + 1)]


def rules(*lines: str, hook: str = "output", policy: str = "accept") -> str:
    body = "\n".join(f"    {line}" for line in lines)
    head = f"    type filter hook {hook} priority 0; policy {policy};"
    return f"table inet t {{\n  chain c {{\n{head}\n{body}\n  }}\n}}\n"


@pytest.mark.parametrize(
    ("text", "users"),
    [
        (firewall.rules(Imds.OFF), EVERYBODY),
        (firewall.rules(Imds.SUPERVISOR), ALL_BUT_ROOT),
        (firewall.rules(Imds.JOB), []),
        ("", []),
        ("flush ruleset\n", []),
        ("add table inet t; delete table inet t\n", []),
        (rules("ip daddr 169.254.169.254 meta skuid != 0 reject"), ALL_BUT_ROOT),
        (rules("ip daddr 169.254.0.0/16 skuid 1000-1002 drop"), [range(1000, 1003)]),
        (rules("meta skuid { 5, 7 } ip daddr 169.254.169.254 counter drop"),
         [range(5, 6), range(7, 8)]),
        (rules("ip daddr 169.254.169.254 meta skuid root accept", "counter reject"), ALL_BUT_ROOT),
        (rules("ip daddr { 10.0.0.1, 169.254.169.254 } tcp dport 80 reject"), EVERYBODY),
        (rules("ip daddr 169.254.169.254 reject with icmp type admin-prohibited"), EVERYBODY),
        (rules("ip daddr 169.254.169.254 accept", policy="drop"), []),
        (rules("meta skuid 0 accept", policy="drop"), ALL_BUT_ROOT),
        (rules('ip daddr 169.254.169.254 log prefix "no: " drop comment "closed"'), EVERYBODY),
        (rules("ip daddr 169.254.169.254 drop # for good"), EVERYBODY),
        (rules("ip daddr 10.0.0.1 drop"), []),
        (rules("ip daddr != 169.254.169.254 drop"), []),
        (rules("ip6 daddr fd00:ec2::254 drop"), []),
        (rules("tcp dport 443 drop"), []),
        (rules("meta l4proto tcp meta nfproto ipv4 skuid 9 drop"), [range(9, 10)]),
        (rules("drop", hook="forward"), []),
    ],
)  # fmt: skip
def test_nft_rules_block_the_listed_users_from_the_metadata_service(
    text: str, users: list[range]
) -> None:
    assert refused(text) == users


@pytest.mark.parametrize(
    "text",
    [
        rules("ct state new drop"),
        rules("ip daddr 169.254.169.254 meta skuid nobody-knows drop"),
        "add rule inet t c drop",
        "table inet t {\n  chain c {\n",
        "table inet t {\n  set s { type ipv4_addr; }\n}\n",
        "define x = 5\n",
    ],
)
def test_unsupported_nft_rules_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        refused(text)


KNOCK = """
knock() { setpriv --reuid="$1" --clear-groups curl -sS -m 2 -o /dev/null -w "$1:%{http_code} " \
  -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token; }
"""


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Imds.OFF, "0:000 1000:000"),
        (Imds.SUPERVISOR, "0:200 1000:000"),
        (Imds.JOB, "0:200 1000:200"),
    ],
)
def test_the_supervisors_rules_hold_for_real_users(
    root_bench: Bench, choice: Imds, said: str
) -> None:
    load = f"nft --file - <<'END'\n{firewall.rules(choice)}END\n"
    closed = f"nft --file - <<'END'\n{firewall.rules(Imds.OFF)}END\n"
    console = root_bench.run(f"{KNOCK}{closed}{load}(knock 0; knock 1000; echo) 2>/dev/null")
    assert said in console


def test_nft_rules_can_be_listed_and_invalid_ones_change_nothing(root_bench: Bench) -> None:
    assert isinstance(root_bench.ground, Ground)
    if root_bench.ground.firewall:
        pytest.skip("this host has a real nft")
    good, bad = firewall.rules(Imds.SUPERVISOR), "add rule inet t c drop"
    console = root_bench.run(
        f"{KNOCK}nft --file - <<'END'\n{good}END\n"
        f"echo '{bad}' | nft --file - || echo refused\n"
        "nft list ruleset; (knock 1000; echo) 2>/dev/null"
    )
    assert "the lab's stand-in for nft cannot do this" in console
    assert "refused" in console
    assert "meta skuid 0 accept" in console
    assert "1000:000" in console


def test_an_unprivileged_user_cannot_set_nft_rules(root_bench: Bench) -> None:
    load = "setpriv --reuid=1000 --clear-groups nft --file - <<'END'\nflush ruleset\nEND\n"
    console = root_bench.run(f"{load}[ $? != 0 ] && echo refused")
    assert "refused" in console
