"""A small AWS for one instance: its bundle, role, mailbox, and an agent to download."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from buildkite_emulator.serving.server import Answer, Request
from local.machine_kit import ACCOUNT, INSTANCE, ScriptedEc2, a_profile

LAYER = Path(__file__).parents[3] / "layers" / "instance"
JOB = "0190a8b7-6d2e-4c43-9a6c-3f2b8e1d7c55"
VERSION = "3.83.1"
LAYER_ARN = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:stack-instance:3"
AGENT = f"""\
#!/bin/bash
case "$*" in
  --version) echo "buildkite-agent version {VERSION}, build 1"; exit ;;
  *--help*) echo "usage"; exit ;;
esac
tell() {{ curl -sS --data-binary @- "$AWS_ENDPOINT_URL/told/$1"; }}
JOB
"""
KNOCK = """\
imds=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
curl -sS -m 2 -o /dev/null -w '%{http_code}' -X PUT "$imds/latest/api/token" \\
  -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' 2>/dev/null | tell imds
id -un | tell user; echo "$*" | tell arguments; echo "$BUILDKITE_AGENT_NAME" | tell name
"""


@dataclass
class HostCloud:
    """Answers one instance's calls, and plays the control plane's part for it."""

    ec2: ScriptedEc2
    job: str = KNOCK
    """The agent's work, a bash script."""
    script: str = ""
    """The operator's bootstrap script."""
    assignment: dict[str, Any] = field(default_factory=dict)
    """Changed fields of the assignment."""
    reports: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    services: list[str] = field(default_factory=list)
    """Access keys of the calls by the image's services."""
    on_phase: dict[str, Callable[[], None]] = field(default_factory=dict)
    order: dict[str, object] | None = None
    """The order to start."""
    assigns: bool = True
    """Whether a job waits for the instance."""
    spoil_bundle: bool = False
    url: str = ""
    _assigned: dict[str, Any] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def user_data(self) -> str:
        """The user data as the template writes it."""
        host = {
            "protocol": 1,
            "stack": "stack",
            "queue": "q",
            "mailbox": "stack-mailbox",
            "bundle_parameter": "/mayfly-infra/stack/bundle",
            "script_parameter": "/mayfly/stack/queues/q/bootstrap/script",
            "keep_parameter": "/mayfly/stack/queues/q/debug/keep-failed-minutes",
            "bootstrap_profile": a_profile("bootstrap").profile_arn,
            "sandbox_profile": a_profile("sandbox").profile_arn,
            "bootstrap_role": f"arn:aws:iam::{ACCOUNT}:role/mayfly/bootstrap-role",
            "sandbox_role": f"arn:aws:iam::{ACCOUNT}:role/mayfly/sandbox-role",
            "agent_version": VERSION,
            "agent_url": f"{self.url}/agent-{{version}}-{{arch}}.tar.gz",
            "agent_sha256": dict.fromkeys(("amd64", "arm64"), _sha256(self._agent())),
        }
        text = (LAYER / "user-data.sh").read_text()
        return text.replace("__MAYFLY_HOST_JSON__", json.dumps(host)).removeprefix("#!/bin/bash\n")

    def phases(self) -> list[tuple[str, str]]:
        """All reports in order, as pairs of the row's role and the phase."""
        return [(row.partition(":")[0], report["phase"]) for row, report in self.reports]

    def __call__(self, request: Request) -> Answer:
        """The answer of the service that the request addresses."""
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        path = unquote(request.url.path)
        if operation:
            return self._json(operation, json.loads(request.body), _key(request))
        if path.startswith("/told/"):
            self.told[path.removeprefix("/told/")] = request.body.decode().strip()
            return Answer(200)
        if b"Action=GetCallerIdentity" in request.body:
            return Answer(200, _caller(_key(request)))
        files = {
            "/2018-10-31/layers": self._layer_version,
            "/layer.zip": self._layer,
            "/scripts/set-up.sh": self.script.encode,
        }
        if path.startswith("/agent-"):
            return Answer(200, self._agent())
        return (
            Answer(200, files[path]()) if path in files else Answer(404, b"<Code>NoSuchKey</Code>")
        )

    def _json(self, operation: str, asked: dict[str, Any], key: str) -> Answer:
        with self._lock:
            if operation == "GetParameter":
                return self._parameter(asked["Name"])
            if operation == "UpdateItem":
                return self._report(asked, key)
            if operation == "GetItem":
                row = self._row(asked["Key"]["key"]["S"])
                item = {name: TypeSerializer().serialize(value) for name, value in row.items()}
                return Answer(200, json.dumps({"Item": item}).encode())
        self.services.append(key)
        return Answer(400, b'{"__type": "AccessDeniedException"}')

    def _parameter(self, name: str) -> Answer:
        published = {"layer": LAYER_ARN, "sha256": _sha256(bundle())}
        values = {"/mayfly-infra/stack/bundle": json.dumps(published)}
        if self.script:
            values["/mayfly/stack/queues/q/bootstrap/script"] = "s3://scripts/set-up.sh"
        if name not in values:
            return Answer(400, b'{"__type": "ParameterNotFound"}')
        return Answer(200, json.dumps({"Parameter": {"Value": values[name]}}).encode())

    def _report(self, asked: dict[str, Any], key: str) -> Answer:
        row = asked["Key"]["key"]["S"]
        if row != f"AROA{key.removeprefix('ASIA')}:{INSTANCE}":
            return Answer(400, b'{"__type": "AccessDeniedException"}')
        report = TypeDeserializer().deserialize(asked["ExpressionAttributeValues"][":r"])
        self.reports.append((row, report))
        phase = report["phase"]
        if phase == "bootstrapped":
            self.ec2.profiles[INSTANCE] = a_profile("sandbox")
        if phase == "sandboxed" and self.assigns:
            self._assigned = _assignment(report["boot"], self.url) | self.assignment
        self.on_phase.get(phase, lambda: None)()
        return Answer(200, b"{}")

    def _row(self, key: str) -> dict[str, object]:
        if key.startswith("start/"):
            return {"order": self.order} if self.order else {}
        return {"assignment": self._assigned} if self._assigned else {}

    def _layer_version(self) -> bytes:
        digest = base64.b64encode(hashlib.sha256(self._layer()).digest()).decode()
        content = {"Location": f"{self.url}/layer.zip", "CodeSha256": digest}
        return json.dumps({"Content": content}).encode()

    def _layer(self) -> bytes:
        packed = bundle() + (b"spoilt" if self.spoil_bundle else b"")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as layer:
            entry = zipfile.ZipInfo("bundle/mayfly-instance.tar.gz", (1980, 1, 1, 0, 0, 0))
            layer.writestr(entry, packed)
        return buffer.getvalue()

    def _agent(self) -> bytes:
        content = AGENT.replace("JOB", self.job).encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo("buildkite-agent")
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        # Without a timestamp in the header, so each request gets the same bytes.
        return gzip.compress(buffer.getvalue(), mtime=0)


@cache
def bundle() -> bytes:
    """The instance bundle of the present sources, packed as by `sam build`."""
    with tempfile.TemporaryDirectory() as directory:
        packed = Path(directory, "bundle")
        subprocess.run([sys.executable, LAYER / "bundle.py", packed], check=True)
        return packed.read_bytes()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _key(request: Request) -> str:
    found = re.search(r"Credential=(\w+)/", request.headers.get("authorization", ""))
    return found[1] if found else ""


def _caller(key: str) -> bytes:
    role = f"{key.removeprefix('ASIA').lower()}-role"
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{INSTANCE}"
    user_id = f"AROA{key.removeprefix('ASIA')}:{INSTANCE}"
    return f"<R><Arn>{arn}</Arn><UserId>{user_id}</UserId></R>".encode()


def _assignment(boot: str, url: str) -> dict[str, Any]:
    return {
        "protocol": 1,
        "job": JOB,
        "token": f"bkjat_{'x' * 32}",
        "boot": boot,
        "queue": "q",
        "name": f"q-{INSTANCE}",
        "tags": "queue=q",
        "endpoint": f"{url}/v3",
        "imds": "supervisor",
        "root": "no",
        "max_minutes": 5,
        "policy": {"rules": [], "repository": None},
        "config": "",
    }
