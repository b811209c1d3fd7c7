"""What a lab has for jobs besides their queue's parameters: secrets, and roles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mayfly_instance.ssh import PROGRAMS
from mayfly_protocol.access import PIPELINES, TEAMS

_MACHINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAIN = (PIPELINES, TEAMS)
"""Lists, which the control plane reads: it has no right to decrypt."""


def put_secrets(ssm: Any, secrets: Mapping[str, str]) -> None:
    """Write these parameters by full name: lists as String, all others as SecureString."""
    for name, value in secrets.items():
        kind = "String" if name.rpartition("/")[2] in _PLAIN else "SecureString"
        ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def make_role(iam: Any, role: str, sandbox_role: str, pipeline: str = "") -> None:
    """Make a role, with its path as `/ci/app`, for sessions of a queue's sandbox role.

    `sandbox_role` is an ARN. With a pipeline the role trusts sessions for that pipeline's jobs
    alone.
    """
    condition = {"StringEquals": {"aws:RequestTag/pipeline": pipeline}}
    trust = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"AWS": sandbox_role},
        **({"Condition": condition} if pipeline else {}),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    path, _, name = role.rpartition("/")
    iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=document)


def make_key() -> tuple[str, str]:
    """A new key for ssh: its private half as ssh-add reads it, and its public half in a line."""
    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def machines_have_ssh() -> bool:
    """Whether this host's programs, which machines run, have what keys for ssh need."""
    return all(shutil.which(name, path=_MACHINE_PATH) for name in PROGRAMS)
