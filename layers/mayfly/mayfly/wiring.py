"""The composition root: makes the ports of each function from the environment's settings.

Objects that a function keeps between invocations (clients, the token, connections) are made here,
once per Lambda sandbox and before its first invocation: see `prepare`. Imports for a single
function stand inside that function, so the other functions do not load them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache, partial

from mayfly import observe
from mayfly.adapters.aws import clients
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.dispatch.ports import DispatchPorts
from mayfly.errors import Misconfigured
from mayfly.provision.ports import ProvisionPorts
from mayfly.reap.ports import ReapPorts
from mayfly.sandbox.ports import SandboxPorts
from mayfly.settings import (
    AnySettings,
    DispatchSettings,
    ProvisionSettings,
    ReapSettings,
    SandboxSettings,
    read_settings,
)

BUILDKITE = "https://agent.buildkite.com/v3"
"""Address of the Stacks API. Agents use another address, which is built into the agent."""


@cache
def settings(kind: type[AnySettings]) -> AnySettings:
    """The function's settings. The first call also sets up logging and metrics.

    Raises Misconfigured that names every bad variable.
    """
    read = read_settings(kind, os.environ)
    observe.configure(read)
    return read


@cache
def dispatch() -> DispatchPorts:
    """Ports of `dispatch`: the only function that holds the agent token."""
    from mayfly.adapters.aws.sqs import SqsNudges
    from mayfly.adapters.aws.ssm import Secret, SsmParameters
    from mayfly.adapters.buildkite.stacks import Stacks, stack_key
    from mayfly.adapters.buildkite.stacks_calls import StacksCalls
    from mayfly.dispatch.rhythm import LISTS

    environment = settings(DispatchSettings)
    key = stack_key(environment.account, environment.region, environment.stack)
    calls = StacksCalls(
        environment.buildkite_endpoint, Secret(clients.ssm(), environment.token_parameter)
    )
    elsewhere = environment.buildkite_endpoint.rstrip("/") != BUILDKITE
    return DispatchPorts(
        fleet=DynamoFleet(
            clients.dynamodb(), Tables(environment.fleet_table, environment.mailbox_table)
        ),
        buildkite=Stacks(calls, key, LISTS),
        parameters=SsmParameters(clients.ssm()),
        nudges=SqsNudges(clients.sqs(), environment.nudge_queue_url),
        reap_nudges=SqsNudges(clients.sqs(), environment.reap_queue_url),
        agent_endpoint=environment.buildkite_endpoint if elsewhere else "",
    )


@cache
def provision() -> ProvisionPorts:
    """Ports of `provision`: the only function that launches."""
    from mayfly.adapters.aws.ec2 import Ec2Machines
    from mayfly.adapters.aws.iam import IamRoles
    from mayfly.adapters.aws.prices import AwsPrices, price_list_region
    from mayfly.adapters.aws.sqs import SqsNudges
    from mayfly.adapters.aws.ssm import SsmParameters
    from mayfly.adapters.dynamodb.history import DynamoHistory
    from mayfly.adapters.dynamodb.mailbox import DynamoMailbox

    environment = settings(ProvisionSettings)
    return ProvisionPorts(
        stack=environment.stack,
        fleet=DynamoFleet(clients.dynamodb(), Tables(environment.fleet_table, mailbox="")),
        history=DynamoHistory(clients.dynamodb(), environment.fleet_table),
        mailbox=DynamoMailbox(clients.dynamodb(), environment.mailbox_table),
        machines=Ec2Machines(clients.ec2(), environment.stack),
        parameters=SsmParameters(clients.ssm()),
        roles=IamRoles(clients.iam()),
        prices=AwsPrices(
            partial(clients.price_list, price_list_region(environment.region)),
            clients.ec2(),
            environment.region,
        ),
        reap_nudges=SqsNudges(clients.sqs(), environment.reap_queue_url),
        nudges=SqsNudges(clients.sqs(), environment.nudge_queue_url),
        region=environment.region,
        token_parameter=environment.token_parameter,
        sizes=environment.sizes,
    )


@cache
def sandbox() -> SandboxPorts:
    """Ports of `sandbox`: the only function that replaces profiles."""
    from mayfly.adapters.aws.ec2 import Ec2Machines
    from mayfly.adapters.aws.sqs import SqsNudges
    from mayfly.adapters.dynamodb.mailbox import DynamoMailbox

    environment = settings(SandboxSettings)
    return SandboxPorts(
        fleet=DynamoFleet(
            clients.dynamodb(), Tables(environment.fleet_table, environment.mailbox_table)
        ),
        mailbox=DynamoMailbox(clients.dynamodb(), environment.mailbox_table),
        machines=Ec2Machines(clients.ec2_at_once(), environment.stack),
        nudges=SqsNudges(clients.sqs(), environment.nudge_queue_url),
        reap_nudges=SqsNudges(clients.sqs(), environment.reap_queue_url),
    )


@cache
def reap() -> ReapPorts:
    """Ports of `reap`: the only function that terminates."""
    from mayfly.adapters.aws.ec2 import Ec2Machines
    from mayfly.adapters.aws.logs import LogGroup
    from mayfly.adapters.aws.sqs import SqsNudges
    from mayfly.adapters.dynamodb.mailbox import DynamoMailbox

    environment = settings(ReapSettings)
    return ReapPorts(
        fleet=DynamoFleet(
            clients.dynamodb(), Tables(environment.fleet_table, environment.mailbox_table)
        ),
        mailbox=DynamoMailbox(clients.dynamodb(), environment.mailbox_table),
        machines=Ec2Machines(clients.ec2(), environment.stack),
        nudges=SqsNudges(clients.sqs(), environment.nudge_queue_url),
        words=LogGroup(clients.logs(), environment.last_words_group),
    )


_PORTS = {"dispatch": dispatch, "provision": provision, "sandbox": sandbox, "reap": reap}


def prepare() -> None:
    """Make the ports of the function that Lambda is initialising; outside Lambda, make none.

    Lambda names the handler in `_HANDLER`, such as `app.dispatch`. Misconfigured is suppressed
    here: the invocation asks for the same ports and logs the error with its request id.
    """
    make = _PORTS.get(os.environ.get("_HANDLER", "").rpartition(".")[2])
    if make is not None:
        with suppress(Misconfigured):
            make()
