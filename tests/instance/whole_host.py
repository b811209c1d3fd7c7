"""A whole host in real processes: the supervisor, with AWS and IMDS on loopback.

As a script it prints the duration of each part: `python -m tests.instance.whole_host [PYTHON]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mayfly_instance.sigv4 import Credentials
from tests.instance.front import Front, Reply, serving
from tests.instance.worlds import HOST, an_assignment

PATIENCE = 120.0
"""Seconds until a test gives up: a hundred times a host's usual duration."""
RUNNER = Path(__file__).with_name("host_in_a_directory.py")
KEYS = Credentials(
    "ASIAHOST", "secret/key+of=role", "session//token==", datetime.max.replace(tzinfo=UTC)
)
_AGENT = """#!/bin/bash
if [[ $1 == --version ]]; then echo buildkite-agent version 3.83.1+x; exit; fi
if [[ $* == *--help* ]]; then echo --acquire-job; exit; fi
date +%s.%N >"$STARTED"
env -0 >"$STARTED.env"
echo the agent ran "$@"
exit 0
"""
_SCOPE = """#!/bin/bash
while [[ $1 != -- ]]; do shift; done
shift && exec "$@"
"""


class WholeHost:
    """One instance with a control plane that reacts to each report at once."""

    def __init__(self, root: Path, front: Front, python: str) -> None:
        self.root = root
        self.front = front
        self.role = "bootstrap"
        self.assignment: dict[str, Any] | None = None
        self.assigned: Callable[[str], dict[str, Any]] = lambda boot: an_assignment(boot=boot)
        """The assignment for a boot id."""
        self.reports: list[tuple[float, str, dict[str, Any]]] = []
        self.assignment_read_at = 0.0
        self.started = root / "agent-started"
        self.told_by_systemd: dict[str, str] = {}
        """Variables that systemd adds for a unit; `boot` sets WATCHDOG_PID."""
        self._bin = root / "stand-ins"
        self._bin.mkdir()
        for directory in ("dev", "opt/mayfly/mayfly_instance", "var/lib"):
            (root / directory).mkdir(parents=True)
        (root / "dev/console").touch()
        host = {**vars(HOST), "protocol": 1, "bundle_parameter": "/x"}
        (root / "opt/mayfly/host.json").write_text(json.dumps(host))
        self._stand_in("buildkite-agent", _AGENT)
        self._stand_in("systemd-run", _SCOPE)
        self._stand_in("setpriv", _SCOPE)
        self._stand_in("python3", f'#!/bin/bash\nexec {python} {RUNNER} "$@"\n')
        for name in ("systemctl", "useradd", "usermod", "nft", "mount", "umount", "poweroff"):
            self._stand_in(name, f'#!/bin/bash\necho {name} "$@" >>"{root}/calls"\n')
        front.answers = {
            "PUT /latest/api/token": lambda _: (200, "imds-token"),
            "GetCallerIdentity": lambda _: (200, self._caller()),
            "GetParameter": lambda _: (400, '{"__type": "ParameterNotFound"}'),
            "UpdateItem": self._report,
            "GetItem": lambda _: (200, self._row()),
        }
        self._serve()

    def run(self) -> float:
        """Run the supervisor to its end; returns the time of its start."""
        began = time.time()
        assert self.boot().wait(PATIENCE) == 0
        return began

    def boot(self) -> subprocess.Popen[bytes]:
        """Start the supervisor; its pid stays the same through both stages."""
        environment = {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "MAYFLY_ROOT": str(self.root),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.front.url,
            "AWS_ENDPOINT_URL": self.front.url,
            **self.told_by_systemd,
        }
        # A shell, because only the process itself knows its pid.
        start = f"WATCHDOG_PID=$$ exec {self._bin / 'python3'} -m mayfly_instance"
        command = ["/bin/bash", "-c", start]
        return subprocess.Popen(command, env=environment)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait until the condition holds; fails after PATIENCE."""
        end = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < end, self.console
            time.sleep(0.02)

    @property
    def phases(self) -> list[str]:
        return [report["phase"] for _, _, report in self.reports]

    @property
    def console(self) -> str:
        return (self.root / "dev/console").read_text()

    @property
    def calls(self) -> str:
        return (self.root / "calls").read_text()

    def _stand_in(self, name: str, text: str) -> None:
        file = self._bin / name
        file.write_text(text.replace("$STARTED", str(self.started)))
        file.chmod(0o755)

    def _serve(self) -> None:
        profile = HOST.sandbox_profile if self.role == "sandbox" else HOST.bootstrap_profile
        keys = {
            "Code": "Success",
            "AccessKeyId": KEYS.access_key,
            "SecretAccessKey": KEYS.secret_key,
            "Token": KEYS.token,
            "Expiration": "2099-01-01T00:00:00Z",
        }
        values = {
            "instance-id": "i-0abc",
            "placement/region": "eu-west-1",
            "instance-type": "m7i.large",
            "iam/info": json.dumps({"Code": "Success", "InstanceProfileArn": profile}),
            "iam/security-credentials/": self.role,
            f"iam/security-credentials/{self.role}": json.dumps(keys),
        }
        for path in [each for each in self.front.answers if each.startswith("GET /latest")]:
            del self.front.answers[path]
        for path, value in values.items():
            self.front.answers[f"GET /latest/meta-data/{path}"] = _always(value)

    def _caller(self) -> str:
        arn = f"arn:aws:sts::123456789012:assumed-role/{self.role}/i-0abc"
        return f"<Arn>{arn}</Arn><UserId>AROA-{self.role}:i-0abc</UserId>"

    def _report(self, asked: dict[str, Any]) -> Reply:
        values = asked["ExpressionAttributeValues"][":r"]["M"]
        report = {name: next(iter(value.values())) for name, value in values.items()}
        self.reports.append((time.time(), asked["Key"]["key"]["S"], report))
        if report["phase"] == "bootstrapped":
            self.role = "sandbox"
            self._serve()
        if report["phase"] == "sandboxed":
            self.assignment = self.assigned(report["boot"])
        return 200, "{}"

    def _row(self) -> str:
        if self.assignment is None:
            return "{}"
        self.assignment_read_at = self.assignment_read_at or time.time()
        return json.dumps({"Item": {"assignment": _typed(self.assignment)}})


def _always(text: str) -> Callable[[Any], Reply]:
    return lambda _: (200, text)


def _typed(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, dict):
        return {"M": {name: _typed(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [_typed(each) for each in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def main(python: str) -> None:
    """Print the durations of one host's parts, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory, serving(KEYS) as front:
        host = WholeHost(Path(directory), front, python)
        began = host.run()
        when = {report["phase"]: at for at, _, report in host.reports}
        agent = float(host.started.read_text())
        parts = {
            "start to booting": when["booting"] - began,
            "set-up (nothing to install)": when["bootstrapped"] - when["booting"],
            "fresh process and gate to the proof": when["sandboxed"] - when["bootstrapped"],
            "proof to the assignment's reading": host.assignment_read_at - when["sandboxed"],
            "assignment to the agent's start": agent - host.assignment_read_at,
        }
        for name, seconds in parts.items():
            sys.stdout.write(f"{seconds * 1000:7.0f} ms  {name}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
