"""Who reaches the metadata service under the packet filter of each `imds` mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .telling import IPV4, IPV6, USER, Bad, Skip, must, run


def reaches(who: str, host: str, *before: str) -> bool:
    """Whether curl of this user gets a token of the metadata service."""
    ask = ["--request", "PUT", "--header", "X-aws-ec2-metadata-token-ttl-seconds: 60"]
    curl_ = ["curl", "--silent", "--globoff", "--max-time", "3", "--output", "/dev/null", *ask]
    argv = [*before, *curl_, "--write-out", "%{http_code}", f"http://{host}/latest/api/token"]
    return run("runuser", "-u", who, "--", *argv)[1].endswith("200")


def imds(mode: str) -> Callable[[dict[str, Any]], str]:
    """The scenario of one `imds` mode: who reaches the service, by IPv4 and IPv6."""

    def tried(settings: dict[str, Any]) -> str:
        must("nft", "--file", "-", stdin=settings["rules"]["job"])
        hosts = [host for host in (IPV4, IPV6) if reaches("root", host)]
        if not hosts:
            raise Skip("no metadata service answers, without any rule")
        must("nft", "--file", "-", stdin=settings["rules"][mode])
        allowed = {"off": [], "supervisor": ["root"], "job": ["root", USER]}[mode]
        for host in (IPV4, IPV6):
            for who in ("root", USER):
                if reaches(who, host) is not (who in allowed and host in hosts):
                    raise Bad(f"{who} at {host}: reached {reaches(who, host)}, allowed {allowed}")
        return f"reached by {allowed or 'nobody'}; answering without rules: {hosts}"

    return tried


def user_namespaces(settings: dict[str, Any]) -> str:
    """Root of a user namespace is the job's user for the packet filter."""
    must("nft", "--file", "-", stdin=settings["rules"]["job"])
    enter = ["unshare", "--user", "--map-root-user"]
    if not reaches("root", IPV4):
        raise Skip("no metadata service answers, without any rule")
    if run("runuser", "-u", USER, "--", *enter, "true")[0]:
        raise Skip("the job's user cannot make a user namespace")
    if not reaches(USER, IPV4, *enter):
        raise Bad("without rules the job's user does not reach the service from a namespace")
    must("nft", "--file", "-", stdin=settings["rules"]["supervisor"])
    if reaches(USER, IPV4, *enter):
        raise Bad("root of a user namespace reaches the service")
    return "root of the job's user namespace is refused like the job"
