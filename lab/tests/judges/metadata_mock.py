"""AWS's metadata mock on loopback, with the values of the lab's test instance."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from judges.tools import metadata_mock
from mayfly_lab.contracts import Boot, ServedProfile

_PATIENCE = 20.0


@contextlib.contextmanager
def running(folder: Path, config: Mapping[str, Any], *arguments: str) -> Iterator[str]:
    """The URL of a mock that requires IMDSv2 and serves these values; its files are in `folder`.

    Raises:
        MissingToolError: the mock is not on this machine.
        AssertionError: the mock did not start.
    """
    settings, log = folder / "config.json", folder / "log"
    settings.write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--imdsv2", "--hostname", "127.0.0.1", "--port", str(port)]
    command = [str(metadata_mock()), *options, "--config-file", str(settings), *arguments]
    # The mock reads its configuration from the home folder, too.
    environment = {"HOME": str(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        _until_open(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def values_of(boot: Boot, profile: ServedProfile, hostname: str, account: str) -> dict[str, Any]:
    """The mock's configuration for an instance with a profile."""
    role = f"/latest/meta-data/iam/security-credentials/{profile.role_name}"
    return {
        "metadata": {
            "paths": {"iam-security-credentials": role},
            "values": {**_plain(boot, hostname), **_role(profile)},
        },
        "dynamic": {
            "values": {
                "instance-identity-document": {
                    "accountId": account,
                    "architecture": boot.architecture,
                    "availabilityZone": boot.availability_zone,
                    "imageId": boot.image_id,
                    "instanceId": boot.instance_id,
                    "instanceType": boot.instance_type,
                    "privateIp": boot.private_ip,
                    "region": boot.region,
                }
            }
        },
        "userdata": {"values": {"userdata": base64.b64encode(boot.user_data).decode()}},
    }


def _plain(boot: Boot, hostname: str) -> dict[str, str]:
    return {
        "ami-id": boot.image_id,
        "hostname": hostname,
        "instance-id": boot.instance_id,
        "instance-type": boot.instance_type,
        "local-hostname": hostname,
        "local-ipv4": boot.private_ip,
        "placement-availability-zone": boot.availability_zone,
        "placement-region": boot.region,
    }


def _role(profile: ServedProfile) -> dict[str, Any]:
    success = {"Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z"}
    return {
        "iam-info": {
            **success,
            "InstanceProfileArn": profile.profile_arn,
            "InstanceProfileId": profile.profile_id,
        },
        "iam-security-credentials-role": profile.role_name,
        "iam-security-credentials": {
            **success,
            "Type": "AWS-HMAC",
            "AccessKeyId": profile.keys.access_key,
            "SecretAccessKey": profile.keys.secret_key,
            "Token": profile.keys.token,
            "Expiration": profile.keys.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }
