"""Does what is next in this boot of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .ends import kill_supervisor, wait_for_button
from .image import facts
from .order import FIRST_BOOT, SECOND_BOOT, THIRD_BOOT, Scenario
from .telling import AT_MOST, HOME, Bad, Skip, boot_id, must, say


def judge(scenarios: Mapping[str, Scenario], settings: dict[str, Any]) -> None:
    """Try the scenarios one after the other; none hides the others."""
    for name, scenario in scenarios.items():
        try:
            say("ok", name, scenario(settings))
        except Skip as why:
            say("skip", name, str(why))
        except Bad as why:
            say("bad", name, str(why))
        except Exception as error:  # noqa: BLE001 - a defect of one scenario hides no other
            say("bad", name, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Switch the machine off after AT_MOST seconds, whatever happens to this process."""
    off = ["systemd-run", "--quiet", f"--on-active={AT_MOST}", "systemctl", "poweroff"]
    must(*off)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield


def main() -> None:
    """Do what is next: the number of this boot is on the disk."""
    HOME.mkdir(parents=True, exist_ok=True)
    number = HOME / "number"
    boot = int(number.read_text()) + 1 if number.exists() else 1
    number.write_text(str(boot))
    settings = json.loads(Path("settings.json").read_text())
    with bounded():
        if boot == 1:
            facts()
            judge(FIRST_BOOT, settings)
            must("nft", "--file", "-", stdin=settings["rules"]["job"])
            wait_for_button(settings)
        elif boot == 2:
            judge(SECOND_BOOT, settings)
            (HOME / "boot").write_text(boot_id())
            os.sync()
            must("systemctl", "reboot")
        elif boot == 3:
            judge(THIRD_BOOT, settings)
            kill_supervisor(settings)
            must("systemctl", "poweroff")
        else:
            must("systemctl", "poweroff")


if __name__ == "__main__":
    main()
