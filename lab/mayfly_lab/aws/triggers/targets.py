"""Targets of EventBridge's rules: a function is invoked, a queue gets the event as a message."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.iam.documents import statements_of
from mayfly.iam.evaluation import Caller, Policies, Request, evaluate
from mayfly_lab.aws.bus import Event, payload
from mayfly_lab.aws.world import World

SENDER = "events.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Targets:
    """Delivers events to the functions and queues of the account."""

    world: World
    invoke: Callable[[str, Any], None]
    """Invokes a function (by ARN) asynchronously."""

    def deliver(self, target: Mapping[str, Any], event: Event, rule: str) -> None:
        """Hand an event to a target of the rule with this ARN.

        Raises:
            NotImplementedError: the target is neither a function nor a queue.
        """
        service = target["Arn"].split(":")[2]
        if service == "lambda":
            self.invoke(target["Arn"], payload(target, event))
        elif service == "sqs":
            self._send(target["Arn"], payload(target, event), rule)
        else:
            raise NotImplementedError(f"the lab's rules have no targets of {service}")

    def _send(self, queue_arn: str, body: Any, rule: str) -> None:
        sqs = self.world.cloud.backend("sqs")
        name = queue_arn.rpartition(":")[2]
        policy = json.loads(sqs.get_queue(name).policy or '{"Statement": []}')
        if not may_send(policy, queue_arn, rule):
            # EventBridge may not send without the queue's policy, and tells nobody but a metric.
            self.world.journal.happened("events", "FailedInvocation", rule=rule, queue=name)
            return
        sqs.send_message(name, json.dumps(body))


def may_send(policy: Mapping[str, Any], queue_arn: str, rule: str) -> bool:
    """Whether a queue's policy lets EventBridge send the events of a rule.

    Raises:
        KeyError: the policy has an operator that IAM does not have.
        TypeError, ValueError: `policy` is not a policy.
    """
    request = Request("sqs:SendMessage", queue_arn, {"aws:SourceArn": rule})
    caller = Caller(arn="", service=SENDER)
    policies = Policies(identity=(), resource=statements_of(policy))
    return evaluate(request, caller, policies).allowed
