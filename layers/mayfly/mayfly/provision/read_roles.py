"""Reads the roles of queues from IAM, side by side, and only where no verdict is in force."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured, NotFound
from mayfly.iam.place import Place
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.verdicts import LONGEST_UNREAD, is_in_force, judged, subject
from mayfly.records.about import fields
from mayfly.records.model import QueueRecord, RolesVerdict
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

log = logging.getLogger("mayfly")

ROLES_AT_ONCE = 4
"""Queues whose roles are read side by side: IAM takes few calls a second."""
ROLES_SECONDS = 6.0
"""Longest wait of a tick for IAM; queues without an answer follow in a later tick."""


def verdicts(
    ports: ProvisionPorts,
    pairs: Iterable[tuple[QueueRecord | None, QueueRecord]],
    outcome: Outcome,
    now: datetime,
) -> dict[str, RolesVerdict | None]:
    """By queue: the verdict on its roles, the last one while IAM does not answer.

    `pairs` are each queue's stored record and the one that replaces it.
    """
    known: dict[str, RolesVerdict | None] = {}
    calls: dict[str, Callable[[], RolesVerdict]] = {}
    for old, new in pairs:
        known[new.queue] = old.roles if old is not None else None
        try:
            infra = Infra.parse(new.queue, ports.stack, new.infra)
        except Misconfigured:  # The record's problems say so already.
            continue
        calls[new.queue] = partial(_verdict, ports, infra, known[new.queue], now)
    for queue, answer in side_by_side(calls, at_once=ROLES_AT_ONCE, seconds=ROLES_SECONDS).items():
        last = known[queue]
        if isinstance(answer, RolesVerdict):
            known[queue] = answer
        elif last is not None and now - last.at <= LONGEST_UNREAD:
            about = fields(queues=[queue])
            log.warning(
                "roles of queue %s: the last verdict counts: %s", queue, answer, extra=about
            )
        else:
            outcome.failed(f"roles of queue {queue}", answer, fields(queues=[queue]))
    return known


def _verdict(
    ports: ProvisionPorts, infra: Infra, last: RolesVerdict | None, now: datetime
) -> RolesVerdict:
    """The verdict in force, or a new one. A role that cannot be read for good is refused."""
    about = ""
    try:
        about = attached_subject(ports, infra)
        if last is not None and is_in_force(last, about, now):
            return last
        bootstrap = ports.roles.role(infra.bootstrap_role)
        sandbox = ports.roles.role(infra.sandbox_role)
    except NotFound as error:
        return RolesVerdict(now, about, f"a role of the queue does not exist: {error}")
    except Misconfigured as error:
        return RolesVerdict(now, about, f"a role of the queue cannot be read: {error}")
    about = subject(infra, bootstrap.attached, sandbox.attached, ports.token_parameter)
    return RolesVerdict(now, about, judged(infra, bootstrap, sandbox, _place(ports, infra)))


def attached_subject(ports: ProvisionPorts, infra: Infra) -> str:
    """The subject of a verdict, by what is attached to the roles now."""
    attached = [ports.roles.policies(role) for role in (infra.bootstrap_role, infra.sandbox_role)]
    return subject(infra, attached[0], attached[1], ports.token_parameter)


def _place(ports: ProvisionPorts, infra: Infra) -> Place:
    return Place(
        role=infra.sandbox_role,
        role_id=infra.sandbox_role_id,
        region=ports.region,
        stack=ports.stack,
        queue=infra.queue,
        token_parameter=ports.token_parameter,
        script_prefix=infra.script_prefix,
        secrets_path=infra.secrets_path,
    )
