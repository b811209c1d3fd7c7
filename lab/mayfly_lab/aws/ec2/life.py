"""The life of an instance: its states one after another, its power, and its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mayfly_lab.aws.ec2.instance import BY_EC2, Bus, Instance
from mayfly_lab.aws.ec2.moments import Aspect, Moments
from mayfly_lab.aws.ec2.profiles import Profiles
from mayfly_lab.aws.ec2.states import GONE, TRANSITIONS, State
from mayfly_lab.aws.world import World
from mayfly_lab.contracts import Boot, MachineRoom


class IllegalTransitionError(RuntimeError):
    """The lab tried a transition between instance states that EC2 does not have."""


@dataclass(slots=True)
class Life:
    """Moves instances from state to state, each after its stated delay.

    The public methods are called with the lock held.
    """

    world: World
    bus: Bus
    moments: Moments
    profiles: Profiles
    room: MachineRoom = field(init=False)
    """Runs the machines. Set after construction, because the room needs a view of the instances."""

    def begin(self, instance: Instance) -> None:
        """Announce a launched instance, and let it run after the stated delay."""
        self._show(instance)
        self._announce(instance)
        self.world.timers.after(self.world.delays.pending, partial(self._run, instance))

    def begin_again(self, instance: Instance) -> None:
        """Start a stopped instance, and let it run after the stated delay."""
        instance.moto.start()
        self._move(instance, State.PENDING)
        self.world.timers.after(self.world.delays.pending, partial(self._run, instance))

    def boot_again(self, instance: Instance) -> None:
        """Reboot a running instance."""
        self.world.timers.after(0, partial(self._reboot, instance))

    def shut_down(self, instance: Instance, reason: str) -> None:
        """Terminate an instance in any state; no effect on an instance that has ended."""
        if instance.state in GONE:
            return
        instance.reason = reason
        self._move(instance, State.SHUTTING_DOWN)
        due = self.world.clock() + self.world.delays.shutting_down
        self.world.timers.after(0, partial(self._finish, instance, due, self._end))

    def halt(self, instance: Instance, reason: str) -> None:
        """Stop a running instance."""
        instance.reason = reason
        self._move(instance, State.STOPPING)
        if self.world.faults.take("stopping-hangs", instance.instance_type):
            return
        due = self.world.clock() + self.world.delays.stopping
        self.world.timers.after(0, partial(self._finish, instance, due, self._stopped))

    def _run(self, instance: Instance) -> None:
        with self.world.lock:
            if instance.state is not State.PENDING:
                return
            if self.world.faults.take("pending-hangs", instance.instance_type):
                return
            if self.world.faults.take("stillborn", instance.instance_type):
                instance.reason = BY_EC2
                self._end(instance)
                return
            instance.reason = ""
            self._move(instance, State.RUNNING)
            boot = self._next_boot(instance)
        self._switch_on(instance, boot)

    def _reboot(self, instance: Instance) -> None:
        self._switch_off(instance)
        with self.world.lock:
            if instance.state is not State.RUNNING:
                return
            boot = self._next_boot(instance)
        self._switch_on(instance, boot)

    def _finish(self, instance: Instance, due: float, end: Callable[[Instance], None]) -> None:
        """Shut the machine down, and call `end` when the stated delay is over too."""
        self._switch_off(instance)
        self.world.timers.after(
            max(0.0, due - self.world.clock()), partial(self._conclude, instance, end)
        )

    def _conclude(self, instance: Instance, end: Callable[[Instance], None]) -> None:
        with self.world.lock:
            end(instance)
        if instance.state is State.TERMINATED:
            self.room.discard(instance.instance_id)

    def _stopped(self, instance: Instance) -> None:
        if instance.state is State.STOPPING:  # a call may have terminated the instance meanwhile
            instance.moto.stop()
            self._move(instance, State.STOPPED)

    def _end(self, instance: Instance) -> None:
        instance.moto.terminate()
        self.profiles.drop(instance.instance_id)
        instance.moto.iam_instance_profile = None
        instance.terminated_at = self.world.clock()
        self._move(instance, State.TERMINATED)

    def _next_boot(self, instance: Instance) -> Boot:
        moto = instance.moto
        instance.boots += 1
        return Boot(
            instance_id=instance.instance_id,
            number=instance.boots,
            user_data=instance.user_data,
            image_id=moto.image_id,
            instance_type=moto.instance_type,
            architecture=moto.architecture,
            availability_zone=moto.placement.zone,
            region=self.world.config.region,
            private_ip=moto.private_ip or "",
            tags={tag["key"]: tag["value"] for tag in moto.get_tags()},
        )

    def _switch_on(self, instance: Instance, boot: Boot) -> None:
        with instance.power:
            # A call may have ended the instance since its change of state.
            if instance.state is State.RUNNING and instance.boots == boot.number:
                instance.powered = True
                self.room.boot(boot)

    def _switch_off(self, instance: Instance) -> None:
        with instance.power:
            if instance.powered:
                self.room.shut_down(instance.instance_id)
                instance.powered = False

    def _move(self, instance: Instance, state: State) -> None:
        if state not in TRANSITIONS[instance.state]:
            raise IllegalTransitionError(f"{instance.instance_id}: {instance.state} -> {state}")
        instance.state = state
        self._show(instance)
        self._announce(instance)

    def _show(self, instance: Instance) -> None:
        """Copy state and reason into moto's object."""
        shown = instance.moto.instance_state
        shown.name, shown.code = str(instance.state), instance.state.code
        instance.moto.state_reason.code = instance.reason
        instance.moto.state_reason.message = instance.reason

    def _announce(self, instance: Instance) -> None:
        state, instance_id = str(instance.state), instance.instance_id
        self.moments.note(instance_id, Aspect.STATE, state)
        self.world.journal.happened(
            "ec2", "StateChange", InstanceId=instance_id, state=state, reason=instance.reason
        )
        self.bus.emit(
            "aws.ec2",
            "EC2 Instance State-change Notification",
            {"instance-id": instance_id, "state": state},
        )
