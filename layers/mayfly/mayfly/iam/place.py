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
    secrets_path: str = ""
    """Folder of Parameter Store with the secrets of the queue's jobs; empty for none."""

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
        """ARN of a resource of this account and region; IAM's have no region, S3's neither."""
        region = "" if service in {"iam", "s3"} else self.region
        account = "" if service == "s3" else self.account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    @property
    def row(self) -> str:
        """Key of the mailbox row of an instance with this role: `aws:userid` of its credentials."""
        return f"{self.role_id}:{SELF}"

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
            "aws:userid": self.row,
            "ec2:SourceInstanceARN": self.arn("ec2", f"instance/{SELF}"),
        }
        if service not in {"iam", "sts"}:
            context["aws:RequestedRegion"] = self.region
        named = {name.replace("__", ":"): value for name, value in keys.items()}
        return Request(action, resource, context | named)

    def tagged(
        self, action: str, resource: str, queue: str, **keys: str | Sequence[str]
    ) -> Request:
        """A request about a resource with Mayfly's tags, of another instance of a queue.

        By the service authorization reference, EC2 and EC2 Instance Connect name the tags of an
        instance by `ec2:ResourceTag`, Systems Manager by `ssm:resourceTag`, all three by
        `aws:ResourceTag` too. The tag `mayfly-launch` has any value, so it is left out.
        """
        found = self.request(action, resource, **keys)
        own = "ssm:resourceTag" if action.startswith("ssm:") else "ec2:ResourceTag"
        context = dict(found.context)
        for prefix in ("aws:ResourceTag", own):
            context[f"{prefix}/mayfly-stack"] = self.stack
            context[f"{prefix}/mayfly-queue"] = queue
        return Request(action, resource, context)
