"""What an attacker holds who kept the credentials of both host roles, and the policies tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from attacks.asking import Ask, Caller, Told
from attacks.kept import ROLES, TAKEN, Taken, role_of
from attacks.things import Things
from stories.stage import Stage

_NOTHING, ADMINISTRATOR = "", "AdministratorAccess"
_EVERYWHERE = (_NOTHING, "PowerUserAccess", ADMINISTRATOR)
_DYNAMODB = "AmazonDynamoDBFullAccess"
_OF_ONE_SERVICE = {
    "rows": (_DYNAMODB,),
    "instances": ("AmazonEC2FullAccess", "AmazonSSMFullAccess"),
    "parameters": ("AmazonSSMFullAccess",),
    "scripts": ("AmazonS3FullAccess",),
    # It allows event source mappings, too.
    "functions": (_DYNAMODB,),
    "profiles": ("AmazonEC2FullAccess",),
}
"""By kind of thing: AWS's policies that are about it, besides those for everything."""


@dataclass(slots=True)
class Held:
    """What the attacker holds, and what the attacks are aimed at."""

    host: Taken
    own: Things
    mayfly: Things

    @property
    def stage(self) -> Stage:
        return self.host.stage

    @property
    def callers(self) -> Mapping[str, Caller]:
        """By role."""
        return self.host.callers

    def told(self, kind: str, asks: Sequence[Ask]) -> dict[str, list[Told]]:
        """The answers to all calls of both roles, by role and attached policy."""
        found: dict[str, list[Told]] = {}
        for policy in (*_EVERYWHERE, *_OF_ONE_SERVICE.get(kind, ())):
            with self.attached(policy):
                for role, caller in self.callers.items():
                    found[f"{role} with {policy or 'nothing'}"] = caller.all(asks)
        return found

    @contextmanager
    def attached(self, policy: str) -> Iterator[None]:
        """AWS's own policy of this name, attached to both roles of the queue."""
        iam = self.stage.lab.aws.client("iam")
        names = [role_of(self.stage, TAKEN, role) for role in ROLES] if policy else []
        arn = f"arn:aws:iam::aws:policy/{policy}"
        for name in names:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        try:
            yield
        finally:
            for name in names:
                iam.detach_role_policy(RoleName=name, PolicyArn=arn)

    @property
    def administrator(self) -> Caller:
        """Who deploys the stacks."""
        aws = self.stage.lab.aws
        return Caller(aws.endpoint, aws.administrator)
