"""What is deployed: the names of a control plane and of one of its queues."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayfly_cli.account import Account
from mayfly_cli.ends import UsageError
from mayfly_cli.findings import Unknown

MISSING: Mapping[str, str] = {
    "token-key": "the control plane has no KMS key of its own for the token",
    "script-prefix": "the queue has no place for bootstrap scripts",
    "script-bucket": "the queue has no place for bootstrap scripts",
    "secrets-path": "the queue has no folder of secrets",
    "secrets-key": "the queue has no KMS key of its own for secrets",
    "job-role-path": "the queue has no path of roles for jobs",
    "queue in another case": "the queue's key has no letter",
}
"""Why a deployment may have nothing by a name; the rest are resources of the stack."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Names of a deployment."""

    names: Mapping[str, str]
    """By the name that cases use. Without an entry: the deployment has nothing of the kind."""
    policies: Mapping[str, str]
    """By logical id: the ARN of a managed policy of the control plane's stack."""


def deployment(account: Account, stack: str, queue: str) -> Deployment:
    """The names of a deployed control plane and queue.

    Raises:
        UsageError: the stack or the queue is not deployed, or the caller may not read it.
    """
    partition = account.caller.split(":")[1]
    resources = _resources(account, stack)
    names = {
        "partition": partition,
        "account": account.id,
        "region": account.region,
        "stack": stack,
        # A name begins with a letter, so it has another case.
        "stack in another case": stack.swapcase(),
        "queue": queue,
        "queue in another case": queue.swapcase(),
        **_parameters(account, stack),
        **_published(account, stack, queue),
        **{logical: re.split("[/:|]", arn)[-1] for logical, arn in resources.items()},
    }
    if queue.swapcase() == queue:
        del names["queue in another case"]
    policies = {
        logical: arn for logical, arn in resources.items() if re.match("arn:[^:]+:iam:", arn)
    }
    return Deployment({name: value for name, value in names.items() if value}, policies)


def _resources(account: Account, stack: str) -> dict[str, str]:
    """By logical id: what CloudFormation calls the physical id, a name, an address or an ARN."""
    found = _ask(account, "cloudformation", "list_stack_resources", StackName=stack)
    return {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for each in found["StackResourceSummaries"]
    }


def _parameters(account: Account, stack: str) -> dict[str, str]:
    found = _ask(account, "cloudformation", "describe_stacks", StackName=stack)
    given = {
        each["ParameterKey"]: each.get("ParameterValue", "")
        for each in found["Stacks"][0].get("Parameters", ())
    }
    return {
        "token-parameter": given.get("TokenParameter", ""),
        "token-key": given.get("TokenKmsKey", ""),
    }


def _published(account: Account, stack: str, queue: str) -> dict[str, str]:
    """What the queue's stack publishes of itself: roles, profiles, the place of its scripts."""
    name = f"/mayfly-infra/{stack}/queues/{queue}"
    found = _ask(account, "ssm", "get_parameter", Name=name)
    try:
        told = json.loads(found["Parameter"]["Value"])
        prefix = str(told["script_prefix"])
        return {
            "bootstrap-role": _last(told["bootstrap_role"]),
            "bootstrap-role-id": str(told["bootstrap_role_id"]),
            "bootstrap-profile": _last(told["bootstrap_profile"]),
            "sandbox-role": _last(told["sandbox_role"]),
            "sandbox-role-id": str(told["sandbox_role_id"]),
            "sandbox-profile": _last(told["sandbox_profile"]),
            "script-prefix": prefix,
            "script-bucket": prefix.partition("/")[0],
            # A queue's stack of an earlier version publishes none of these.
            "secrets-path": str(told.get("secrets_path", "")),
            "secrets-key": str(told.get("secrets_key", "")),
            "job-role-path": str(told.get("job_role_path", "")),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{name} is not what a queue's stack publishes: {error!r}") from error


def _last(arn: str) -> str:
    return str(arn).rpartition("/")[2]


def _ask(account: Account, service: str, operation: str, **parameters: Any) -> Any:
    answer = account.ask(service, operation, ("ValidationError", "ParameterNotFound"), **parameters)
    if answer is None:
        (name,) = parameters.values()
        raise UsageError(f"{name} is not in account {account.id}, {account.region}")
    if isinstance(answer, Unknown):
        raise UsageError(f"the deployment cannot be read: {answer.reason}")
    return answer
