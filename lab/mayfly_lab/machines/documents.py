"""The documents of the metadata service, by path.

Paths and forms: EC2 User Guide, "Instance metadata categories" and "Retrieve security credentials
from instance metadata".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from mayfly_lab.contracts import Boot, Keys, ServedProfile


@dataclass(frozen=True, slots=True)
class Served:
    """The facts behind the documents at one moment."""

    boot: Boot
    hostname: str
    account: str
    profile: ServedProfile | None
    stale: Mapping[str, Keys]
    """Credentials by role name that are still served by name, but not listed."""
    spot_action: datetime | None
    now: datetime


def document(path: str, served: Served) -> bytes | None:
    """The body for a path below `/latest/`; None means 404."""
    if path == "user-data":
        return served.boot.user_data or None
    if path == "dynamic/instance-identity/document":
        return _json(_identity(served))
    if not path.startswith("meta-data"):
        return None
    values = _values(served)
    name = path.removeprefix("meta-data").strip("/")
    if name in values:
        value = values[name]
        return (value if isinstance(value, str) else value()).encode()
    below = _listing(name, [each for each in values if each not in _stale_paths(served)])
    return "\n".join(below).encode() if below else None


Value: TypeAlias = str | Callable[[], str]
"""A document, or a function that makes it: hosts poll often, and need one document of many."""


def _values(served: Served) -> dict[str, Value]:
    boot = served.boot
    hostname = f"{served.hostname}.{_domain(boot.region)}"
    return {
        "ami-id": boot.image_id,
        "hostname": hostname,
        "instance-id": boot.instance_id,
        "instance-type": boot.instance_type,
        "local-hostname": hostname,
        "local-ipv4": boot.private_ip,
        "placement/availability-zone": boot.availability_zone,
        "placement/region": boot.region,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        **_role(served),
        **_spot(served.spot_action),
    }


def _role(served: Served) -> dict[str, Value]:
    roles = dict(served.stale)
    values: dict[str, Value] = {}
    if served.profile is not None:
        roles[served.profile.role_name] = served.profile.keys
        values["iam/info"] = _text(
            {
                "Code": "Success",
                "LastUpdated": _moment(served.now),
                "InstanceProfileArn": served.profile.profile_arn,
                "InstanceProfileId": served.profile.profile_id,
            }
        )
    for name, keys in roles.items():
        values[f"iam/security-credentials/{name}"] = partial(_credentials, keys, served.now)
    return values


def _stale_paths(served: Served) -> set[str]:
    current = served.profile.role_name if served.profile is not None else None
    return {f"iam/security-credentials/{name}" for name in served.stale if name != current}


def _credentials(keys: Keys, now: datetime) -> str:
    return _text(
        {
            "Code": "Success",
            "LastUpdated": _moment(now),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "Token": keys.token,
            "Expiration": _moment(keys.expires),
        }
    )


def _spot(action: datetime | None) -> dict[str, str]:
    if action is None:
        return {}
    when = {"action": "terminate", "time": _moment(action)}
    return {"spot/instance-action": _text(when), "spot/termination-time": when["time"]}


def _identity(served: Served) -> dict[str, object]:
    boot = served.boot
    return {
        "accountId": served.account,
        "architecture": boot.architecture,
        "availabilityZone": boot.availability_zone,
        "billingProducts": None,
        "imageId": boot.image_id,
        "instanceId": boot.instance_id,
        "instanceType": boot.instance_type,
        "privateIp": boot.private_ip,
        "region": boot.region,
        "version": "2017-09-30",
    }


def _listing(directory: str, names: list[str]) -> list[str]:
    """Names directly in a directory, sorted; names of directories end with a slash."""
    prefix = f"{directory}/" if directory else ""
    found = {}
    for name in sorted(names):
        if name.startswith(prefix):
            first, slash, _ = name.removeprefix(prefix).partition("/")
            found[first] = first + slash
    return list(found.values())


def _domain(region: str) -> str:
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(values: Mapping[str, str]) -> str:
    return json.dumps(values, indent=2)


def _json(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, indent=2).encode()
