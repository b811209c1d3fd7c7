"""The caller's rights to launch from each pool of a fleet, by the deployed policies."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly_lab.aws.ec2.launching import Specification
from mayfly_lab.aws.front.call import Call, Refusal
from mayfly_lab.aws.front.iam.deciding import PolicyAuthoriser
from mayfly_lab.aws.front.iam.launches import Launch, needs


@dataclass(frozen=True, slots=True)
class LaunchRights:
    """Checks RunInstances for what a fleet launches from one pool.

    The front door has decided on CreateFleet itself; which types, profiles and tags the caller may
    launch, as by `InstanceSizes`, is known only for each pool.
    """

    iam: PolicyAuthoriser

    def require(self, call: Call, specification: Specification) -> None:
        """Return only if the caller may launch this.

        Raises:
            Refusal: the caller's policies do not allow it.
        """
        facts = self.iam.facts
        launch = Launch(
            template=specification.template[0] if specification.template else "",
            base=specification.base,
            own=specification.own,
            tags=specification.tags,
            spot=specification.spot,
            image=specification.image_id,
        )
        if call.by is None:
            raise Refusal("UnauthorizedOperation", "the caller is not known", 403)
        verdict = self.iam.launching(call.by, call, needs(launch, facts))
        if not verdict.allowed:
            raise Refusal("UnauthorizedOperation", verdict.message, 403)
