"""The user data of the checked instance: a script that installs `on_instance/` as a unit."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from mayfly_cli.check_image.on_instance.scopes import DELEGATED
from mayfly_cli.check_image.on_instance.telling import USER
from mayfly_cli.checkout import ROOT
from mayfly_instance import delegation, scope
from mayfly_instance.firewall import rules
from mayfly_protocol.words import Imds

LARGEST = 16 * 1024
"""Bytes of user data that EC2 takes, before base64 (EC2 user guide: instance user data)."""
_HOST = ROOT / "layers/instance"
ON_INSTANCE = Path(__file__).with_name("on_instance")
_CODE = "/opt/mayfly-check"
_UNIT = f"""\
[Unit]
Description=Tries on this machine what a Mayfly host needs
Wants=network-online.target
After=network-online.target
FailureAction=poweroff
[Service]
WorkingDirectory={_CODE}
ExecStart=/usr/bin/python3 -S -m on_instance
[Install]
WantedBy=multi-user.target
"""
_SCRIPT = """\
#!/bin/bash
# An error switches the machine off, which terminates the instance.
trap 'systemctl poweroff' ERR
set -Eeuo pipefail
mkdir -p {code}/on_instance
{files}systemctl daemon-reload
systemctl enable --quiet mayfly-check.service
systemctl start --no-block mayfly-check.service
"""


def settings() -> dict[str, object]:
    """What the scenarios take from the host's own code: rules, units and properties, by name."""
    user_data = (_HOST / "user-data.sh").read_text(encoding="utf-8")
    named = dict.fromkeys(re.findall(r"[\w@.-]+\.service", user_data))
    return {
        "rules": {str(mode): rules(mode) for mode in Imds},
        "masked": [unit for unit in named if not unit.startswith("mayfly")],
        "properties": [*scope.NEEDED, scope.OOM_CONTINUE],
        "older": {scope.OOM_CONTINUE: scope.OOM_UNSEEN},
        "delegation": delegation.PROPERTY,
        "enter": list(delegation.enter(DELEGATED, USER)),
        "supervisor": _supervisor(),
    }


def _supervisor() -> str:
    """The supervisor's unit, with a program that every machine has, and that only waits."""
    unit = (_HOST / "mayfly_instance/mayfly.service").read_text(encoding="utf-8")
    unit, directories = re.subn(r"(?m)^WorkingDirectory=.*$", "WorkingDirectory=/", unit)
    unit, programs = re.subn(r"(?m)^ExecStart=.*$", "ExecStart=/bin/sleep 5000", unit)
    if (directories, programs) != (1, 1):
        raise ValueError("the supervisor's unit has not one program in one directory")
    return unit


def script() -> str:
    """The user data as text, which a machine without EC2 runs as root."""
    sources = sorted(ON_INSTANCE.glob("*.py"))
    files = {f"{_CODE}/on_instance/{path.name}": path.read_text("utf-8") for path in sources}
    files[f"{_CODE}/settings.json"] = json.dumps(settings()) + "\n"
    files["/etc/systemd/system/mayfly-check.service"] = _UNIT
    written = [f"cat >{path} <<'END_OF_FILE'\n{text}END_OF_FILE\n" for path, text in files.items()]
    return _SCRIPT.format(code=_CODE, files="".join(written))


def compressed() -> bytes:
    """The user data as EC2 gets it: gzip, which cloud-init unpacks, for the script is long.

    Raises ValueError for more than EC2 takes.
    """
    packed = gzip.compress(script().encode(), mtime=0)
    if len(packed) > LARGEST:
        raise ValueError(f"the user data has {len(packed)} bytes, of {LARGEST} at most")
    return packed
