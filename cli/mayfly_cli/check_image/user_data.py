"""The user data of the checked instance: a script that installs `on_instance.py` as a unit."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from mayfly_cli.checkout import ROOT
from mayfly_instance.firewall import rules
from mayfly_protocol.words import Imds

LARGEST = 16 * 1024
"""Bytes of user data that EC2 takes, before base64 (EC2 user guide: instance user data)."""
ON_INSTANCE = Path(__file__).with_name("on_instance.py")
_CODE = "/opt/mayfly-check"
_UNIT = f"""\
[Unit]
Description=Tries on this machine what a Mayfly host needs
Wants=network-online.target
After=network-online.target
FailureAction=poweroff
[Service]
ExecStart=/usr/bin/python3 -IS {_CODE}/on_instance.py
[Install]
WantedBy=multi-user.target
"""
_SCRIPT = """\
#!/bin/bash
# An error switches the machine off, which terminates the instance.
trap 'systemctl poweroff' ERR
set -Eeuo pipefail
mkdir -p {code}
cat >{code}/on_instance.py <<'END_OF_FILE'
{on_instance}
END_OF_FILE
cat >{code}/settings.json <<'END_OF_FILE'
{settings}
END_OF_FILE
cat >/etc/systemd/system/mayfly-check.service <<'END_OF_FILE'
{unit}
END_OF_FILE
systemctl daemon-reload
systemctl enable --quiet mayfly-check.service
systemctl start --no-block mayfly-check.service
"""


def settings() -> dict[str, object]:
    """What the scenarios take from the host's own code: packet filter, and units to mask."""
    user_data = (ROOT / "layers/instance/user-data.sh").read_text(encoding="utf-8")
    named = dict.fromkeys(re.findall(r"[\w@.-]+\.service", user_data))
    return {
        "rules": {str(mode): rules(mode) for mode in Imds},
        "masked": [unit for unit in named if not unit.startswith("mayfly")],
    }


def script() -> str:
    """The user data as text, which a machine without EC2 runs as root."""
    return _SCRIPT.format(
        code=_CODE,
        on_instance=ON_INSTANCE.read_text(encoding="utf-8"),
        settings=json.dumps(settings()),
        unit=_UNIT,
    )


def compressed() -> bytes:
    """The user data as EC2 gets it: gzip, which cloud-init unpacks, for the script is long.

    Raises ValueError for more than EC2 takes.
    """
    packed = gzip.compress(script().encode(), mtime=0)
    if len(packed) > LARGEST:
        raise ValueError(f"the user data has {len(packed)} bytes, of {LARGEST} at most")
    return packed
