"""sts:AssumeRole: temporary credentials of a role, with the session policies that the call gives.

moto would issue keys that the front door does not know. The front door has decided by the role's
trust policy before.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.ec2.profile import instance_principal
from mayfly_lab.aws.front.call import Call, Kind, Principal, Refusal
from mayfly_lab.aws.front.credentials import Credentials
from mayfly_lab.contracts import Keys

_LIFETIME = 3600
"""Seconds of a session without DurationSeconds, as in AWS."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of roles, by the API and for tests."""

    cloud: Cloud
    credentials: Credentials

    def assume_role(self, call: Call) -> Answer:
        """Answer AssumeRole.

        Raises:
            Refusal: the role does not exist, as AWS says it.
        """
        given = call.parameters
        name = str(given["RoleArn"]).rpartition("/")[2]
        keys, principal = self.begin(
            name,
            str(given["RoleSessionName"]),
            lifetime=timedelta(seconds=int(given.get("DurationSeconds") or _LIFETIME)),
            policies=tuple(self._policies(given)),
        )
        return Answer(200, _answer(keys, principal).encode(), {"content-type": "text/xml"})

    def begin(
        self,
        role: str,
        session: str,
        *,
        lifetime: timedelta = timedelta(seconds=_LIFETIME),
        policies: tuple[str, ...] = (),
    ) -> tuple[Keys, Principal]:
        """Credentials and principal of a session of the role with this name.

        Raises:
            Refusal: the role does not exist.
        """
        found = self.cloud.role(role)
        if found is None:
            raise Refusal("AccessDenied", f"The role {role} does not exist", 403)
        principal = Principal(
            userid=f"{found.id}:{session}",
            arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{found.name}/{session}",
            kind=Kind.ROLE,
            name=found.name,
            session_policies=policies,
        )
        return self.credentials.issue(principal, lifetime), principal

    def of_instance(self, instance_id: str, profile: str) -> tuple[Keys, Principal]:
        """Credentials and principal of an instance with the profile of this ARN.

        Raises:
            Refusal: the profile does not exist.
        """
        principal = instance_principal(instance_id, self.cloud.profile({"Arn": profile}))
        return self.credentials.issue(principal, timedelta(seconds=_LIFETIME)), principal

    def _policies(self, given: Any) -> Iterator[str]:
        """The session policies as JSON; a managed policy that does not exist allows nothing."""
        if given.get("Policy"):
            yield str(given["Policy"])
        for each in given.get("PolicyArns") or ():
            yield self.cloud.policy(str(each["arn"])) or '{"Statement": []}'


def _answer(keys: Keys, principal: Principal) -> str:
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<Credentials><AccessKeyId>{keys.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{escape(keys.secret_key)}</SecretAccessKey>"
        f"<SessionToken>{escape(keys.token)}</SessionToken>"
        f"<Expiration>{keys.expires.strftime('%Y-%m-%dT%H:%M:%SZ')}</Expiration></Credentials>"
        f"<AssumedRoleUser><Arn>{escape(principal.arn)}</Arn>"
        f"<AssumedRoleId>{escape(principal.userid)}</AssumedRoleId></AssumedRoleUser>"
        f"</AssumeRoleResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
        "</ResponseMetadata></AssumeRoleResponse>"
    )
