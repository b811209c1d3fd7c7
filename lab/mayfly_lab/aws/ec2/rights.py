"""The rights of a function's role to launch instances, by the deployed policies of the role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mayfly.iam.evaluation import Request, decide
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.ec2.launching import Specification
from mayfly_lab.aws.front.call import Kind, Principal, Refusal
from mayfly_lab.aws.front.people import statements, words


@dataclass(frozen=True, slots=True)
class LaunchRights:
    """Checks RunInstances for the template and the instances of a launch.

    The front door has decided whether the caller may call at all; which types, profiles and tags a
    function may launch, as by `InstanceSizes`, is known only for each pool.
    """

    cloud: Cloud

    def require(self, by: Principal, specification: Specification) -> None:
        """Return only if the caller's role may launch this.

        Raises:
            Refusal: the policies of the function's role do not allow it.
        """
        if by.kind is not Kind.FUNCTION:
            return
        # An assumed role's ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
        policies = self.cloud.policies_of_role(by.arn.split("/")[1])
        allowed = [statements(policy) for policy in policies]
        for request in self._requests(specification):
            decision = decide(request, *allowed)
            if not decision.allowed:
                explicit = decision.sid is not None
                raise Refusal("UnauthorizedOperation", words(by, request, explicit=explicit), 403)

    def _requests(self, specification: Specification) -> Iterator[Request]:
        """Requests with the condition keys of the service authorization reference of EC2."""
        data, tags = specification.data, specification.tags.get("instance", {})
        context = {
            "ec2:InstanceType": specification.instance_type,
            "ec2:MetadataHttpTokens": str((data.get("MetadataOptions") or {}).get("HttpTokens")),
            **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        }
        if specification.profile is not None:
            context["ec2:InstanceProfile"] = specification.profile.arn
        if specification.template is not None:
            template = self._arn(f"launch-template/{specification.template[0]}")
            context["ec2:LaunchTemplate"] = template
            own = self.cloud.tags(specification.template[0])
            of_template = {f"aws:ResourceTag/{key}": value for key, value in own.items()}
            yield Request("ec2:RunInstances", template, of_template)
        yield Request("ec2:RunInstances", self._arn("instance/*"), context)

    def _arn(self, resource: str) -> str:
        return f"arn:aws:ec2:{self.cloud.region}:{ACCOUNT}:{resource}"
