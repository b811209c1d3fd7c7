"""The things of one queue's control plane that its roles must not reach, by their ARNs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mayfly.iam.evaluation import Request

OTHER_ROW = "AROAOTHEROTHEROTHER00:i-0fffffffffffffff0"
SELF = "i-0aaaaaaaaaaaaaaa0"
OTHER = "i-0fffffffffffffff0"
ANY = "a-name-that-no-policy-names"
"""A name in place of every name: only a pattern that means all of them matches it."""

Context = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a role stands: its control plane, and its queue."""

    role: str
    """The role's ARN."""
    role_id: str
    region: str
    stack: str
    """Name of the control plane's stack."""
    queue: str
    token_parameter: str
    """Name of the SSM parameter of the agent token, by the control plane's own stack."""
    script_prefix: str = ""
    """`bucket/prefix/` of bootstrap scripts; empty for none."""

    @property
    def partition(self) -> str:
        """Partition of the role, such as `aws`."""
        return self.role.split(":")[1]

    @property
    def account(self) -> str:
        """The account's twelve digits."""
        return self.role.split(":")[4]

    def of(self, role: str, role_id: str) -> Place:
        """The place of another role of the queue."""
        return replace(self, role=role, role_id=role_id)

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account, and of this region unless the service is `iam`."""
        region = "" if service == "iam" else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    @property
    def token(self) -> str:
        """ARN of the token parameter."""
        return self.arn("ssm", f"parameter/{self.token_parameter.removeprefix('/')}")

    def request(self, action: str, resource: str, **keys: str | Sequence[str]) -> Request:
        """A request of an instance with this role. `keys` are further condition keys, `__` for `:`.

        The context has the keys that AWS sends with every request of an instance and whose values
        are known (IAM user guide, "AWS global condition context keys"). `aws:RequestedRegion` is
        left out for IAM and STS, which have endpoints in more than one region.
        """
        service = action.partition(":")[0]
        context: dict[str, str | Sequence[str]] = {
            "aws:PrincipalAccount": self.account,
            "aws:PrincipalArn": self.role,
            "aws:PrincipalType": "AssumedRole",
            "aws:SecureTransport": "true",
            "aws:userid": f"{self.role_id}:{SELF}",
            "ec2:SourceInstanceARN": self.arn("ec2", f"instance/{SELF}"),
        }
        if service not in {"iam", "sts"}:
            context["aws:RequestedRegion"] = self.region
        named = {name.replace("__", ":"): value for name, value in keys.items()}
        return Request(action, resource, context | named)

    def tagged(self, action: str, resource: str, **keys: str | Sequence[str]) -> Request:
        """A request about a resource with Mayfly's tags, of another instance of another queue.

        By the service authorization reference, EC2 and EC2 Instance Connect name the tags of an
        instance by `ec2:ResourceTag`, Systems Manager by `ssm:resourceTag`, all three by
        `aws:ResourceTag` too.
        """
        found = self.request(action, resource, **keys)
        own = "ssm:resourceTag" if action.startswith("ssm:") else "ec2:ResourceTag"
        tags = {"mayfly-stack": self.stack, "mayfly-queue": f"{self.queue}-other"}
        tags["mayfly-launch"] = f"{self.stack}-launch-1"
        context = dict(found.context)
        for prefix in ("aws:ResourceTag", own):
            context |= {f"{prefix}/{name}": value for name, value in tags.items()}
        return Request(action, resource, context)
