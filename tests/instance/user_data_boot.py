"""A machine before its user data runs, with stand-ins for programs that would change this one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly_instance.sigv4 import Credentials
from tests.instance.front import Front, serving

SCRIPT = Path(__file__).resolve().parents[2] / "layers/instance/user-data.sh"
UNIT = SCRIPT.parent / "mayfly_instance/mayfly.service"
KEYS = Credentials(
    "ASIAUSERDATA", "secret/key+of=role", "session//token==", datetime.max.replace(tzinfo=UTC)
)
LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:ci-instance:7"
HOST = '{"protocol":1,"bundle_parameter":"/mayfly-infra/ci/bundle","it\'s":"a $HOME `x` \\\\ text"}'


def bundle() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("mayfly_instance/hooks/pre-bootstrap")
        entry.mode, entry.size = 0o755, 2
        tar.addfile(entry, io.BytesIO(b"#!"))
        tar.add(UNIT, "mayfly_instance/mayfly.service")
    return buffer.getvalue()


SYSTEMCTL = """\
case $1 in
  mask) for each; do
    file={root}/etc/systemd/system/$each
    [[ $each == *.service ]] || continue
    [[ ! -e $file && ! -L $file ]] || {{ echo "File $file already exists." >&2; exit 1; }}
    ln -s /dev/null "$file"
  done ;;
  start) env >{root}/env; tr '\\0' ' ' </proc/$PPID/cmdline >{root}/starter ;;
esac"""
"""Refuses as systemd 252 does to mask over a file; notes who starts a unit."""


class Boot:
    """A machine before its user data runs."""

    def __init__(self, root: Path, front: Front) -> None:
        self.root = root
        self.front = front
        self.bin = root / "stand-ins"
        self.bin.mkdir()
        (root / "dev").mkdir()
        (root / "dev/console").touch()
        self.units = root / "etc/systemd/system"
        self.units.mkdir(parents=True)
        self.stand_in("systemctl", SYSTEMCTL.format(root=root))
        self.stand_in("poweroff", "")
        self.stand_in("curl", f'exec {shutil.which("curl")} "$@" --retry 0')
        self.stand_in("python3", f'exec {sys.executable} "$@"')
        self.stand_in("sleep", "")
        content = bundle()
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("bundle/mayfly-instance.tar.gz", content)
        layer = zipped.getvalue()
        self.parameter = {"layer": LAYER, "sha256": hashlib.sha256(content).hexdigest()}
        self.code = base64.b64encode(hashlib.sha256(layer).digest()).decode()
        role = json.dumps(
            {
                "AccessKeyId": KEYS.access_key,
                "SecretAccessKey": KEYS.secret_key,
                "Token": KEYS.token,
            }
        )
        meta_data = "GET /latest/meta-data"
        front.answers = {
            "PUT /latest/api/token": lambda _: (200, "imds-token"),
            f"{meta_data}/placement/region": lambda _: (200, "eu-west-1"),
            f"{meta_data}/iam/security-credentials/": lambda _: (200, "bootstrap"),
            f"{meta_data}/iam/security-credentials/bootstrap": lambda _: (200, role),
            "GetParameter": lambda _: (
                200,
                json.dumps({"Parameter": {"Value": json.dumps(self.parameter)}}),
            ),
            "GetLayerVersion": lambda _: (
                200,
                json.dumps(
                    {"Content": {"Location": f"{front.url}/l.zip", "CodeSha256": self.code}}
                ),
            ),
            "GET /l.zip": lambda _: (200, layer),
        }

    def stand_in(self, name: str, script: str) -> None:
        file = self.bin / name
        log = f'{{ printf "%s " "{name}" "$@"; echo; }} >>"{self.root}/calls"'
        file.write_text(f"#!/bin/bash\n{log}\n{script}\n")
        file.chmod(0o755)

    def text(self) -> str:
        return SCRIPT.read_text().replace("\n__MAYFLY_HOST_JSON__\n", f"\n{HOST}\n")

    def run(self, text: str = "") -> int:
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "MAYFLY_ROOT": str(self.root),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.front.url,
            "AWS_ENDPOINT_URL": self.front.url,
        }
        command = ["bash", "-c", text or self.text()]
        return subprocess.run(command, env=environment, check=False, timeout=120).returncode

    @property
    def calls(self) -> str:
        return (self.root / "calls").read_text()

    @property
    def console(self) -> str:
        return (self.root / "dev/console").read_text()


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    with serving(KEYS) as front:
        yield Boot(tmp_path, front)
        # curl's signatures equal those of `sign`.
        assert front.forged == []
