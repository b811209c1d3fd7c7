"""The resources of a stack or of one of its queues, and the list of those to delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mayfly_cli.ends import BrokenError

TOKEN_PARAMETER = "/buildkite/mayfly/agent-token"  # noqa: S105 - the template's default name
FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


@dataclass(frozen=True, slots=True)
class Scope:
    """The stack or queue to delete."""

    stack: str
    queue: str = ""
    """Key of one queue; empty for the whole stack."""

    @property
    def name(self) -> str:
        """The scope in words, for messages."""
        return f"queue {self.queue} of {self.stack}" if self.queue else f"stack {self.stack}"

    @property
    def operators(self) -> str:
        """SSM path of the parameters that operators write."""
        return f"/mayfly/{self.stack}/" + (f"queues/{self.queue}/" if self.queue else "")

    @property
    def published(self) -> str:
        """SSM path of the parameters that the deployment writes; for one queue, the name of one."""
        return f"/mayfly-infra/{self.stack}/" + (f"queues/{self.queue}" if self.queue else "")


@dataclass(frozen=True, slots=True)
class QueueStack:
    """A CloudFormation stack of `stacks/queue.yaml`."""

    name: str
    queue: str
    nested: bool
    """Whether the stack is nested in the control plane's stack."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance with the tag `mayfly-stack` that is not terminated."""

    id: str
    queue: str
    state: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The resources that exist now."""

    control: bool
    """Whether the control plane's stack exists."""
    status: str = ""
    token_parameter: str = TOKEN_PARAMETER
    agent_endpoint: str = ""
    """The address of Buildkite that `dispatch` uses; empty if there is no such function."""
    queue_stacks: tuple[QueueStack, ...] = ()
    queues: tuple[str, ...] = ()
    """Keys of all queues that have a stack or a parameter."""
    instances: tuple[Instance, ...] = ()
    operators: tuple[str, ...] = ()
    """Parameters that people wrote."""
    published: tuple[str, ...] = ()
    """Parameters that the deployment wrote."""
    tables: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    layers: tuple[tuple[str, int], ...] = ()
    """Name and version."""
    volumes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Roles and instance profiles below the stack's path. Only CloudFormation deletes them, because
    IAM has no regions: some may belong to a stack of the same name in another region."""

    def lines(self, scope: Scope) -> Iterator[str]:
        """The resources to delete, one line for each kind; kinds without resources are omitted."""
        stacks = [each.name for each in self.own_stacks(scope)]
        if self.control and not scope.queue:
            stacks.append(scope.stack)
        kinds = {
            "instances": [f"{each.id} ({each.state})" for each in self.instances],
            "CloudFormation stacks": stacks,
            "tables": list(self.tables),
            "parameters": [*self.operators, *self.published],
            "log groups": list(self.log_groups),
            "layers": sorted({name for name, _ in self.layers}),
            "volumes": list(self.volumes),
        }
        for kind, names in kinds.items():
            if names:
                yield f"{kind}: {', '.join(names)}"

    def own_stacks(self, scope: Scope) -> tuple[QueueStack, ...]:
        """The queue stacks to delete one by one; nested stacks go with the control plane's stack.

        Raises:
            BrokenError: the one queue to delete is nested in the control plane's stack.
        """
        chosen = [each for each in self.queue_stacks if scope.queue in {"", each.queue}]
        for each in chosen:
            if scope.queue and each.nested:
                raise BrokenError(
                    f"queue {scope.queue} is a part of the stack {scope.stack}: deploy that stack"
                    ' with QueueKey="" to take the queue out, then run this again'
                )
        return tuple(each for each in chosen if not each.nested)

    def is_empty(self, scope: Scope) -> bool:
        """Whether there is nothing to delete."""
        return not list(self.lines(scope))
