"""The JSON that a queue stack publishes; `provision` discovers queues by these parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from mayfly.config.folders import why_no_job_role_path, why_no_secrets_path
from mayfly.errors import Misconfigured
from mayfly_protocol import PROTOCOL

RoleId = Annotated[str, StringConstraints(pattern=r"^AROA[A-Z0-9]{12,124}$")]
Architecture = Annotated[str, StringConstraints(pattern=r"^(x86_64|arm64)$")]
Subnet = Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]+$")]
_PARTITIONS = "aws|aws-cn|aws-us-gov"
_NAME = r"[A-Za-z0-9_+=,.@-]{1,128}"
_KEY = rf"^(|arn:(?:{_PARTITIONS}):kms:[a-z0-9-]+:[0-9]{{12}}:key/[A-Za-z0-9-]+)$"


def _supported(protocol: int) -> int:
    if protocol != PROTOCOL:
        raise ValueError(f"protocol {protocol}; this control plane supports protocol {PROTOCOL}")
    return protocol


class Template(BaseModel):
    """A launch template's id and the number of one version, both as text."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^lt-[0-9a-f]+$")]
    version: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]


class Infra(BaseModel):
    """Templates, profiles, roles and subnets of one queue.

    Unknown fields are ignored, so a later queue stack may publish more.
    """

    model_config = ConfigDict(frozen=True)

    protocol: Annotated[int, Field(strict=True), AfterValidator(_supported)]
    queue: str
    templates: Annotated[Mapping[Architecture, Template], Field(min_length=1)]
    bootstrap_profile: str
    sandbox_profile: str
    bootstrap_role: str
    sandbox_role: str
    bootstrap_role_id: RoleId
    sandbox_role_id: RoleId
    subnets: Annotated[tuple[Subnet, ...], Field(min_length=1)]
    script_prefix: Annotated[str, StringConstraints(pattern=r"^(|[a-z0-9][a-z0-9.-]+/(.*/)?)$")]
    """`bucket/prefix/` that the bootstrap script must lie below; empty: no script is allowed."""
    stack: str = ""
    """ARN of the queue's stack; empty where a stack of an earlier version published this."""
    root_volume_gib: Annotated[int, Field(ge=0)] = 0
    """Size of an instance's root volume in GiB; 0 where an earlier version published this."""
    secrets_path: str = ""
    """Folder of Parameter Store that the sandbox role may read, as `/vendors/buildkite/deploy`;
    empty: none, or a stack of an earlier version."""
    secrets_key: Annotated[str, StringConstraints(pattern=_KEY)] = ""
    """ARN of the KMS key that encrypts the secrets; empty: the account's own `aws/ssm`, any key of
    the account, or no secrets."""
    job_role_path: str = ""
    """Path of the roles, of any account, that the sandbox role may assume, as `/ci/`; empty: none,
    or a stack of an earlier version."""

    @classmethod
    def parse(cls, queue: str, stack: str, text: str) -> Infra:
        """The infrastructure of `queue` from the JSON `text` that its stack published.

        Raises Misconfigured, in one line, for another form, another protocol, and for profiles or
        roles of another stack or queue: the right to publish for one queue must not open the
        roles of another queue.
        """
        try:
            infra = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the text"
            raise Misconfigured(
                f"infrastructure published for queue {queue}: {field}: {first['msg']}"
            ) from error
        wrong = next(_foreign_fields(infra, queue, stack), None)
        if wrong is not None:
            raise Misconfigured(f"infrastructure published for queue {queue}: {wrong}")
        return infra


def _foreign_fields(infra: Infra, queue: str, stack: str) -> Iterator[str]:
    """A message for each field that does not belong to this queue of this stack."""
    if infra.queue != queue:
        yield f"the field queue names queue {infra.queue}"
    accounts = set()
    for field, kind, side in (
        ("bootstrap_profile", "instance-profile", "bootstrap"),
        ("sandbox_profile", "instance-profile", "sandbox"),
        ("bootstrap_role", "role", "bootstrap"),
        ("sandbox_role", "role", "sandbox"),
    ):
        path = f"{kind}/mayfly/{stack}/{side}/{queue}/"
        form = rf"arn:(?:{_PARTITIONS}):iam::([0-9]{{12}}):{re.escape(path)}{_NAME}"
        found = re.fullmatch(form, getattr(infra, field))
        if found is None:
            yield f"{field}: not the ARN of a {kind} below {path}"
        else:
            accounts.add(found[1])
    if len(accounts) > 1:
        yield "profiles and roles belong to more than one account"
    if infra.bootstrap_role_id == infra.sandbox_role_id:
        # The proof is a write under the sandbox role's id: with one id it would prove nothing.
        yield "bootstrap_role_id and sandbox_role_id are the same"
    # What a stack publishes here gives no right: the policies of its sandbox role do. So two queues
    # may name one folder, as queues of two architectures do that run the same pipelines.
    if infra.secrets_path and (why := why_no_secrets_path(infra.secrets_path)):
        yield f"secrets_path: {why}"
    if infra.job_role_path and (why := why_no_job_role_path(infra.job_role_path)):
        yield f"job_role_path: {why}"
    if infra.secrets_key and not infra.secrets_path:
        yield "secrets_key: a key without a secrets_path"
