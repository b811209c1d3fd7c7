"""Reads the resources of a stack or a queue from AWS. A read that AWS refuses is an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mayfly_cli.account import Account, tags_of
from mayfly_cli.ends import BrokenError
from mayfly_cli.findings import Unknown
from mayfly_cli.uninstall.inventory import (
    FUNCTIONS,
    TOKEN_PARAMETER,
    Instance,
    Inventory,
    QueueStack,
    Scope,
)

_ALIVE = ["pending", "running", "shutting-down", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class InventoryReader:
    """Reads the account; every read must succeed, because an unseen resource would stay."""

    account: Account

    def read(self, scope: Scope) -> Inventory:
        """The resources of the scope that exist now.

        Raises:
            BrokenError: the caller lacks a right, or AWS does not answer.
        """
        stacks = self._stacks()
        control = next((each for each in stacks if each["StackName"] == scope.stack), None)
        queue_stacks = tuple(self._queue_stacks(stacks, scope, control is not None))
        published = self._parameters(scope.published)
        operators = self._parameters(scope.operators)
        whole = not scope.queue
        return Inventory(
            control=control is not None,
            status=control["StackStatus"] if control else "",
            token_parameter=_parameters(control).get("TokenParameter", TOKEN_PARAMETER),
            agent_endpoint=self._endpoint(scope) if control else "",
            queue_stacks=queue_stacks,
            queues=tuple(sorted(_queues(scope, queue_stacks, [*published, *operators]))),
            instances=self._instances(scope),
            operators=operators,
            published=published,
            tables=self._tables(scope) if whole else (),
            log_groups=self._log_groups(scope) if whole else (),
            layers=tuple(self._layers(scope)) if whole else (),
            volumes=self._volumes(scope),
            roles=(
                *self._iam("list_roles", "Roles", "RoleName", scope),
                *self._iam(
                    "list_instance_profiles", "InstanceProfiles", "InstanceProfileName", scope
                ),
            ),
        )

    def instances(self, scope: Scope) -> tuple[Instance, ...]:
        """The scope's instances that are not terminated."""
        return self._instances(scope)

    def stack_status(self, name: str) -> tuple[str, str]:
        """Status and reason of a CloudFormation stack; both empty if the stack does not exist."""
        absent = ("ValidationError",)
        found = self._ask("cloudformation", "describe_stacks", absent, StackName=name)
        if found is None:
            return "", ""
        stack = found["Stacks"][0]
        status = str(stack["StackStatus"])
        # DescribeStacks does not find a deleted stack by its name, but still does by its id.
        return ("", "") if status == "DELETE_COMPLETE" else (status, _reason(stack))

    def _ask(
        self, service: str, operation: str, absent: Iterable[str] = (), **parameters: Any
    ) -> Any:
        answer = self.account.ask(service, operation, tuple(absent), **parameters)
        if isinstance(answer, Unknown):
            raise BrokenError(f"cannot list all resources: {answer.reason}")
        return answer

    def _stacks(self) -> list[dict[str, Any]]:
        found = self._ask("cloudformation", "describe_stacks")["Stacks"]
        return [each for each in found if each["StackStatus"] != "DELETE_COMPLETE"]

    def _queue_stacks(
        self, stacks: Iterable[dict[str, Any]], scope: Scope, control: bool
    ) -> Iterable[QueueStack]:
        nested = self._nested(scope) if control else frozenset()
        for each in stacks:
            told = _parameters(each)
            if told.get("ControlStack") == scope.stack and told.get("QueueKey"):
                name = each["StackName"]
                inside = bool(each.get("ParentId")) or bool({name, each["StackId"]} & nested)
                if scope.queue in {"", told["QueueKey"]}:
                    yield QueueStack(name, told["QueueKey"], inside)

    def _nested(self, scope: Scope) -> frozenset[str]:
        found = self._ask("cloudformation", "list_stack_resources", StackName=scope.stack)
        return frozenset(
            each.get("PhysicalResourceId", "")
            for each in found["StackResourceSummaries"]
            if each["ResourceType"] == "AWS::CloudFormation::Stack"
        )

    def _endpoint(self, scope: Scope) -> str:
        shown = self._ask(
            "lambda",
            "get_function_configuration",
            ("ResourceNotFoundException",),
            FunctionName=f"{scope.stack}-dispatch",
        )
        variables = (shown or {}).get("Environment", {}).get("Variables", {})
        return str(variables.get("MAYFLY_BUILDKITE_ENDPOINT", ""))

    def _parameters(self, path: str) -> tuple[str, ...]:
        if not path.endswith("/"):  # one parameter
            found = self._ask("ssm", "get_parameter", ("ParameterNotFound",), Name=path)
            return () if found is None else (path,)
        found = self._ask("ssm", "get_parameters_by_path", Path=path.rstrip("/"), Recursive=True)
        return tuple(each["Name"] for each in found["Parameters"])

    def _instances(self, scope: Scope) -> tuple[Instance, ...]:
        filters = [*_tagged(scope), {"Name": "instance-state-name", "Values": _ALIVE}]
        found = self._ask("ec2", "describe_instances", Filters=filters)
        return tuple(
            Instance(
                each["InstanceId"],
                tags_of(each.get("Tags", ())).get("mayfly-queue", ""),
                each["State"]["Name"],
            )
            for reservation in found["Reservations"]
            for each in reservation["Instances"]
        )

    def _tables(self, scope: Scope) -> tuple[str, ...]:
        names = (f"{scope.stack}-fleet", f"{scope.stack}-mailbox")
        absent = ("ResourceNotFoundException",)
        return tuple(
            name
            for name in names
            if self._ask("dynamodb", "describe_table", absent, TableName=name) is not None
        )

    def _log_groups(self, scope: Scope) -> tuple[str, ...]:
        own = [f"/aws/lambda/{scope.stack}-{each}" for each in FUNCTIONS]
        found = []
        for prefix in (f"/aws/lambda/{scope.stack}-", f"/mayfly/{scope.stack}/"):
            shown = self._ask("logs", "describe_log_groups", logGroupNamePrefix=prefix)
            found += [each["logGroupName"] for each in shown["logGroups"]]
        return tuple(
            name for name in found if name in own or name.startswith(f"/mayfly/{scope.stack}/")
        )

    def _layers(self, scope: Scope) -> Iterable[tuple[str, int]]:
        for each in ("dependencies", "mayfly", "instance"):
            name = f"{scope.stack}-{each}"
            absent = ("ResourceNotFoundException",)
            found = self._ask("lambda", "list_layer_versions", absent, LayerName=name)
            for version in (found or {}).get("LayerVersions", ()):
                yield name, int(version["Version"])

    def _volumes(self, scope: Scope) -> tuple[str, ...]:
        # Only unattached volumes: EC2 deletes an attached one with its instance.
        filters = [*_tagged(scope), {"Name": "status", "Values": ["available"]}]
        found = self._ask("ec2", "describe_volumes", Filters=filters)
        return tuple(each["VolumeId"] for each in found["Volumes"])

    def _iam(self, operation: str, kind: str, name: str, scope: Scope) -> tuple[str, ...]:
        prefix, ending = f"/mayfly/{scope.stack}/", f"/{scope.queue}/" if scope.queue else "/"
        found = self._ask("iam", operation, PathPrefix=prefix)[kind]
        return tuple(
            each[name]
            for each in found
            if each["Path"].startswith(prefix) and each["Path"].endswith(ending)
        )


def _tagged(scope: Scope) -> list[dict[str, object]]:
    filters: list[dict[str, object]] = [{"Name": "tag:mayfly-stack", "Values": [scope.stack]}]
    if scope.queue:
        filters.append({"Name": "tag:mayfly-queue", "Values": [scope.queue]})
    return filters


def _parameters(stack: dict[str, Any] | None) -> dict[str, str]:
    given = (stack or {}).get("Parameters", ())
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in given}


def _queues(
    scope: Scope, stacks: Iterable[QueueStack], parameters: Iterable[str]
) -> frozenset[str]:
    """Keys of the queues that have a stack or a parameter."""
    if scope.queue:
        return frozenset({scope.queue})
    keys = {each.queue for each in stacks}
    for name in parameters:
        _, root, stack, kind, *rest = [*name.split("/"), "", "", "", ""]
        if root in {"mayfly", "mayfly-infra"} and stack == scope.stack and kind == "queues":
            keys.add(rest[0])
    return frozenset(keys - {""})


def _reason(stack: dict[str, Any]) -> str:
    return str(stack.get("StackStatusReason", ""))
