"""Runs on the instance as root: writes each change of what the metadata service says of profiles.

Standard library and Python 3.9, as on Amazon Linux 2023. Each reading uses fresh connections, for
the service's answers are what is measured. A line on the console is
`mayfly-profiles|number|milliseconds since the epoch|profile|listed roles|roles with credentials`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

URL = "http://169.254.169.254/latest"
PAUSE = 0.1
TRIES_AT_CONSOLE = 3


def main(roles: list[str], minutes: float, base: str = URL, console: str = "/dev/console") -> None:
    """Watch until the time is up, then switch the machine off, which terminates the instance."""
    end = time.monotonic() + minutes * 60
    number, last = 0, ("", "", "")
    while time.monotonic() < end:
        seen = reading(base, roles)
        if seen != last:
            number, last = number + 1, seen
            say(console, "|".join((str(number), str(int(time.time() * 1000)), *seen)))
        time.sleep(PAUSE)
    subprocess.run(["systemctl", "poweroff"], check=False)


def reading(base: str, roles: list[str]) -> tuple[str, str, str]:
    """Profile of iam/info, listed roles, roles with credentials; `?` without an answer."""
    try:
        token = ask(base + "/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    except OSError:
        return "?", "?", "?"
    return (
        told(lambda: profile(base, token)),
        told(lambda: ",".join(sorted(get(base, token, "iam/security-credentials/").split()))),
        told(lambda: ",".join(role for role in roles if served(base, token, role))),
    )


def told(answer: Callable[[], str]) -> str:
    """The answer, `none` for 404, `?` for any other failure."""
    try:
        return answer() or "none"
    except urllib.error.HTTPError as error:
        return "none" if error.code == 404 else "?"
    except (OSError, ValueError, KeyError):
        return "?"


def profile(base: str, token: str) -> str:
    """Name of the profile in iam/info."""
    return str(json.loads(get(base, token, "iam/info"))["InstanceProfileArn"]).rpartition("/")[2]


def served(base: str, token: str, role: str) -> bool:
    """Whether the path of the role has credentials."""
    try:
        found = json.loads(get(base, token, "iam/security-credentials/" + role))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise
    return bool(found.get("Code") == "Success")


def get(base: str, token: str, path: str) -> str:
    """The text at a path of the metadata."""
    return ask(base + "/meta-data/" + path, {"X-aws-ec2-metadata-token": token})


def ask(url: str, headers: dict[str, str], method: str = "GET") -> str:
    """The text at an URL. Raises OSError, HTTPError included."""
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310 - the same
        return str(answer.read().decode())


def say(console: str, line: str) -> None:
    """Write a line to the console, which may refuse for a moment."""
    for _ in range(TRIES_AT_CONSOLE):
        try:
            with Path(console).open("w") as file:
                file.write("\nmayfly-profiles|" + line + "\n")
        except OSError:
            time.sleep(PAUSE)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[2:], float(sys.argv[1]))
