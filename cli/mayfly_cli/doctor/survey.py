"""Reads what preflight reads of an account, for a deployed stack and all of its queues.

Two rounds of reads side by side: stacks and what needs no stack, then what the stacks name. Equal
reads of several queues are one. The command is bounded by `STACKS` + `READS` seconds, whatever the
account's services do; boto3's clients alone would wait for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
from mayfly_cli.account import Account
from mayfly_cli.agent_releases import line_of
from mayfly_cli.doctor.stacks import Stack, answers_of, described
from mayfly_cli.doctor.within import within
from mayfly_cli.findings import Unknown
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import QueueView, StackView
from mayfly_cli.operations.refusals import why_not_asked
from mayfly_cli.operations.tuning import Stored
from mayfly_cli.preflight import (
    checks_instances,
    checks_keys,
    gather_account,
    gather_buildkite,
    gather_ec2,
    gather_keys,
)
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Snapshot

STACKS, READS = 5.0, 10.0
"""Seconds of the two rounds."""
NOT_PUBLISHED = Unknown("its stack is of an earlier version, which does not publish its own name")
_SERVICES = ("cloudformation", "ec2", "iam", "kms", "lambda", "service-quotas", "ssm", "cloudwatch")
_NOT_READ = Unknown("it was not read")

Calls = Mapping[tuple[str, Hashable], Callable[[], Any]]
"""By kind of read, and what is read."""


@dataclass(frozen=True, slots=True)
class QueueSurvey:
    """What was read of one queue's deployment."""

    stack: Stack | Unknown | None
    answers: Answers | Unknown
    seen: Snapshot | None = None
    """None where the answers are unknown."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read of the account."""

    control: Stack | Unknown | None
    alarms: Sequence[Mapping[str, Any]] | Unknown
    """As CloudWatch shows them."""
    parameters: Mapping[str, Stored] | Unknown
    """The stored parameters below the stack's path, by whole name."""
    seen: Snapshot
    """What does not depend on a queue."""
    queues: Mapping[str, QueueSurvey] = field(default_factory=dict)


def survey(connection: Connection, view: StackView, releases: str) -> Survey:
    """Read the account; `releases` is the address of the agent's releases."""
    account = connection.account
    for service in _SERVICES:
        account.client(service)  # boto3 must not make a session's clients in several threads.
    queues = [each for each in view.queues if each.record.active]
    first = within(_first_round(connection, queues), STACKS)
    control = first["control", ""]
    stacks = {each.queue: first.get(("stack", each.queue), NOT_PUBLISHED) for each in queues}
    answers = {
        each.queue: _answers(control, each, stacks[each.queue], view.stack) for each in queues
    }
    known = [each for each in answers.values() if isinstance(each, Answers)]
    read = within(_second_round(account, known, control, releases), READS)
    seen = replace(
        _unread(account, view.now),
        concurrency=first["concurrency", ""],
        token=read.get(("token", ""), _NOT_READ),
    )
    return Survey(
        control=control,
        alarms=first["alarms", ""],
        parameters=first["parameters", ""],
        seen=seen,
        queues={
            queue: QueueSurvey(
                stacks[queue],
                given,
                _seen(seen, given, read) if isinstance(given, Answers) else None,
            )
            for queue, given in answers.items()
        },
    )


def _first_round(connection: Connection, queues: Sequence[QueueView]) -> Calls:
    account = connection.account
    asked = partial(_asked, connection.stack)
    calls: dict[tuple[str, Hashable], Callable[[], Any]] = {
        ("control", ""): partial(described, account, connection.stack),
        ("alarms", ""): partial(asked, connection.alarms),
        ("parameters", ""): partial(asked, connection.parameters.all),
        ("concurrency", ""): partial(gather_account.concurrency, account),
    }
    for each in queues:
        if name := _stack_of(each, connection.stack):
            calls["stack", each.queue] = partial(described, account, name)
    return calls


def _second_round(
    account: Account,
    queues: Sequence[Answers],
    control: Stack | Unknown | None,
    releases: str,
) -> Calls:
    calls: dict[tuple[str, Hashable], Callable[[], Any]] = {}
    if isinstance(control, Stack) and (name := control.parameters.get("TokenParameter")):
        calls["token", ""] = partial(gather_account.token_shown, account, name)
    for each in queues:
        calls |= {
            ("network", _network(each)): partial(_read_network, account, each),
            ("quotas", _bought(each)): partial(gather_ec2.quotas, account, each),
            ("roles", checks_instances.roles(each)): partial(
                gather_account.roles, account, checks_instances.roles(each)
            ),
            ("image", _image(each)): partial(_read_image, account, each),
            ("archive", each.archive()[0]): partial(gather_buildkite.archive, each.archive()[0]),
            ("release", _version(each)): partial(line_of, releases, _version(each)),
        }
    return calls


def _seen(shared: Snapshot, answers: Answers, read: Mapping[tuple[str, Hashable], Any]) -> Snapshot:
    """What was read of one queue."""
    subnets, types = _pair(read["network", _network(answers)])
    image, keys = _pair(read["image", _image(answers)])
    roles, quotas = (
        read["roles", checks_instances.roles(answers)],
        read["quotas", _bought(answers)],
    )
    wanted = checks_keys.keys(answers, image)
    return replace(
        shared,
        subnets=subnets,
        types=types,
        quotas={} if isinstance(quotas, Unknown) else quotas,
        roles=dict.fromkeys(checks_instances.roles(answers), roles)
        if isinstance(roles, Unknown)
        else roles,
        image=image,
        volume_keys=dict.fromkeys(wanted, keys) if isinstance(keys, Unknown) else keys,
        archive=read["archive", answers.archive()[0]],
        agent_line=read["release", _version(answers)],
    )


def _answers(
    control: Stack | Unknown | None, queue: QueueView, stack: Stack | Unknown | None, name: str
) -> Answers | Unknown:
    if not isinstance(control, Stack):
        return control or Unknown(f"CloudFormation has no stack {name}")
    if not isinstance(stack, Stack):
        return stack or Unknown("CloudFormation has no such stack")
    if queue.config is None:
        return Unknown("the queue has never had a good configuration")
    return answers_of(control, queue.queue, stack, queue.config, name)


def _stack_of(queue: QueueView, stack: str) -> str:
    """ARN of the queue's stack; empty where the stack does not publish its own name."""
    try:
        return Infra.parse(queue.queue, stack, queue.record.infra).stack
    except Misconfigured:
        return ""


def _asked(stack: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        return Unknown(why_not_asked(error, stack))


def _read_network(account: Account, answers: Answers) -> tuple[Any, Any]:
    """Subnets, and the instance types in their zones."""
    subnets = gather_ec2.subnets(account, answers.subnets)
    if isinstance(subnets, Unknown):
        return subnets, subnets
    zones = sorted({each.zone for each in subnets.values()})
    return subnets, gather_ec2.types(account, answers.config.instance_types, zones)


def _read_image(account: Account, answers: Answers) -> tuple[Any, Any]:
    """The image, and the keys of root volumes and of the image."""
    image = gather_ec2.image(account, answers)
    return image, gather_keys.volume_keys(account, checks_keys.keys(answers, image))


def _pair(read: Any) -> tuple[Any, Any]:
    return (read, read) if isinstance(read, Unknown) else read


def _network(answers: Answers) -> Hashable:
    return answers.subnets, answers.config.instance_types


def _bought(answers: Answers) -> Hashable:
    return answers.config.purchase, answers.config.instance_types


def _image(answers: Answers) -> Hashable:
    return answers.own_image, answers.queue_stack["RootVolumeKey"]


def _version(answers: Answers) -> str:
    return answers.queue_stack["AgentVersion"]


def _unread(account: Account, now: datetime) -> Snapshot:
    """A snapshot in which nothing has been read."""
    names = [each.name for each in fields(Snapshot)]
    given = {"caller": account.caller, "account": account.id, "region": account.region, "now": now}
    return Snapshot(**{name: given.get(name, _NOT_READ) for name in names})  # type: ignore[arg-type]
