"""A call as IAM sees it: the actions that it needs, each on a resource, with the condition keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.iam.evaluation import Request
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.dynamo import item_requests

Tags = Mapping[str, str]
_PREFIX = {"monitoring": "cloudwatch"}
"""The prefix of actions, where it differs from the name that signs requests."""
_ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "s3:HeadObject": "s3:GetObject"}
_OF_ALL = "*"
"""The resource of an action without a resource type, and of a call that this module does not know.

A statement that names resources does not match it: a call that is not known here is denied.
"""
_OF_INSTANCES = frozenset(
    {"GetConsoleOutput", "RebootInstances", "StartInstances", "StopInstances", "TerminateInstances"}
)


@dataclass(frozen=True, slots=True)
class IamView:
    """Turns calls into IAM's requests. `tags_of` returns the tags of an instance by its id."""

    region: str
    tags_of: Callable[[str], Tags]

    def requests(self, call: Call) -> tuple[Request, ...]:
        """What IAM must allow for the call: each request has an action and one resource.

        Sources: the service authorization references of the services. A call to any other
        resource than those of Mayfly's operators is one request about `*`.
        """
        prefix = _PREFIX.get(call.service, call.service)
        action = _ACTIONS.get(call.action, f"{prefix}:{call.operation}")
        found = tuple(self._requests(action, call))
        return found or (Request(action, _OF_ALL),)

    def _requests(self, action: str, call: Call) -> Iterator[Request]:
        given = call.parameters
        match call.service:
            case "ssm":
                for name in _listed(given, "Name", "Names", "Path"):
                    yield Request(action, self._parameter(name))
            case "logs":
                for group in _listed(given, *_GROUPS):
                    yield Request(action, self._log_group(group, given.get("logStreamName")))
            case "ec2" if call.operation in _OF_INSTANCES:
                for instance in _listed(given, "InstanceId", "InstanceIds"):
                    tags = self.tags_of(instance)
                    context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
                    yield Request(action, self._arn("ec2", f"instance/{instance}"), context)
            case "dynamodb":
                yield from self._tables(action, call)
            case "cloudformation":
                for name in _listed(given, "StackName"):
                    yield Request(action, self._stack(name))

    def _tables(self, action: str, call: Call) -> Iterator[Request]:
        index = call.parameters.get("IndexName")
        rows = item_requests(call)
        if call.operation.startswith("Transact"):  # IAM checks a transaction as its parts
            for row in rows:
                yield Request(f"dynamodb:{row.operation}", self._table(row.table))
            return
        for table in dict.fromkeys(row.table for row in rows):
            yield Request(action, self._table(table, f"/index/{index}" if index else ""))

    def _parameter(self, name: str) -> str:
        path = name.rpartition(":parameter")[2] if name.startswith("arn:") else name
        path = path.partition(":")[0].rstrip("/")  # `:3` is a version, `:label` a label
        return self._arn("ssm", f"parameter{path if path.startswith('/') else f'/{path}'}")

    def _log_group(self, group: str, stream: Any) -> str:
        name = group.partition(":log-group:")[2].removesuffix(":*") or group
        return self._arn("logs", f"log-group:{name}:log-stream:{stream or ''}")

    def _table(self, name: str, more: str = "") -> str:
        return self._arn("dynamodb", f"table/{name}{more}")

    def _stack(self, name: str) -> str:
        return name if name.startswith("arn:") else self._arn("cloudformation", f"stack/{name}/id")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}"


_GROUPS = ("logGroupName", "logGroupNames", "logGroupIdentifier", "logGroupIdentifiers")


def _listed(given: Mapping[str, Any], *names: str) -> Iterator[str]:
    """The values of the parameters with these names, single or listed."""
    for name in names:
        value = given.get(name) or ()
        yield from ([value] if isinstance(value, str) else map(str, value))
