"""An instance profile, and the principal of an instance that uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Kind, Principal, Refusal

_PATH = re.compile(r"/mayfly/(?P<stack>[^/]+)/(?P<kind>bootstrap|sandbox)/(?P<queue>[^/]+)/")


@dataclass(frozen=True, slots=True)
class Profile:
    """An instance profile and its role."""

    arn: str
    profile_id: str
    role_id: str
    role_name: str
    role_path: str


def instance_principal(instance_id: str, profile: Profile) -> Principal:
    """The principal that AWS sees in calls of an instance with this profile."""
    match = _PATH.fullmatch(profile.role_path)
    return Principal(
        userid=f"{profile.role_id}:{instance_id}",
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{profile.role_name}/{instance_id}",
        kind=Kind(match["kind"]) if match else Kind.INSTANCE,
        name=instance_id,
        stack=match["stack"] if match else "",
        queue=match["queue"] if match else "",
    )


def profile_of(moto_profile: Any) -> Profile:
    """A `Profile` from moto's instance profile.

    Raises:
        Refusal: the profile contains no role.
    """
    if not moto_profile.roles:
        raise Refusal("InvalidParameterValue", f"{moto_profile.arn} contains no role")
    if not moto_profile.id.startswith("AIPA"):  # moto's ids lack AWS's prefix
        moto_profile.id = f"AIPA{moto_profile.id.upper()[:17]}"
    role = moto_profile.roles[0]
    return Profile(moto_profile.arn, moto_profile.id, role.id, role.name, role.path)
