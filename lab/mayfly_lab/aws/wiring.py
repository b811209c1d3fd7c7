"""Builds functions and triggers from the resources that CloudFormation has created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.deploy.recorder import Recorder
from mayfly_lab.aws.front.call import Kind, Principal
from mayfly_lab.aws.functions.environment import ExecutionEnvironment, FunctionSpec
from mayfly_lab.aws.functions.fork_server import ForkServer
from mayfly_lab.aws.functions.functions import Functions
from mayfly_lab.aws.triggers.queue import QueueMapping, QueueTrigger
from mayfly_lab.aws.triggers.stream import StreamMapping, StreamTrigger
from mayfly_lab.aws.world import World
from mayfly_lab.contracts import Keys

FUNCTION_KEYS = timedelta(hours=12)
Trigger = QueueTrigger | StreamTrigger
_BROUGHT = {"MayflyLayer": ("mayfly", "protocol")}
"""By layer: folders of packages in its source, as its target in layers/Makefile copies them.

Functions run from the sources: a build for each lab would compile everything again.
"""


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """Reads function specifications from a stack's resources."""

    world: World
    recorder: Recorder
    sources: Mapping[str, Path]
    """By logical id: the folder of a function's or layer's code."""
    dependencies: Path | None
    """A build of the dependencies layer for this host; None for this environment's packages."""

    def specs(self, stack: str) -> list[FunctionSpec]:
        """Specifications of all functions of a stack.

        Raises:
            NotImplementedError: a function has a destination for invocations.
        """
        limits = {
            each.properties["FunctionName"]: each.properties
            for each in self.recorder.of(stack, "AWS::Lambda::EventInvokeConfig")
        }
        layers = self._layer_folders(stack)
        return [
            self._spec(each.logical_id, each.properties, each.made, limits, layers)
            for each in self.recorder.of(stack, "AWS::Lambda::Function")
        ]

    def _spec(
        self,
        logical_id: str,
        properties: Mapping[str, Any],
        made: Any,
        limits: Mapping[str, Mapping[str, Any]],
        layers: Mapping[str, Sequence[Path]],
    ) -> FunctionSpec:
        name = str(made.function_name)
        limit = limits.get(name, {})
        if (limit.get("DestinationConfig") or {}) != {}:
            raise NotImplementedError(f"{name}: the lab has no destinations of invocations")
        logs = self.world.config.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        log = logs / f"{name}.log"
        log.touch()  # A log group exists before the first invocation, too.
        concurrency = properties.get("ReservedConcurrentExecutions")
        return FunctionSpec(
            name=name,
            arn=str(made.function_arn),
            handler=properties["Handler"],
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            variables={
                key: str(value)
                for key, value in properties.get("Environment", {}).get("Variables", {}).items()
            },
            role_arn=properties["Role"],
            code=self.sources[logical_id].resolve(),
            layers=tuple(
                path for arn in properties.get("Layers", ()) for path in layers.get(arn, ())
            ),
            log=log,
            log_group=(properties.get("LoggingConfig") or {}).get("LogGroup", ""),
            concurrency=int(concurrency or self.world.config.concurrency),
            max_retries=int(limit.get("MaximumRetryAttempts", 2)),
            max_event_age=float(limit.get("MaximumEventAgeInSeconds", 21600)),
        )

    def _layer_folders(self, stack: str) -> dict[str, tuple[Path, ...]]:
        """By ARN of a layer: its folders on the import path; layers without code are omitted."""
        folders: dict[str, tuple[Path, ...]] = {}
        for layer in self.recorder.of(stack, "AWS::Lambda::LayerVersion"):
            # SAM appends a hash to the logical ids of layers.
            logical_id = next(
                (each for each in self.sources if layer.logical_id.startswith(each)), ""
            )
            if logical_id == "DependenciesLayer":
                if self.dependencies is not None:
                    folders[layer.physical_id] = (self.dependencies.resolve(),)
            elif logical_id:
                source = self.sources[logical_id].resolve()
                names = _BROUGHT.get(logical_id, ())
                folders[layer.physical_id] = tuple(source / name for name in names)
        return folders


def principal_of(world: World, spec: FunctionSpec, stack: str) -> Principal:
    """The principal that AWS sees in calls of a function with its role."""
    role = world.cloud.role_of_arn(spec.role_arn)
    return Principal(
        userid=f"{role.id}:{spec.name}",
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/{spec.name}",
        kind=Kind.FUNCTION,
        name=spec.name.removeprefix(f"{stack}-"),
        stack=stack,
    )


def create_environment(
    world: World, stack: str, endpoint: str, fork_server: ForkServer, spec: FunctionSpec
) -> ExecutionEnvironment:
    """Start a worker for a function, with credentials of its own."""
    keys: Keys = world.credentials.issue(principal_of(world, spec, stack), FUNCTION_KEYS)
    return ExecutionEnvironment(spec, keys, world.config.region, endpoint, fork_server)


def event_sources(world: World, functions: Functions) -> list[Trigger]:
    """A trigger for every event source mapping of the account.

    Raises:
        NotImplementedError: a mapping's source is neither an SQS queue nor a DynamoDB table.
    """
    triggers: list[Trigger] = []
    for mapping in world.cloud.backend("lambda").list_event_source_mappings(None, None):
        configuration = mapping.get_configuration()
        service = configuration["EventSourceArn"].split(":")[2]
        if service == "sqs":
            triggers.append(QueueTrigger(world, functions, QueueMapping.of(configuration)))
        elif service == "dynamodb":
            triggers.append(StreamTrigger(world, functions, StreamMapping.of(configuration)))
        else:
            raise NotImplementedError(f"the lab has no event source {service}")
    return triggers
