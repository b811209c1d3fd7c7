"""The stand-in for systemctl."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from mayfly_lab.machines.inside import power, scopes
from mayfly_lab.machines.inside.calls import Answer, Call, Machine

_NOTHING_TO_DO = ("daemon-reload", "list-units")


def systemctl(machine: Machine, call: Call) -> Answer:
    """Run systemctl's verb for each unit. Returns the highest exit status and all output."""
    arguments = call.argv[1:]
    options = [word for word in arguments if word.startswith("-")]
    verb, *names = [word for word in arguments if not word.startswith("-")] or ["list-units"]
    if verb in power.VERBS:
        return power.switch(machine, [verb, *options])
    if verb in _NOTHING_TO_DO:
        return Answer()
    if verb == "is-system-running":
        return _is_system_running(machine, options)
    if verb not in _VERBS:
        return Answer(1, err=f"Unknown command verb {verb}.")
    if verb == "start" and call.waited:
        answers = [_started(machine, _full(name)) for name in names]
    else:
        answers = [_VERBS[verb](machine, _full(name), options) for name in names]
    if "--now" in options and verb in _NOW:
        answers += [_NOW[verb](machine, _full(name), options) for name in names]
    return Answer(
        again=any(each.again for each in answers),
        exit=max((each.exit for each in answers), default=0),
        out="".join(f"{each.out}\n" for each in answers if each.out),
        err="\n".join(each.err for each in answers if each.err),
    )


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _members(machine: Machine, name: str) -> Callable[[], list[int]]:
    scopes_of_machine = machine.scopes
    if name.endswith(".scope"):
        return lambda: scopes_of_machine.members(name)

    def of_service() -> list[int]:
        # A process that a service has started in a scope belongs to that scope alone.
        scoped = {
            pid for each in scopes_of_machine.running() for pid in scopes_of_machine.members(each)
        }
        return [pid for pid in machine.units.members(name) if pid not in scoped]

    return of_service


def _mask(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    known = name in machine.units
    try:
        machine.units.mask(name)
    except FileExistsError as error:
        return Answer(1, err=f"Failed to mask unit: {error}")
    return Answer(err="" if known else f"Unit {name} does not exist, proceeding anyway.")


def _unmask(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    machine.units.unmask(name)
    return Answer()


def _start(machine: Machine, name: str, options: Sequence[str]) -> Answer:
    units = machine.units
    if units.masked(name):
        return Answer(1, err=f"Failed to start {name}: Unit {name} is masked.")
    if name not in units:
        return Answer(5, err=f"Failed to start {name}: Unit {name} not found.")
    if not units.members(name):
        units.queue(name)
    return Answer() if "--no-block" in options else _started(machine, name)


def _started(machine: Machine, name: str) -> Answer:
    """The answer to a start that was queued: to wait, or how the start ended."""
    if machine.units.starts(name):
        return Answer(again=True)
    failed = machine.units.failed(name)
    return Answer(1, err=f"Job for {name} failed.") if failed else Answer()


def _stop(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    if name.endswith(".slice"):
        # Slices exist and are empty: no user logs in to a machine of the lab.
        return Answer()
    if name.endswith(".scope"):
        members = _members(machine, name)
        if not members():
            return Answer(5, err=f"Failed to stop {name}: Unit {name} not loaded.")
        scopes.end(members)
        return Answer()
    try:
        machine.units.stop(name)
    except FileNotFoundError:
        return Answer(5, err=f"Failed to stop {name}: Unit {name} not loaded.")
    return Answer()


def _kill(machine: Machine, name: str, options: Sequence[str]) -> Answer:
    members = _members(machine, name)
    if not members() and not machine.units.ran(name):
        return Answer(1, err=f"Failed to kill unit {name}: Unit {name} not loaded.")
    wanted = [word.partition("=")[2] for word in options if word.startswith("--signal=")]
    word = (wanted or ["SIGTERM"])[0]
    number = int(word) if word.isdigit() else getattr(signal, f"SIG{word.replace('SIG', '', 1)}")
    scopes.kill(members, number)
    return Answer()


def _enable(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    try:
        machine.units.enable(name)
    except FileNotFoundError:
        return Answer(1, err=f"Failed to enable unit: Unit file {name} does not exist.")
    return Answer()


def _disable(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    if name not in machine.units:
        return Answer(1, err=f"Failed to disable unit: Unit file {name} does not exist.")
    machine.units.disable(name)
    return Answer()


def _is_active(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    if machine.units.starting(name):
        return Answer(3, "activating")
    if _members(machine, name)():
        return Answer(0, "active")
    return Answer(3, "failed" if machine.units.failed(name) else "inactive")


def _is_system_running(machine: Machine, options: Sequence[str]) -> Answer:
    if machine.units.any_starts():
        return Answer(1, "starting", again="--wait" in options)
    return Answer(1, "degraded") if machine.units.any_failed() else Answer(0, "running")


def _is_enabled(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    if machine.units.masked(name):
        return Answer(1, "masked")
    enabled = name in machine.units.enabled()
    return Answer(0, "enabled") if enabled else Answer(1, "disabled")


def _show(machine: Machine, name: str, options: Sequence[str]) -> Answer:
    """Show TasksMax of a scope, the only property that the lab knows to show."""
    running = machine.scopes.running()
    if "--property=TasksMax" not in options or name not in running:
        return Answer(1, err=f"the lab cannot show {' '.join(options)} of {name}")
    return Answer(out=f"TasksMax={running[name].most_tasks}")


def _reset_failed(machine: Machine, name: str, _: Sequence[str]) -> Answer:
    if not machine.units.ran(name):
        return Answer(
            1, err=f"Failed to reset failed state of unit {name}: Unit {name} not loaded."
        )
    machine.units.forget_failure(name)
    return Answer()


_VERBS = {
    "mask": _mask, "unmask": _unmask, "start": _start, "stop": _stop, "kill": _kill,
    "enable": _enable, "disable": _disable, "is-active": _is_active, "is-enabled": _is_enabled,
    "reset-failed": _reset_failed, "show": _show,
}  # fmt: skip
_NOW = {"mask": _stop, "disable": _stop, "enable": _start}
