"""Daemons of the image, which must not keep the bootstrap role's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .telling import UNITS, Bad, Skip, must, run, until, write_unit


def mask(unit: str) -> None:
    """Mask and stop a unit as user data does: `systemctl mask` fails while /etc has its file."""
    (UNITS / unit).unlink(missing_ok=True)
    must("systemctl", "mask", "--quiet", unit)
    run("systemctl", "kill", "--signal=SIGKILL", unit)
    run("systemctl", "stop", "--quiet", unit, seconds=100)


def unit_in_etc(_: dict[str, Any]) -> str:
    """A daemon whose unit file is in /etc can be masked and stopped."""
    name = "mayfly-check-decoy.service"
    text = "[Service]\nExecStart=/bin/sleep 5000\n[Install]\nWantedBy=multi-user.target\n"
    write_unit(name, text)
    must("systemctl", "enable", "--now", "--quiet", name)
    status, _output = run("systemctl", "mask", "--quiet", name)
    mask(name)
    if run("systemctl", "is-active", name)[1] == "active" or not run("systemctl", "start", name)[0]:
        raise Bad("the unit runs, or can be started, after its file was removed and it was masked")
    return f"mask alone exits with {status}; without the file the unit is masked and stopped"


def daemons(settings: dict[str, Any]) -> str:
    """Each unit of the image that user data masks: gone, and not to be started."""
    listed = run("systemctl", "list-unit-files", "--no-legend", "--type=service")[1]
    known = {line.split()[0] for line in listed.splitlines() if line.strip()}
    present = [unit for unit in settings["masked"] if unit in known]
    if not present:
        raise Skip("the image has none of the units that user data masks")
    told = []
    for unit in present:
        path = must("systemctl", "show", "--property=FragmentPath", "--value", unit)
        group = must("systemctl", "show", "--property=ControlGroup", "--value", unit)
        pids = _pids(group) if group else []
        mask(unit)
        if left := _left(pids, 10):
            raise Bad(f"{unit} ({path}): processes {left} live after stop")
        if not run("systemctl", "start", unit)[0]:
            raise Bad(f"{unit} ({path}) can be started although it is masked")
        told.append(f"{unit} of {path}, {len(pids)} processes")
    return "masked: " + "; ".join(told)


def _pids(group: str) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()]
    except OSError:
        return []


def _left(pids: list[int], seconds: float) -> list[int]:
    """Those processes that still live after so many seconds."""
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds)
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
