"""sts:AssumeRole: temporary credentials of a role, with the call's session policies and tags.

moto would issue keys that the front door does not know. The front door has decided by the role's
trust policy before.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
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
from mayfly_lab.aws.front.iam.services import session_tags
from mayfly_lab.contracts import Keys

_LIFETIME = 3600
"""Seconds of a session without DurationSeconds, as in AWS."""


_SHORTEST, _LONGEST = 900, 43200
"""Seconds of any session of a role."""
_NOT_CHAINED = frozenset({Kind.ADMINISTRATOR, Kind.PERSON, Kind.LAB})
"""Users of the account; every other principal is a role's session itself."""
_MOST_TAGS = 50
_VALUE = re.compile(r"[\w\s_.:/=+\-@]{0,256}")
_KEY = re.compile(r"[\w\s_.:/=+\-@]{1,128}")
"""Of tags: letters, numbers and blanks of Unicode, with some marks."""


@dataclass(frozen=True, slots=True)
class Tags:
    """Session tags."""

    values: Mapping[str, str]
    transitive: frozenset[str]


_NO_TAGS = Tags({}, frozenset())


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of roles, by the API and for tests."""

    cloud: Cloud
    credentials: Credentials

    def assume_role(self, call: Call) -> Answer:
        """Answer AssumeRole.

        Raises:
            Refusal: the role does not exist, as AWS says it; or the session would last too long, or
                its tags are none.
        """
        given = call.parameters
        name = str(given["RoleArn"]).rpartition("/")[2]
        seconds = int(given.get("DurationSeconds") or _LIFETIME)
        self._check_life(call, name, seconds)
        keys, principal = self.begin(
            name,
            str(given["RoleSessionName"]),
            lifetime=timedelta(seconds=seconds),
            policies=tuple(self._policies(given)),
            tags=_tags(call),
        )
        return Answer(200, _answer(keys, principal).encode(), {"content-type": "text/xml"})

    def begin(
        self,
        role: str,
        session: str,
        *,
        lifetime: timedelta = timedelta(seconds=_LIFETIME),
        policies: tuple[str, ...] = (),
        tags: Tags = _NO_TAGS,
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
            tags=tuple(sorted(tags.values.items())),
            transitive=tags.transitive,
        )
        return self.credentials.issue(principal, lifetime), principal

    def _check_life(self, call: Call, name: str, seconds: int) -> None:
        """Raise Refusal for a session of a length that STS does not give.

        Source: API reference of STS, AssumeRole, DurationSeconds; IAM user guide, "Role chaining".
        """
        chained = call.by is not None and call.by.kind not in _NOT_CHAINED
        found = self.cloud.role(name)
        longest = _LIFETIME if found is None else int(found.max_session_duration or _LIFETIME)
        if not _SHORTEST <= seconds <= _LONGEST:
            why = f"DurationSeconds must have a value from {_SHORTEST} to {_LONGEST}"
        elif chained and seconds > _LIFETIME:
            why = (
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
                "by role chaining."
            )
        elif seconds > longest:
            why = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        else:
            return
        raise Refusal("ValidationError", why, 400)

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


def _tags(call: Call) -> Tags:
    """The session's tags: inherited, and passed.

    Source: API reference of STS, data type Tag; IAM user guide, "Pass session tags in AWS STS":
    tags of equal keys are refused, also where only the case differs, and so is one whose key an
    inherited tag has.

    Raises:
        Refusal: the tags are not such tags.
    """
    given = call.parameters.get("Tags") or ()
    keys = [str(tag["Key"]).lower() for tag in given]
    inherited = frozenset() if call.by is None else call.by.transitive
    if len(given) > _MOST_TAGS or len(set(keys)) < len(keys):
        raise Refusal("InvalidParameterValue", "Duplicate tag keys, or more than 50 tags.", 400)
    if {key.lower() for key in inherited} & set(keys):
        why = "One of the specified transitive tag keys can't be set because it conflicts with a"
        raise Refusal("InvalidParameterValue", f"{why} transitive tag key from the caller.", 400)
    for tag in given:
        if not (_KEY.fullmatch(str(tag["Key"])) and _VALUE.fullmatch(str(tag["Value"]))):
            raise Refusal("ValidationError", f"the tag {tag['Key']} is not valid", 400)
    handed_on = frozenset(map(str, call.parameters.get("TransitiveTagKeys") or ()))
    if not handed_on <= {str(tag["Key"]) for tag in given}:
        raise Refusal("ValidationError", "a transitive tag key is no key of a session tag", 400)
    return Tags(session_tags(call), inherited | handed_on)


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
