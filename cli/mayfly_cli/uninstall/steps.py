"""The steps of an uninstallation. Each step reads the state first, so it can be repeated."""

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
from mayfly_cli.account import Account, action_of, is_refusal
from mayfly_cli.buildkite import agent_api
from mayfly_cli.ends import BrokenError
from mayfly_cli.uninstall.inventory import Inventory, Scope
from mayfly_cli.uninstall.inventory_reader import InventoryReader

POLL_SECONDS = 2.0
"""Time between two polls."""
QUIET_POLLS = 3
"""Consecutive polls that must find nothing: by then the effects of a running tick are visible."""
PAUSE_MINUTES = 3
TERMINATE_MINUTES = 15
DELETE_MINUTES = 60
ON_INSTANCES = claim_states(lambda claim: claim.bound or claim.agent is Agent.RUNS)
"""States of claims whose job has an instance."""
_NAMES_PER_CALL = 10


def tell(line: str) -> None:
    """Print one line of progress at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Steps:
    """The calls that change the account. Every step raises BrokenError if AWS refuses a call."""

    account: Account
    scope: Scope
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def pause(self, inventory: Inventory) -> None:
        """Set `paused` of each queue; wait at most PAUSE_MINUTES for the control plane."""
        for queue in inventory.queues:
            name = f"/mayfly/{self.scope.stack}/queues/{queue}/paused"
            self._change(
                "ssm", "put_parameter", Name=name, Value="true", Type="String", Overwrite=True
            )
            tell(f"paused queue {queue}")
        fleet = self._fleet(inventory)
        if fleet is None or not inventory.control:
            return
        end = self.clock() + 60 * PAUSE_MINUTES
        while waiting := [queue for queue in inventory.queues if not _paused(fleet, queue)]:
            if self.clock() > end:
                tell(f"the control plane has not paused {', '.join(waiting)}: going on")
                return
            self.sleep(POLL_SECONDS)

    def wait_for_jobs(self, inventory: Inventory) -> None:
        """Wait until no job runs.

        Raises:
            BrokenError: the records cannot be read.
        """
        fleet = self._fleet(inventory)
        if fleet is None:
            return
        quiet, told = 0, -1
        while quiet < QUIET_POLLS:
            try:
                jobs = [
                    job for queue in inventory.queues for job in fleet.claims(queue, ON_INSTANCES)
                ]
            except MayflyError as error:
                raise BrokenError(
                    f"cannot see which jobs run: {error}; --now does not wait for jobs"
                ) from error
            quiet = 0 if jobs else quiet + 1
            if jobs and len(jobs) != told:
                told = len(jobs)
                tell(f"waiting for {told} running job{'s' * (told != 1)} (--now does not wait)")
            self.sleep(POLL_SECONDS)

    def forget_queues(self, inventory: Inventory) -> None:
        """Delete the queues' published parameters, so the control plane launches nothing more."""
        names = [name for name in inventory.published if "/queues/" in name]
        self.delete_parameters(names)

    def terminate(self) -> None:
        """Terminate all instances with the tag, until several polls in a row find none.

        Raises:
            BrokenError: instances are left after TERMINATE_MINUTES.
        """
        reader, quiet = InventoryReader(self.account), 0
        end = self.clock() + 60 * TERMINATE_MINUTES
        while quiet < QUIET_POLLS:
            alive = reader.instances(self.scope)
            quiet = 0 if alive else quiet + 1
            ids = [each.id for each in alive if each.state != "shutting-down"]
            if ids:
                tell(f"terminating {', '.join(ids)}")
                absent = ("InvalidInstanceID.NotFound",)
                self._change("ec2", "terminate_instances", absent, InstanceIds=ids)
            if self.clock() > end:
                raise BrokenError(
                    f"not terminated: {', '.join(each.id for each in alive)}; check these"
                    " instances in EC2, then run this again"
                )
            self.sleep(POLL_SECONDS)

    def delete_stack(self, name: str) -> None:
        """Delete a CloudFormation stack and wait for its end; nothing if it does not exist.

        Raises:
            BrokenError: the deletion failed, or takes longer than DELETE_MINUTES.
        """
        reader = InventoryReader(self.account)
        status, _ = reader.stack_status(name)
        if not status:
            return
        tell(f"deleting the CloudFormation stack {name}")
        self._change("cloudformation", "delete_stack", StackName=name)
        end = self.clock() + 60 * DELETE_MINUTES
        while status:
            status, reason = reader.stack_status(name)
            if status == "DELETE_FAILED":
                raise BrokenError(
                    f"CloudFormation could not delete {name}: {reason}; repair that, "
                    "then run this again"
                )
            if self.clock() > end:
                raise BrokenError(f"{name} is still {status}; run this again when {name} is gone")
            if status:
                self.sleep(POLL_SECONDS)

    def deregister(self, token: str, endpoint: str) -> str:
        """Deregister the stack's key at Buildkite. Returns the outcome as a line.

        Call this after the control plane is deleted, because `dispatch` would register again.
        """
        key = stack_key(self.account.id, self.account.region, self.scope.stack)
        if not token:
            return f"not deregistered at Buildkite: {key} (cannot read the agent token)"
        try:
            answer = agent_api(endpoint, token).call("POST", f"/stacks/{key}/deregister")
        except BrokenError as error:
            return f"not deregistered at Buildkite: {key} ({error})"
        if answer.status == 404:
            return f"not registered at Buildkite any more: {key}"
        if not answer.ok:
            return f"not deregistered at Buildkite: {key} ({answer.message})"
        return f"deregistered at Buildkite: {key}"

    def delete_leftovers(self, inventory: Inventory) -> None:
        """Delete resources that no CloudFormation stack owns, or that a deleted stack retained."""
        self.delete_parameters([*inventory.operators, *inventory.published])
        for name in inventory.tables:
            self._change("dynamodb", "delete_table", ("ResourceNotFoundException",), TableName=name)
        for name, version in inventory.layers:
            self._change("lambda", "delete_layer_version", LayerName=name, VersionNumber=version)
        for volume in inventory.volumes:
            self._change("ec2", "delete_volume", ("InvalidVolume.NotFound",), VolumeId=volume)
        # Log groups last: a function that was just deleted may still write log lines.
        for group in inventory.log_groups:
            absent = ("ResourceNotFoundException",)
            self._change("logs", "delete_log_group", absent, logGroupName=group)

    def delete_parameters(self, names: Sequence[str]) -> None:
        """Delete SSM parameters; unknown names are ignored."""
        for some in batched(names, _NAMES_PER_CALL):
            self._change("ssm", "delete_parameters", Names=some)
        if names:
            tell(f"deleted {len(names)} parameter{'s' * (len(names) != 1)}")

    def _fleet(self, inventory: Inventory) -> DynamoFleet | None:
        stack = self.scope.stack
        tables = (
            InventoryReader(self.account).read(Scope(stack)).tables
            if self.scope.queue
            else inventory.tables
        )
        if f"{stack}-fleet" not in tables:
            return None
        client = self.account.client("dynamodb")
        return DynamoFleet(client, Tables(f"{stack}-fleet", f"{stack}-mailbox"))

    def _change(
        self, service: str, operation: str, absent: Sequence[str] = (), **given: Any
    ) -> None:
        """Make one changing call; an error code of `absent` counts as done."""
        client = self.account.client(service)
        try:
            getattr(client, operation)(**given)
        except ClientError as error:
            if code_of(error) in absent:
                return
            action = action_of(client, error.operation_name)
            if is_refusal(error):
                raise BrokenError(f"the caller may not {action}; then run this again") from error
            raise BrokenError(f"{action} answered {error}; then run this again") from error
        except BotoCoreError as error:
            raise BrokenError(f"{service}: {error}; then run this again") from error


def _paused(fleet: DynamoFleet, queue: str) -> bool:
    record = fleet.queue(queue)
    if record is None or not record.active or not record.config:
        return True
    return QueueConfig.from_json(record.config).paused
