"""The steps of taking it away. Each begins by looking, so that it can be begun again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly.adapters.buildkite.stacks import stack_key
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.batched import batched
from mayfly.config.queue import QueueConfig
from mayfly.errors import MayflyError
from mayfly.records.states import Agent, claim_states
from mayfly_cli.account import Account, action_of, refused
from mayfly_cli.buildkite import agent_api
from mayfly_cli.ends import BrokenError
from mayfly_cli.uninstall.found import Found, Scope
from mayfly_cli.uninstall.looking import Looker

LOOK_SECONDS = 2.0
"""Between two looks."""
CALM_LOOKS = 3
"""Looks in a row that must show nothing: what a tick had begun shows by then."""
PAUSE_MINUTES = 3
TERMINATE_MINUTES = 15
DELETE_MINUTES = 60
ON_INSTANCES = claim_states(lambda claim: claim.bound or claim.agent is Agent.RUNS)
"""States of claims whose job has an instance."""
_AT_ONCE = 10


def tell(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Steps:
    """What changes the account."""

    account: Account
    scope: Scope
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def pause(self, found: Found) -> None:
        """Stop new work on each queue, as an operator does."""
        for queue in found.queues:
            name = f"/mayfly/{self.scope.stack}/queues/{queue}/paused"
            self._do("ssm", "put_parameter", Name=name, Value="true", Type="String", Overwrite=True)
            tell(f"paused queue {queue}")
        fleet = self._fleet(found)
        if fleet is None or not found.control:
            return
        end = self.clock() + 60 * PAUSE_MINUTES
        while waiting := [queue for queue in found.queues if not _paused(fleet, queue)]:
            if self.clock() > end:
                tell(f"the control plane does not obey the pause of {', '.join(waiting)}: going on")
                return
            self.sleep(LOOK_SECONDS)

    def wait_for_jobs(self, found: Found) -> None:
        """Wait until no job runs."""
        fleet = self._fleet(found)
        if fleet is None:
            return
        calm, told = 0, -1
        while calm < CALM_LOOKS:
            try:
                jobs = [job for queue in found.queues for job in fleet.claims(queue, ON_INSTANCES)]
            except MayflyError as error:
                raise BrokenError(
                    f"cannot see which jobs run: {error}; --now does not ask"
                ) from error
            calm = 0 if jobs else calm + 1
            if jobs and len(jobs) != told:
                told = len(jobs)
                tell(f"waiting for {told} running job{'s' * (told != 1)} (--now does not wait)")
            self.sleep(LOOK_SECONDS)

    def forget_queues(self, found: Found) -> None:
        """Have the control plane forget the queues: from here on it launches nothing for them."""
        names = [name for name in found.published if "/queues/" in name]
        self.delete_parameters(names)

    def terminate(self) -> None:
        """Terminate by tag, until nothing with the tag is left and nothing new comes."""
        looker, calm = Looker(self.account), 0
        end = self.clock() + 60 * TERMINATE_MINUTES
        while calm < CALM_LOOKS:
            alive = looker.instances(self.scope)
            calm = 0 if alive else calm + 1
            ids = [each.id for each in alive if each.state != "shutting-down"]
            if ids:
                tell(f"terminating {', '.join(ids)}")
                absent = ("InvalidInstanceID.NotFound",)
                self._do("ec2", "terminate_instances", absent, InstanceIds=ids)
            if self.clock() > end:
                raise BrokenError(
                    f"still there: {', '.join(each.id for each in alive)}; look at them in EC2, "
                    "then run this again"
                )
            self.sleep(LOOK_SECONDS)

    def delete_stack(self, name: str) -> None:
        """Delete a CloudFormation stack and wait for its end."""
        looker = Looker(self.account)
        status, _ = looker.stack_status(name)
        if not status:
            return
        tell(f"deleting the CloudFormation stack {name}")
        self._do("cloudformation", "delete_stack", StackName=name)
        end = self.clock() + 60 * DELETE_MINUTES
        while status:
            status, reason = looker.stack_status(name)
            if status == "DELETE_FAILED":
                raise BrokenError(
                    f"CloudFormation could not delete {name}: {reason}; mend that, "
                    "then run this again"
                )
            if self.clock() > end:
                raise BrokenError(f"{name} is still {status}; run this again when it is gone")
            if status:
                self.sleep(LOOK_SECONDS)

    def deregister(self, token: str, endpoint: str) -> str:
        """Give the stack's key back to Buildkite; what became of it.

        Only after the control plane is gone, which would register it again.
        """
        key = stack_key(self.account.id, self.account.region, self.scope.stack)
        if not token:
            return f"not deregistered at Buildkite: {key} (its token cannot be read)"
        try:
            answer = agent_api(endpoint, token).call("POST", f"/stacks/{key}/deregister")
        except BrokenError as error:
            return f"not deregistered at Buildkite: {key} ({error})"
        if answer.status == 404:
            return f"not registered at Buildkite any more: {key}"
        if not answer.ok:
            return f"not deregistered at Buildkite: {key} ({answer.message})"
        return f"deregistered at Buildkite: {key}"

    def sweep(self, found: Found) -> None:
        """Delete what no CloudFormation stack owns, or what one has kept."""
        self.delete_parameters([*found.operators, *found.published])
        for name in found.tables:
            self._do("dynamodb", "delete_table", ("ResourceNotFoundException",), TableName=name)
        for name, version in found.layers:
            self._do("lambda", "delete_layer_version", LayerName=name, VersionNumber=version)
        for volume in found.volumes:
            self._do("ec2", "delete_volume", ("InvalidVolume.NotFound",), VolumeId=volume)
        # Last, because a function that was deleted may still write its last lines.
        for group in found.log_groups:
            absent = ("ResourceNotFoundException",)
            self._do("logs", "delete_log_group", absent, logGroupName=group)

    def delete_parameters(self, names: Sequence[str]) -> None:
        """Delete SSM parameters."""
        for some in batched(names, _AT_ONCE):
            self._do("ssm", "delete_parameters", Names=some)
        if names:
            tell(f"deleted {len(names)} parameter{'s' * (len(names) != 1)}")

    def _fleet(self, found: Found) -> DynamoFleet | None:
        stack = self.scope.stack
        tables = (
            Looker(self.account).look(Scope(stack)).tables if self.scope.queue else found.tables
        )
        if f"{stack}-fleet" not in tables:
            return None
        client = self.account.client("dynamodb")
        return DynamoFleet(client, Tables(f"{stack}-fleet", f"{stack}-mailbox"))

    def _do(self, service: str, operation: str, absent: Sequence[str] = (), **given: Any) -> None:
        """Change something; an error code of `absent` says that it is gone already."""
        client = self.account.client(service)
        try:
            getattr(client, operation)(**given)
        except ClientError as error:
            if code_of(error) in absent:
                return
            action = action_of(client, error.operation_name)
            if refused(error):
                raise BrokenError(f"the caller may not {action}; then run this again") from error
            raise BrokenError(f"{action} answered {error}; then run this again") from error
        except BotoCoreError as error:
            raise BrokenError(f"{service}: {error}; then run this again") from error


def _paused(fleet: DynamoFleet, queue: str) -> bool:
    record = fleet.queue(queue)
    if record is None or not record.active or not record.config:
        return True
    return QueueConfig.from_json(record.config).paused
