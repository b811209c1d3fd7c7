"""A protected thing: a resource with the condition keys that AWS supplies for it.

A thing's `choices` are values that the requester may choose for keys of the request, such as the
attributes of an update: the sweep tries each, and the request without any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from mayfly.iam.evaluation import Policy, Values
from tests.security import deployed
from tests.security.authorization import Action, actions_on, actions_without_resource

Context = Mapping[str, Values]

SERVICES_IN_USE = (
    *("cloudformation", "cloudwatch", "dynamodb", "ec2", "ec2messages", "events", "iam", "kms"),
    *("lambda", "logs", "s3", "sns", "sqs", "ssm", "ssmmessages", "sts"),
)


@dataclass(frozen=True, slots=True)
class Thing:
    """One protected resource, or one row of a table."""

    name: str
    """`group/which`, as the list of what remains names it."""
    title: str
    arn: str
    context: Context
    """Condition keys of the resource."""
    choices: tuple[Context, ...] = ({},)
    policy: Policy = ()
    """The resource's policy."""
    policy_must_allow: bool = False
    takes: Callable[[Action], bool] = lambda action: not action.makes_the_resource
    """Which of the actions with this resource type concern the thing."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action that could touch the thing."""
        known = _actions_without_resource() if self.arn == "*" else actions_on(self.arn)
        return tuple(action for action in known if self.takes(action))


@cache
def _actions_without_resource() -> tuple[Action, ...]:
    return tuple(
        action for service in SERVICES_IN_USE for action in actions_without_resource(service)
    )


def tagged(resource: Mapping[str, Mapping[str, object]]) -> dict[str, Values]:
    """Condition keys of a resource with the tags that its template gives it."""
    pairs = deployed.tags_of(resource)
    return {f"{s}:ResourceTag/{k}": v for k, v in pairs.items() for s in ("aws", "ec2")}
