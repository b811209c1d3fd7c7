"""What ends a machine: the power button, a reboot, the end of its supervisor."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from .scopes import scope
from .telling import HOME, Bad, boot_id, must, run, say, until, write_unit

_TELLER = """\
import http.client, os, signal, sys
def tell(*_):
    try:
        connection = http.client.HTTPConnection("169.254.169.254", 80, timeout=5)
        wanted = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        connection.request("PUT", "/latest/api/token", None, wanted)
        answer = connection.getresponse().status
    except Exception as error:
        answer = repr(error)
    with open("/var/lib/mayfly-check/told", "w") as told:
        print(answer, file=told, flush=True)
    os.sync()
    sys.exit()
for each in (signal.SIGTERM, signal.SIGQUIT):
    signal.signal(each, tell)
while True:
    signal.pause()
"""
"""The job is one process: a program that starts while its scope stops gets SIGTERM at once."""


def wait_for_button(settings: dict[str, Any]) -> None:
    """Start a job that tells its end to a server when the machine goes down."""
    subprocess.Popen(
        [*scope(settings, "mayfly-check-teller"), "python3", "-c", _TELLER],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    if not until(
        lambda: run("systemctl", "is-active", "mayfly-check-teller.scope")[1] == "active", 20
    ):
        say("bad", "power-button", "the job's scope did not start")
    say("ready", "power-button", "stop this instance from outside, then start it again")


def power_button(_: dict[str, Any]) -> str:
    """At the power button the job is told while the network is still there."""
    try:
        code = (HOME / "told").read_text().strip()
    except OSError:
        raise Bad("the job got no SIGTERM before the machine was off") from None
    if code != "200":
        raise Bad(f"the job got SIGTERM, and its request failed: {code}")
    return "the job got SIGTERM, and its request was answered"


def reboot(_: dict[str, Any]) -> str:
    """The machine comes back from a reboot, in another boot."""
    if (HOME / "boot").read_text() == boot_id():
        raise Bad("the kernel has the same boot id")
    return "the machine came back, and ran its enabled unit"


def supervisor_unit(settings: dict[str, Any]) -> str:
    """Systemd knows every directive of the supervisor's unit, and starts it."""
    name = "mayfly-check-supervisor.service"
    write_unit(name, settings["supervisor"])
    said = run("systemd-analyze", "verify", name)[1]
    unknown = [line for line in said.splitlines() if name in line and "nknown" in line]
    if unknown:
        raise Bad("; ".join(unknown))
    must("systemctl", "start", name)
    # The unit runs until the kill: an end as success would switch the machine off, too.
    return must("systemctl", "is-active", name)


def kill_supervisor(settings: dict[str, Any]) -> None:
    """Kill a unit whose failure must switch the machine off; somebody outside sees it go."""
    write_unit("mayfly-check-supervisor.service", settings["supervisor"])
    must("systemctl", "start", "mayfly-check-supervisor.service")
    say("ready", "supervisor-killed", "this machine must be off within a minute")
    must("systemctl", "kill", "--signal=SIGKILL", "mayfly-check-supervisor.service")
    time.sleep(60)
    say(
        "bad",
        "supervisor-killed",
        "the machine still runs a minute after its supervisor was killed",
    )
