"""What follows when EC2 refuses to stop or to start an instance. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.errors import Conflict, Failure, Misconfigured, NoCapacity, NotFound, Transient
from mayfly.provision.actions import StartInstance, StopInstance
from mayfly.records.brakes import failed_boot
from mayfly.records.changes import Change, Save
from mayfly.records.model import move_instance
from mayfly.records.states import InstanceState

PAUSE = timedelta(minutes=5)
"""How long a stopped instance that EC2 did not start is not started again; jobs get launches."""


def after_refusal(
    action: StopInstance | StartInstance, refusal: Failure, now: datetime
) -> tuple[Change, ...]:
    """Changes of the instance's record; none where the next tick may decide better.

    Without capacity the instance stays stopped for a while. What EC2 never stops or starts, and
    what it does not know, is condemned.
    """
    instance = action.instance
    verb = "stop" if isinstance(action, StopInstance) else "start"
    match refusal:
        case Transient() | Conflict():
            # A later tick looks at EC2's state, and the state's deadline ends what never comes.
            return ()
        case NoCapacity() if isinstance(action, StartInstance):
            reason = f"EC2 could not start the instance: {refusal}"
            stopped = move_instance(instance, InstanceState.STOPPED, now, reason)
            return (Save(replace(stopped, start_after=now + PAUSE)),)
        case NoCapacity() | NotFound() | Misconfigured():
            reason = f"EC2 refused to {verb} the instance: {refusal}"
            condemned = move_instance(instance, InstanceState.CONDEMNED, now, reason)
            return (Save(condemned), *failed_boot(instance, condemned))
