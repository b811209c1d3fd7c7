"""The documents of the metadata service, and the listings of its directories, by path.

Paths and forms: EC2 User Guide, "Instance metadata categories", "Retrieve dynamic data from your
instance" and "Retrieve security credentials from instance metadata". A listing names what the lab
serves and nothing else, because cloud-init reads every name of a listing, and asks again for 20 s
where a directory has no listing. So `dynamic/instance-identity/` lacks EC2's signatures of the
document, which the lab cannot make.
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


VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
)
"""Versions that an instance was seen to list. All show the same documents here."""
_USER_DATA = "user-data"


@dataclass(frozen=True, slots=True)
class Document:
    """A body, and its media type."""

    body: bytes
    media_type: str = "text/plain"


def document(path: str, served: Served) -> Document | None:
    """The document or listing at a path of the service; None means 404.

    The path may end with a slash or not: `/`, `/latest/`, `/latest/meta-data/iam`, …
    """
    version, _, below = path.removeprefix("/").removesuffix("/").partition("/")
    if not version:
        return Document("\n".join(VERSIONS).encode())
    if version not in VERSIONS:
        return None
    values = _values(served)
    if below in values:
        return _read(below, values[below])
    shown = _listing(below, [each for each in values if each not in _stale_paths(served)])
    # EC2 writes the names in the listing of a version, as `meta-data`, without a slash.
    names = shown if below else [name.removesuffix("/") for name in shown]
    return Document("\n".join(names).encode()) if names else None


def _read(path: str, value: Value) -> Document:
    """Media types as an instance was seen to send them: user data are bytes, the rest is text."""
    found = value() if callable(value) else value
    if path == _USER_DATA:
        return Document(found, "application/octet-stream")
    return Document(found)


Value: TypeAlias = bytes | Callable[[], bytes]
"""A document, or a function that makes it: hosts poll often, and need one document of many."""


def _values(served: Served) -> dict[str, Value]:
    """All documents by their path below a version."""
    meta_data = {f"meta-data/{name}": value for name, value in _meta_data(served).items()}
    user_data = {_USER_DATA: served.boot.user_data} if served.boot.user_data else {}
    identity = {"dynamic/instance-identity/document": partial(_text, _identity(served))}
    return {**identity, **meta_data, **user_data}


def _meta_data(served: Served) -> dict[str, Value]:
    boot = served.boot
    hostname = f"{served.hostname}.{_domain(boot.region)}".encode()
    return {
        "ami-id": boot.image_id.encode(),
        "hostname": hostname,
        "instance-id": boot.instance_id.encode(),
        "instance-type": boot.instance_type.encode(),
        "local-hostname": hostname,
        "local-ipv4": boot.private_ip.encode(),
        "placement/availability-zone": boot.availability_zone.encode(),
        "placement/region": boot.region.encode(),
        "services/domain": b"amazonaws.com",
        "services/partition": b"aws",
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
    return {
        f"meta-data/iam/security-credentials/{name}" for name in served.stale if name != current
    }


def _credentials(keys: Keys, now: datetime) -> bytes:
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


def _spot(action: datetime | None) -> dict[str, Value]:
    if action is None:
        return {}
    when = {"action": "terminate", "time": _moment(action)}
    return {"spot/instance-action": _text(when), "spot/termination-time": when["time"].encode()}


def _identity(served: Served) -> dict[str, object]:
    boot = served.boot
    return {
        "accountId": served.account,
        "architecture": boot.architecture,
        "availabilityZone": boot.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": boot.image_id,
        "instanceId": boot.instance_id,
        "instanceType": boot.instance_type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "privateIp": boot.private_ip,
        "ramdiskId": None,
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


def _text(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, indent=2).encode()
