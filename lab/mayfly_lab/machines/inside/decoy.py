"""A decoy: a service of the image that uses the role's credentials, as real agents do.

As in the SSM agent, a worker of its own makes the calls. This one ignores SIGTERM, so that it
outlives a `systemctl stop` of a unit with KillMode=process.

If the host does not end the decoy before the profile is replaced, the decoy still calls with
bootstrap credentials, and the front door's journal shows it. The decoy also writes the credentials
to the files of real agents.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import sys
import time
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from mayfly_lab.machines.inside import syscalls
from mayfly_lab.machines.inside.layout import CONTROL
from mayfly_lab.machines.inside.wire import Wire

NAME = "amazon-ssm-agent"
WORKER = "ssm-agent-worker"
FILES = (
    # appconfig.DefaultEC2SharedCredentialsFilePath of the SSM agent, then the SDKs' files.
    "var/lib/amazon/ssm/credentials",
    "root/.aws/credentials",
    "root/.aws/cli/cache/4d2f8a1c.json",
)
_INTERVAL = 0.5
_PATIENCE = 1.0


def main() -> None:
    """Read the role's credentials once, write them to files; a worker uses them for ever."""
    root = Path(sys.argv[-1])
    syscalls.name_program(NAME)
    keys = _take_keys()
    for name in FILES:
        _leave(root / name, keys)
    _tell_ready(str(root / CONTROL))
    if os.fork() == 0:
        syscalls.name_program(WORKER)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            _call(keys)
            time.sleep(_INTERVAL)
    os.wait()


def _take_keys() -> dict[str, str]:
    while True:
        # IMDS may not serve the role yet when the instance starts.
        with contextlib.suppress(OSError, HTTPException):
            token = _metadata("PUT", "api/token", {"ttl-seconds": "21600"})
            role = _metadata("GET", "meta-data/iam/security-credentials/", {"": token})
            text = _metadata("GET", f"meta-data/iam/security-credentials/{role}", {"": token})
            keys: dict[str, str] = json.loads(text)
            return {**keys, "Region": _metadata("GET", "meta-data/placement/region", {"": token})}
        time.sleep(_INTERVAL)


def _metadata(method: str, path: str, headers: dict[str, str]) -> str:
    default = "http://169.254.169.254"
    service = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", default)
    named = {f"X-aws-ec2-metadata-token-{name}".rstrip("-"): text for name, text in headers.items()}
    return _request(method, f"{service}/latest/{path}", named)


def _request(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> str:
    """The body of an answer with status 200. Raises OSError or HTTPException otherwise."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    if answer.status != 200:
        raise ConnectionError(f"{url}: {answer.status}")
    return text


def _leave(path: Path, keys: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (
        json.dumps({"Credentials": keys})
        if path.suffix == ".json"
        else f"[default]\naws_access_key_id = {keys['AccessKeyId']}\n"
        f"aws_secret_access_key = {keys['SecretAccessKey']}\naws_session_token = {keys['Token']}\n"
    )
    path.write_text(text)
    path.chmod(0o600)


def _tell_ready(control: str) -> None:
    if not Path(control).exists():
        return  # systemd runs this machine, and waits for no service of the image
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control)
        wire = Wire(connection)
        caller = {"pid": os.getpid(), "uid": os.getuid(), "unit": "", "stdin": ""}
        wire.send({**caller, "argv": ["systemd-notify", "--ready"]})
        wire.one()


def _call(keys: dict[str, str]) -> None:
    """Call UpdateInstanceInformation of Systems Manager, and ignore the answer."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    body = b'{"AgentName":"amazon-ssm-agent","AgentStatus":"Active","AgentVersion":"3.3.0.0"}'
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(endpoint).netloc,
        "x-amz-date": datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
        "x-amz-security-token": keys["Token"],
        "x-amz-target": "AmazonSSM.UpdateInstanceInformation",
    }
    signed = {**headers, "authorization": _signature(keys, headers, body), "user-agent": NAME}
    # A real agent continues after a refusal, too.
    with contextlib.suppress(OSError, HTTPException):
        _request("POST", f"{endpoint}/", signed, body)


def _signature(keys: dict[str, str], headers: dict[str, str], body: bytes) -> str:
    """Signature version 4 for Systems Manager."""
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = ["POST", "/", "", *lines, "", names, hashlib.sha256(body).hexdigest()]
    scope = [headers["x-amz-date"][:8], keys["Region"], "ssm", "aws4_request"]
    digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), digest])
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for part in (*scope, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = "/".join([keys["AccessKeyId"], *scope])
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
