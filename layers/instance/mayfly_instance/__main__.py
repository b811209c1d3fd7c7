"""`python3 -m mayfly_instance [sandbox]`: the supervisor, as mayfly.service starts it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from mayfly_instance import host, supervisor
from mayfly_instance.aws import Aws
from mayfly_instance.clock import Clock
from mayfly_instance.console import Console
from mayfly_instance.context import Context
from mayfly_instance.failure import GoingDown, HostFailure
from mayfly_instance.imds import Imds
from mayfly_instance.limits import Limits
from mayfly_instance.machine import Machine
from mayfly_instance.places import Places
from mayfly_instance.scrub import Scrubber
from mayfly_instance.watchdog import Watchdog

_IMDS = "http://169.254.169.254"


def main(stage: str) -> None:
    """Run this stage; then become the sandbox process or switch the machine off."""
    path = os.environ.get("PATH", os.defpath)
    if "/usr/sbin" not in path.split(":"):
        # Not every caller's PATH has sbin, where nft, useradd and poweroff may lie.
        os.environ["PATH"] = f"{path}:/usr/sbin:/sbin"
    places = Places(Path(os.environ.get("MAYFLY_ROOT") or "/"))
    clock, scrub = Clock(Watchdog(os.environ).feed), Scrubber()
    # The unit sends stderr to journal and console.
    sys.excepthook = scrub.print_exception
    console = Console(places.console, clock, scrub)
    machine = Machine(places, clock)
    try:
        told = host.parse(places.host_json.read_text("utf-8"))
        signal.signal(signal.SIGTERM, _going_down)
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        context = Context(
            machine=machine,
            host=told,
            clock=clock,
            limits=Limits(),
            console=console,
            scrub=scrub,
            metadata=Imds(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _IMDS, clock),
            cloud=lambda region: Aws(region, told.partition, endpoint, clock),
            environment=os.environ,
        )
        if supervisor.run(context, stage):
            console.deliver()
            machine.replace_self([supervisor.SANDBOX])
    except (HostFailure, GoingDown, OSError) as error:
        console.say(f"FAILED: {error}")
    finally:
        # Not reached after replace_self. SIGTERM is ignored: poweroff makes systemd send one.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        console.say("switching off")
        console.finish()
        machine.power_off()


def _going_down(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise GoingDown("the machine is going down")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else supervisor.SET_UP)
