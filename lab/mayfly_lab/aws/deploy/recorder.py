"""Records every resource that CloudFormation creates, and checks that no property is lost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.cloudformation import parsing

from mayfly_lab.aws.deploy.completions import COMPLETIONS
from mayfly_lab.aws.deploy.kept import KEPT
from mayfly_lab.aws.patches import Patch


class UnsupportedResourceError(NotImplementedError):
    """A template uses a resource type or a property that the lab would lose."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a stack, with all references in its properties resolved."""

    stack: str
    logical_id: str
    kind: str
    properties: Mapping[str, Any]
    made: Any
    """The object of moto."""

    @property
    def physical_id(self) -> str:
        """The value of `Ref`."""
        return str(self.made.physical_resource_id)


@dataclass(slots=True)
class Recorder:
    """All resources created since the patches were installed."""

    resources: list[Resource] = field(default_factory=list)
    made: Callable[[Resource], None] = lambda _: None
    """Called with each resource after its creation."""

    def of(self, stack: str, kind: str) -> list[Resource]:
        """Resources of one type in a stack, in the order of creation."""
        return [each for each in self.resources if each.stack == stack and each.kind == kind]

    def patches(self) -> list[Patch]:
        """Patches that check each resource before its creation, then complete and record it."""
        stock_name: Callable[..., Any] = parsing.parse_resource_and_generate_name
        stock_create: Callable[..., Any] = parsing.parse_and_create_resource
        resolved: dict[tuple[str, str], Mapping[str, Any]] = {}

        def parse_resource_and_generate_name(
            logical_id: str, resource_json: dict[str, Any], resources_map: Any
        ) -> Any:
            parsed = stock_name(logical_id, resource_json, resources_map)
            if parsed is None:
                raise UnsupportedResourceError(
                    f"{logical_id}: the lab cannot create a {resource_json['Type']}"
                )
            properties = parsed[1].get("Properties", {})
            require_kept(logical_id, resource_json["Type"], properties)
            key = resources_map["AWS::StackName"], logical_id
            resolved[key] = copy.deepcopy(properties)
            return parsed

        def parse_and_create_resource(
            logical_id: str,
            resource_json: dict[str, Any],
            resources_map: Any,
            account_id: str,
            region_name: str,
        ) -> Any:
            made = stock_create(logical_id, resource_json, resources_map, account_id, region_name)
            if made is None:  # its condition is false
                return None
            kind, stack = resource_json["Type"], resources_map["AWS::StackName"]
            properties = resolved.pop((stack, logical_id))
            if complete := COMPLETIONS.get(kind):
                complete(made, properties, account_id, region_name)
            resource = Resource(stack, logical_id, kind, properties, made)
            self.resources.append(resource)
            self.made(resource)
            return made

        parameters = "logical_id, resource_json, resources_map"
        return [
            Patch(
                parsing,
                "parse_resource_and_generate_name",
                parse_resource_and_generate_name,
                parameters,
            ),
            Patch(
                parsing,
                "parse_and_create_resource",
                parse_and_create_resource,
                f"{parameters}, account_id, region_name",
            ),
        ]


def require_kept(logical_id: str, kind: str, properties: Mapping[str, Any]) -> None:
    """Check that the lab keeps every property of a resource.

    Raises:
        UnsupportedResourceError: moto would silently drop a property.
    """
    lost = properties.keys() - KEPT.get(kind, frozenset())
    if lost:
        raise UnsupportedResourceError(
            f"{logical_id}: the lab would lose {', '.join(sorted(lost))} of {kind};"
            " see mayfly_lab/aws/deploy/kept.py"
        )
