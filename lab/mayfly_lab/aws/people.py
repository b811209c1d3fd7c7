"""Principals of the local AWS besides functions and machines."""

from __future__ import annotations

from collections.abc import Mapping

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Kind, Principal


def _user(name: str, kind: Kind) -> Principal:
    userid = "AIDALAB" + name.upper().replace("-", "")
    return Principal(userid, f"arn:aws:iam::{ACCOUNT}:user/{name}", kind, name)


ADMINISTRATOR = _user("administrator", Kind.ADMINISTRATOR)
"""Who deploys the stacks: every right in the account."""
OPERATOR = _user("operator", Kind.PERSON)
SECURITY_OWNER = _user("security-owner", Kind.PERSON)
LAB = _user("lab", Kind.LAB)
"""The lab itself, for deployments and reports: no policy and no fault strikes its calls."""
POLICIES: Mapping[str, str] = {
    OPERATOR.name: "OperatorsPolicy",
    SECURITY_OWNER.name: "SecurityOwnersPolicy",
}
"""By person's name: logical id of the policy of template.yaml that the person has."""
