"""The instances of the account: operations on them, and the facts that their IMDS serves."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from mayfly_lab.aws.ec2.instance import BY_ITSELF, BY_SPOT, BY_USER, Instance
from mayfly_lab.aws.ec2.life import Life
from mayfly_lab.aws.ec2.moments import Aspect, Moments
from mayfly_lab.aws.ec2.profile import Profile
from mayfly_lab.aws.ec2.profiles import Profiles
from mayfly_lab.aws.ec2.states import State
from mayfly_lab.aws.front.call import Refusal
from mayfly_lab.contracts import Keys, ServedProfile

# A stopped instance reserves nothing, and its disk binds it to its zone.
_FULL = ("no-capacity-at-start", "no-capacity")
"""Faults that keep EC2 from starting an instance."""
Before = list[tuple[Instance, State]]
"""Instances, each with its state before an operation."""


@dataclass(slots=True)
class Ec2:
    """All instances. Implements `contracts.InstanceView` for their metadata services."""

    life: Life
    instances: dict[str, Instance] = field(default_factory=dict)

    @property
    def lock(self) -> threading.RLock:
        """The lock to hold while an instance changes."""
        return self.life.world.lock

    @property
    def moments(self) -> Moments:
        """Changes of every instance, for timelines."""
        return self.life.moments

    @property
    def profiles(self) -> Profiles:
        """The associations of instance profiles."""
        return self.life.profiles

    def get(self, instance_id: str) -> Instance:
        """The instance with this id.

        Raises:
            Refusal: the id is unknown.
        """
        found = self.instances.get(instance_id)
        if found is None:
            raise Refusal(
                "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"
            )
        return found

    def visible(self) -> list[Instance]:
        """Instances that Describe calls show: newest and long terminated ones are omitted."""
        now = self.life.world.clock()
        shown = self.life.world.delays.terminated_shown
        return [
            each
            for each in list(self.instances.values())
            if each.visible_at <= now
            and (each.terminated_at is None or now < each.terminated_at + shown)
        ]

    def begin(self, instance: Instance, profile: Profile | None) -> None:
        """Register a launched instance, and start its life."""
        with self.lock:
            self.instances[instance.instance_id] = instance
            if profile is not None:
                self.profiles.attach(instance.instance_id, profile)
            self.life.begin(instance)
            faults, known = self.life.world.faults, (instance.instance_id, instance.instance_type)
            if skew := faults.take("clock-skew", *known):
                instance.skew = skew.seconds
            if instance.spot and (notice := faults.take("spot-notice", *known)):
                seconds = self.life.world.delays.pending + notice.seconds
                self.life.world.timers.after(seconds, partial(self._interrupt_if_running, instance))

    def clock_skew(self, instance_id: str) -> float:
        """Seconds by which the instance's clock is fast; 0 for unknown ids."""
        found = self.instances.get(instance_id)
        return found.skew if found is not None else 0.0

    def terminate(self, instance_ids: Iterable[str]) -> Before:
        """Terminate instances. Returns the instances with their states before.

        Raises:
            Refusal: an id is unknown; then no instance is terminated.
        """
        with self.lock:
            before = self._with_states(instance_ids)
            for instance, _ in before:
                self.life.shut_down(instance, BY_USER)
        return before

    def stop(self, instance_ids: Iterable[str]) -> Before:
        """Stop instances. Returns the instances with their states before.

        Raises:
            Refusal: an id is unknown or an instance cannot be stopped; then none is stopped.
        """
        with self.lock:
            before = self._with_states(instance_ids)
            for instance, state in before:
                _require(instance, state, {State.RUNNING, State.STOPPING, State.STOPPED}, "stopped")
                if instance.spot:
                    raise Refusal(
                        "UnsupportedOperation",
                        f"You can't stop the Spot Instance '{instance.instance_id}' because it is"
                        " associated with a one-time Spot Instance request.",
                    )
            for instance, state in before:
                if state is State.RUNNING:
                    self.life.halt(instance, BY_USER)
        return before

    def start(self, instance_ids: Iterable[str]) -> Before:
        """Start stopped instances. Returns the instances with their states before.

        Raises:
            Refusal: an id is unknown or an instance cannot be started; then none is started.
        """
        with self.lock:
            before = self._with_states(instance_ids)
            for instance, state in before:
                _require(instance, state, {State.STOPPED, State.PENDING, State.RUNNING}, "started")
                place = instance.moto.subnet_id, instance.moto.placement.zone
                # `spot=False`: spot instances here are one-time requests, which cannot be started.
                pools = pools_of(instance.instance_type, *place, spot=False)
                if any(self.life.world.faults.take(each, *pools) for each in _FULL):
                    raise Refusal("InsufficientInstanceCapacity", "Insufficient capacity.", 500)
            for instance, state in before:
                if state is State.STOPPED:
                    self.life.begin_again(instance)
        return before

    def reboot(self, instance_ids: Iterable[str]) -> None:
        """Reboot running instances; their state stays `running`.

        Raises:
            Refusal: an id is unknown or an instance is not running; then none is rebooted.
        """
        with self.lock:
            before = self._with_states(instance_ids)
            for instance, state in before:
                _require(instance, state, {State.RUNNING}, "rebooted")
            for instance, _ in before:
                self.life.boot_again(instance)

    def interrupt(self, instance_id: str, warning: float | None = None) -> None:
        """Interrupt a spot instance: warn now, terminate it `warning` seconds later.

        Raises:
            ValueError: the instance is not a running spot instance.
        """
        seconds = self.life.world.delays.spot_warning if warning is None else warning
        with self.lock:
            instance = self.get(instance_id)
            if not instance.spot or instance.state is not State.RUNNING:
                raise ValueError(f"{instance_id} is not a running spot instance")
            instance.interrupted_at = datetime.fromtimestamp(self.life.world.clock() + seconds, UTC)
            when = instance.interrupted_at.isoformat()
            self.moments.note(instance_id, Aspect.SPOT, when)
            self.life.world.journal.happened("ec2", "SpotWarning", InstanceId=instance_id, at=when)
            self.life.bus.emit(
                "aws.ec2",
                "EC2 Spot Instance Interruption Warning",
                {"instance-id": instance_id, "instance-action": "terminate"},
            )
            self.life.world.timers.after(seconds, partial(self._end_interrupted, instance))

    def profile(self, instance_id: str) -> ServedProfile | None:
        """The profile that IMDS serves now, later than the EC2 API shows it; None means 404."""
        with self.lock:
            running = self.get(instance_id).state is State.RUNNING
            return self.profiles.served(instance_id) if running else None

    def stale_roles(self, instance_id: str) -> Mapping[str, Keys]:
        """Credentials by role name of roles that IMDS still serves by name after a swap."""
        with self.lock:
            running = self.get(instance_id).state is State.RUNNING
            return self.profiles.stale(instance_id) if running else {}

    def spot_action(self, instance_id: str) -> datetime | None:
        """Time of the instance's spot interruption; None without a notice."""
        return self.get(instance_id).interrupted_at

    def powered_off(self, instance_id: str) -> None:
        """Stop or terminate an instance by its shutdown behaviour: its system has shut down."""
        with self.lock:
            instance = self.get(instance_id)
            if instance.state is not State.RUNNING:
                return
            if instance.moto.instance_initiated_shutdown_behavior == "terminate":
                self.life.shut_down(instance, BY_ITSELF)
            else:
                self.life.halt(instance, BY_ITSELF)

    def _interrupt_if_running(self, instance: Instance) -> None:
        with self.lock:
            if instance.state is State.RUNNING:
                self.interrupt(instance.instance_id)

    def _end_interrupted(self, instance: Instance) -> None:
        with self.lock:
            self.life.shut_down(instance, BY_SPOT)

    def _with_states(self, instance_ids: Iterable[str]) -> Before:
        found = [self.get(each) for each in instance_ids]
        return [(each, each.state) for each in found]


def pools_of(instance_type: str, subnet_id: str, zone: str, *, spot: bool) -> tuple[str, ...]:
    """Subjects for capacity faults: the pool by subnet and by zone, with and without its market."""
    places = f"{instance_type}/{subnet_id}", f"{instance_type}/{zone}"
    market = "spot" if spot else "on-demand"
    return *places, *(f"{place}/{market}" for place in places)


def _require(instance: Instance, state: State, allowed: set[State], done: str) -> None:
    if state not in allowed:
        raise Refusal(
            "IncorrectInstanceState",
            f"The instance '{instance.instance_id}' is not in a state from which it can be {done}.",
        )
