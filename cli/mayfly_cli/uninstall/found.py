"""What there is of a stack or of one of its queues, and what of it would be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mayfly_cli.ends import BrokenError

TOKEN_PARAMETER = "/buildkite/mayfly/agent-token"  # noqa: S105 - the template's default name
FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to go."""

    stack: str
    queue: str = ""
    """One queue; empty for all of the stack."""

    @property
    def name(self) -> str:
        """As people say it."""
        return f"queue {self.queue} of {self.stack}" if self.queue else f"stack {self.stack}"

    @property
    def operators(self) -> str:
        """The path of operators' parameters."""
        return f"/mayfly/{self.stack}/" + (f"queues/{self.queue}/" if self.queue else "")

    @property
    def published(self) -> str:
        """The path, or the name, of what the deployment has published."""
        return f"/mayfly-infra/{self.stack}/" + (f"queues/{self.queue}" if self.queue else "")


@dataclass(frozen=True, slots=True)
class QueueStack:
    """A CloudFormation stack of `stacks/queue.yaml`."""

    name: str
    queue: str
    nested: bool
    """Whether it is a part of the control plane's stack."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance with our tag that is not terminated."""

    id: str
    queue: str
    state: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is there at the moment."""

    control: bool
    """Whether there is a stack of the control plane's name."""
    status: str = ""
    token_parameter: str = TOKEN_PARAMETER
    agent_endpoint: str = ""
    """Where `dispatch` speaks to Buildkite; empty where that is not seen."""
    queue_stacks: tuple[QueueStack, ...] = ()
    queues: tuple[str, ...] = ()
    """Keys of all queues that anything is there of."""
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
    """Roles and instance profiles below the stack's path. Only CloudFormation deletes them: IAM has
    no regions, so that those of a stack of this name in another region are among them."""

    def lines(self, scope: Scope) -> Iterator[str]:
        """What would be deleted, one kind a line."""
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
        """The queue stacks that are deleted by themselves; nested ones go with the control plane's.

        Raises:
            BrokenError: the one queue that is to go is a part of the control plane's stack.
        """
        chosen = [each for each in self.queue_stacks if scope.queue in {"", each.queue}]
        for each in chosen:
            if scope.queue and each.nested:
                raise BrokenError(
                    f"queue {scope.queue} is a part of the stack {scope.stack}: deploy that stack"
                    ' with QueueKey="" to take it out, then run this again'
                )
        return tuple(each for each in chosen if not each.nested)

    def nothing(self, scope: Scope) -> bool:
        """Whether there is nothing at all."""
        return not list(self.lines(scope))
