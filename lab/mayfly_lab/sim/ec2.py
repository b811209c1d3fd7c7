"""EC2 on the virtual clock: instances that take their time, and are shown late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from mayfly.answers import Launched
from mayfly_fakes import FakeMachines
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.time import Time

SPOT = "Server.SpotInstanceTermination"
HARDWARE = "Server.InternalError"
_PENDING, _ASSOCIATING, _ENDING, _STOPPING = (1.0, 12.0), (0.3, 4.0), (2.0, 25.0), (5.0, 90.0)
_SHOWN_AFTER = 90.0
_KEPT = 3600.0
"""Seconds that a terminated instance is still shown."""
_WARNING = 120.0

Changed: TypeAlias = Callable[[str, str], object]
"""Gets an instance id and EC2's word for the new state, or `warned`."""


class SimMachines(FakeMachines):
    """The fake EC2 whose changes take time. `changed` hears of each."""

    def __init__(
        self, time: Time, chance: Chance, templates: Mapping[str, str], changed: Changed
    ) -> None:
        super().__init__(time.clock, templates)
        self._time = time
        self._chance = chance
        self._changed = changed

    def _launch(self, request: Mapping[str, Any], token: str) -> Launched:
        made = super()._launch(request, token)
        for id_ in made.instance_ids:
            name = f"instance {id_}"
            self._later(_PENDING, f"pending {name}", partial(self._to_running, id_))
            self._later(_ASSOCIATING, f"associating {name}", partial(self._associated_now, id_))
            if self._chance.happens("late-describe", name):
                self.hidden.add(id_)
                shown = self._chance.between(0.0, _SHOWN_AFTER, f"shown {name}")
                self._time.after(shown, partial(self.hidden.discard, id_))
            if self.machines[id_].market == "spot" and self._chance.happens("spot-reclaim", name):
                self._later((5.0, 400.0), f"reclaim {name}", partial(self._reclaim, id_))
            if self._chance.happens("dead-machine", name):
                dies = partial(self.end, id_, HARDWARE)
                self._later((0.0, 300.0), f"dies {name}", dies)
        return made

    def replace_profile(self, association: str, profile: str) -> None:
        """See `mayfly.ports.Machines`."""
        super().replace_profile(association, profile)
        id_ = self._associated[association]
        new = self.machines[id_].association.id
        self._later(_ASSOCIATING, f"associating {new}", partial(self._associated_now, id_))

    def terminate(self, instance_ids: Any) -> Mapping[str, str]:
        """See `mayfly.ports.Machines`."""
        before = {id_ for id_ in instance_ids if self._state(id_) not in {"shutting-down", ""}}
        states = super().terminate(instance_ids)
        for id_ in sorted(before):
            if self._state(id_) == "shutting-down":
                self._changed(id_, "shutting-down")
                self._later(_ENDING, f"ending {id_}", partial(self._ended_now, id_))
        return states

    def end(self, instance_id: str, reason: str) -> None:
        """Terminate an instance at once, as after its own power-off or the loss of its host."""
        if self._state(instance_id) in {"terminated", ""}:
            return
        super().end(instance_id, reason)
        self._changed(instance_id, "terminated")
        self._time.after(_KEPT, partial(self.machines.pop, instance_id, None))

    def _stop(self, machine_id: str) -> None:
        was = self._state(machine_id)
        super()._stop(machine_id)
        if was == "running" and self._state(machine_id) == "stopping":
            self._changed(machine_id, "stopping")
            self._later(
                _STOPPING,
                f"stopping {machine_id} {self._time.seconds}",
                partial(self._stopped_now, machine_id),
            )

    def _start(self, machine_id: str) -> None:
        was = self._state(machine_id)
        super()._start(machine_id)
        if was == "stopped":
            self._later(
                _PENDING,
                f"starting {machine_id} {self._time.seconds}",
                partial(self._to_running, machine_id),
            )

    def state(self, instance_id: str) -> str:
        """EC2's word for an instance's state; empty for one that is not there."""
        return self._state(instance_id)

    def _state(self, instance_id: str) -> str:
        machine = self.machines.get(instance_id)
        return machine.seen.state if machine is not None else ""

    def _later(self, span: tuple[float, float], name: str, call: Callable[[], object]) -> None:
        self._time.after(self._chance.between(*span, name), call)

    def _to_running(self, id_: str) -> None:
        if self._state(id_) == "pending":
            self.machines[id_].seen = replace(self.machines[id_].seen, state="running")
            self._changed(id_, "running")

    def _associated_now(self, id_: str) -> None:
        machine = self.machines.get(id_)
        if machine is not None and machine.association.state == "associating":
            machine.association = replace(machine.association, state="associated")
            machine.replaced = None

    def _ended_now(self, id_: str) -> None:
        if self._state(id_) == "shutting-down":
            self.end(id_, self.machines[id_].seen.reason)

    def _stopped_now(self, id_: str) -> None:
        if self._state(id_) == "stopping":
            self._stopped(self.machines[id_])
            self._changed(id_, "stopped")

    def _reclaim(self, id_: str) -> None:
        if self._state(id_) not in {"pending", "running"}:
            return
        self._changed(id_, "warned")
        self._time.after(_WARNING, partial(self.end, id_, SPOT))
