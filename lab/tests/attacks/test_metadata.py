"""The metadata service asked by job code, by every way that a process has to an address.

The queue `closed` has the default (`imds: supervisor`): root reaches the service, and the job must
not. So root's attempt beside the job shows that the way itself works.
"""

from __future__ import annotations

import shlex

from attacks.attempts import Attempt
from attacks.conftest import Seen
from attacks.rows import Code, Place, attack
from attacks.ways import (
    BOTH,
    BY_PROXY,
    BY_USER,
    FILTER,
    FORWARDER,
    IN_A_NETWORK,
    PUT,
    RAW,
    SESSION,
    SHOWN,
    TAKE,
    ask,
    assert_refused,
    one_line,
)

PARAMETERS = {
    "closed": {},
    "open": {"imds": "job"},
    "root": {"job/root": "yes", "imds": "off", "job/max-minutes": "60"},
}
SCRIPTS = {
    "open": f"""#!/bin/bash
set -eu
{SESSION}
ask() {{ curl -sS -H "X-aws-ec2-metadata-token: $token" "$@"; }}
role=$(ask $imds/meta-data/iam/security-credentials/)
ask -o /dev/null -w 'HTTP %{{http_code}}' $imds/meta-data/iam/security-credentials/$role \\
  >"$MAYFLY_HOOKS_DIR/in-set-up"
""",
}

# ---------------------------------------------------------------- addresses


@attack(
    "Job code asks the metadata service by version 1, without a token",
    refused_by=FILTER,
    mechanism=f"{BY_USER}; version 1 is off in the launch template, so even root gets 401",
    places=BOTH,
    code=Code(
        f'curl {SHOWN} http://169.254.169.254/latest/meta-data/; echo ", curl exits with $?"'
    ),
)
def test_version_1_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen, reached="HTTP 401")


@attack(
    "Job code asks the metadata service by version 2 over IPv4",
    refused_by=FILTER,
    mechanism=BY_USER,
    places=BOTH,
    code=Code(ask("169.254.169.254")),
)
def test_version_2_is_out_of_reach_over_ipv4(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


@attack(
    "Job code asks the metadata service over IPv6, fd00:ec2::254",
    refused_by=FILTER,
    mechanism=f"{BY_USER}, over IPv6 by a reset",
    places=(Place.WHOLE,),
    code=Code(ask("[fd00:ec2::254]")),
)
def test_version_2_is_out_of_reach_over_ipv6(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


@attack(
    "Job code asks the metadata service at its IPv4 address mapped into IPv6",
    refused_by=FILTER,
    mechanism="the kernel sends IPv4 packets for ::ffff:169.254.169.254, which the rule sees",
    places=BOTH,
    code=Code(ask("[::ffff:169.254.169.254]")),
)
def test_a_mapped_address_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


@attack(
    "Job code writes the service's address as a number: decimal, hexadecimal, octal, with fewer"
    " dots",
    refused_by=FILTER,
    mechanism="the rule sees the packet's address, not its spelling",
    places=BOTH,
    code=Code(
        "for address in 2852039166 0xA9FEA9FE 0251.0376.0251.0376 169.254.43518 169.16689662; do\n"
        f"curl {SHOWN} {PUT} http://$address/latest/api/token; echo\ndone"
    ),
)
def test_other_spellings_of_the_address_are_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)
    assert attempt.as_job().output.splitlines() == ["HTTP 000"] * 5
    assert attempt.as_root().output.splitlines() == ["HTTP 200"] * 5


@attack(
    "Job code asks the metadata service by a name of its own that leads to the address",
    refused_by=FILTER,
    mechanism="the rule sees the packet's address, not the name",
    places=BOTH,
    code=Code(ask("metadata.example.org", "--resolve metadata.example.org:80:169.254.169.254")),
)
def test_a_name_that_leads_to_the_address_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


@attack(
    "Job code asks the metadata service through a proxy that the job runs on its host",
    refused_by=FILTER,
    mechanism="the proxy's sockets are the job user's",
    places=BOTH,
    code=Code(FORWARDER + BY_PROXY, root=f"cd $(mktemp -d)\n{FORWARDER}{BY_PROXY}"),
)
def test_a_proxy_of_the_job_is_out_of_reach_too(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


# ---------------------------------------------------------------- users


@attack(
    "Job code becomes another user before it asks the metadata service: sudo, su, setpriv, pkexec",
    refused_by="the kernel and the image",
    mechanism="the job's user has no password and no line in sudoers, and no capability",
    places=BOTH,
    code=Code(
        "\n".join(
            f"{words} true </dev/null >/dev/null 2>&1 && echo became: '{words}'"
            for words in (
                "sudo -n",
                "sudo -n -u nobody",
                "su root -c",
                "su nobody -s /bin/sh -c",
                "setpriv --reuid=0 --clear-groups",
                "setpriv --reuid=65534 --clear-groups",
                "pkexec",
            )
        )
        + "\n"
        + ask("169.254.169.254"),
        root="setpriv --reuid=65534 --clear-groups true && echo became nobody\n"
        + ask("169.254.169.254"),
    ),
)
def test_the_job_cannot_become_another_user(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)
    assert "became" not in attempt.as_job().output
    assert "became" in attempt.as_root().output


@attack(
    "Job code asks the metadata service as root of a user namespace of its own",
    refused_by=FILTER,
    mechanism="the rule compares the user outside of the namespace, which is the job's",
    places=BOTH,
    code=Code(
        "unshare --user --map-root-user bash -c 'echo user in the namespace: $(id -u)'\n"
        + ask("169.254.169.254", before="unshare --user --map-root-user")
    ),
)
def test_root_of_a_user_namespace_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert "user in the namespace: 0" in attempt.as_job().output
    assert_refused(attempt, seen)


@attack(
    "A container's own network passes the job's connection on, as slirp4netns does",
    refused_by=FILTER,
    mechanism="the process that passes it on, outside of the container, is the job user's",
    places=BOTH,
    code=Code(
        f"{FORWARDER}unshare --user --map-root-user --net {IN_A_NETWORK}",
        root=f"cd $(mktemp -d)\n{FORWARDER}unshare --net {IN_A_NETWORK}",
    ),
)
def test_a_container_network_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)


@attack(
    "Job code asks the metadata service as one of the container users that its host gave it",
    refused_by=FILTER,
    mechanism="the rule accepts root alone, and a container's user is not root",
    places=(Place.WHOLE,),
    code=Code(
        "unshare --user sleep 8 & sleep 0.5\n"
        'first=$(sed -n "s/^$(id -un)://p" /etc/subuid | head -1)\n'
        "newuidmap $! 0 ${first%%:*} 1000 && newgidmap $! 0 ${first%%:*} 1000\n"
        'echo "map: $(tr -s " " </proc/$!/uid_map)"\n'
        + ask("169.254.169.254", before="nsenter --target $! --user --setuid 5 --setgid 5"),
        root=ask("169.254.169.254"),
    ),
)
def test_a_container_user_is_out_of_reach(attempt: Attempt, seen: Seen) -> None:
    assert "1000" in attempt.as_job().output.splitlines()[0], "there was no such user"
    assert_refused(attempt, seen)


# ---------------------------------------------------------------- around the filter


@attack(
    "Job code sends packets of its own making, past the sockets that have a user",
    refused_by="the kernel",
    mechanism="raw and packet sockets need CAP_NET_RAW of the host's network",
    places=BOTH,
    code=Code(f"python3 -c {shlex.quote(RAW)}"),
)
def test_the_job_has_no_raw_sockets(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert job.splitlines() == [f"{f} Operation not permitted" for f in ("AF_INET", "AF_PACKET")]
    assert root.splitlines() == ["AF_INET opened", "AF_PACKET opened"]
    seen(f"job: {one_line(job)}; root: {one_line(root)}")


@attack(
    "Job code removes the rules, or brings the address to an interface of its own",
    refused_by="the kernel",
    mechanism="rules, routes and addresses need CAP_NET_ADMIN of the host's network",
    places=BOTH,
    code=Code(
        "for command in 'nft flush ruleset' 'nft delete table inet mayfly' "
        "'ip address add 169.254.169.254/32 dev lo' 'ip route add 169.254.169.254 dev lo'; do\n"
        '  $command >/dev/null 2>&1; echo "exit $?: $command"\n'
        "done\n" + ask("169.254.169.254"),
        root="nft list table inet mayfly >/dev/null; echo exit $?; " + ask("169.254.169.254"),
    ),
)
def test_the_job_cannot_remove_the_rules(attempt: Attempt, seen: Seen) -> None:
    assert_refused(attempt, seen)
    assert "exit 0" in attempt.as_root().output, "there were no rules"
    assert "exit 0" not in attempt.as_job().output


@attack(
    "Job code takes an open connection out of the supervisor by pidfd_getfd",
    refused_by="the kernel",
    mechanism="pidfd_getfd needs the right to trace, which root's processes give to root alone",
    places=BOTH,
    code=Code(f"python3 -c {shlex.quote(TAKE)}"),
)
def test_the_job_cannot_take_a_connection_of_the_supervisor(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert job == "open files of the supervisor: 0 taken, 16 refused"
    assert int(root.split()[5]) > 2, root
    seen(f"job: {job}; root: {root}")


@attack(
    "Job code lets a service of the machine ask in its place: systemd-run, systemctl, D-Bus",
    refused_by="systemd",
    mechanism="the job's user may start no unit, and has no service manager of its own",
    places=(Place.WHOLE,),
    code=Code(
        "for command in 'systemd-run --wait true' 'systemd-run --user --wait true' "
        "'systemctl restart nftables.service' 'systemctl stop mayfly.service' "
        "'busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 "
        "org.freedesktop.systemd1.Manager RestartUnit ss nftables.service replace'; do\n"
        '  timeout 3 $command </dev/null >/dev/null 2>&1; echo "exit $?: $command"\n'
        "done",
        root='systemd-run --wait --quiet true; echo "exit $?"',
    ),
)
def test_no_service_of_the_machine_asks_for_the_job(attempt: Attempt, seen: Seen) -> None:
    job, root = attempt.as_job().output, attempt.as_root().output
    assert "exit 0" not in job
    assert len(job.splitlines()) == 5
    assert root == "exit 0"
    seen(f"job: {len(job.splitlines())} commands, none ended with 0; root: {root}")


# ---------------------------------------------------------------- other queues


_BY_NAME = f"""
{SESSION}
roles=$(python3 -c 'import json
host = json.load(open("/opt/mayfly/host.json"))
print(host["bootstrap_role"].rpartition("/")[2], host["sandbox_role"].rpartition("/")[2])')
for role in $roles; do
  curl -sS -o /dev/null -w 'HTTP %{{http_code}} ' -H "X-aws-ec2-metadata-token: $token" \\
    $imds/meta-data/iam/security-credentials/$role
done
echo; echo "in set-up: $(cat /etc/mayfly/hooks/in-set-up)"
"""


@attack(
    "On a queue whose jobs have the sandbox role, job code asks for bootstrap's keys by name",
    refused_by="EC2, and the gate",
    mechanism="the profile was replaced before the job; the gate waited until the service served"
    " no credentials of bootstrap by name",
    places=BOTH,
    code=Code(_BY_NAME, queue="open"),
)
def test_bootstrap_is_not_served_by_name(attempt: Attempt, seen: Seen) -> None:
    asked, _, control = attempt.as_job().output.partition("\n")
    assert asked.split() == ["HTTP", "404", "HTTP", "200"]
    assert control == "in set-up: HTTP 200"
    seen(f"job: bootstrap by name 404, sandbox 200; bootstrap {control}")


@attack(
    "A job that is root on its host asks the metadata service, where the queue has job/root=yes",
    refused_by=FILTER,
    mechanism="such a queue has imds=off, which rejects root's packets, too",
    places=BOTH,
    code=Code(
        'echo "user $(id -u)"\n' + ask("169.254.169.254"),
        root="nft list table inet mayfly | grep -c 'skuid 0 accept' || true",
        queue="root",
    ),
)
def test_a_job_of_root_is_refused_where_the_service_is_off(attempt: Attempt, seen: Seen) -> None:
    job = attempt.as_job().output
    assert "user 0" in job
    assert "HTTP 000" in job
    assert attempt.as_root().output == "0", "root's packets would be accepted"
    seen(f"root's job: {one_line(job)}; the rule that accepts root: absent")
