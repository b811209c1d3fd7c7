"""Init of a machine: starts the image's services, runs user data, manages units, shuts down.

With namespaces, init is pid 1 of its namespace; without, a process that adopts every orphan.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from mayfly_lab.machines.inside import (
    calls,
    commands,
    family,
    image,
    launch,
    loop,
    network,
    shutdown,
    uid_rules,
)
from mayfly_lab.machines.inside.layout import CONTROL
from mayfly_lab.machines.inside.nft import SERVICE
from mayfly_lab.machines.inside.notify import HEARS_WHO, Notify
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.inside.scopes import Scopes, kill
from mayfly_lab.machines.inside.units import Service, Units
from mayfly_lab.machines.inside.wire import Wire

_RESTART_AFTER = 0.1
_WAIT_FOR_SERVICES = 2.0
_LOOK_AGAIN = 0.02


class Init:
    """Init of one machine. `run` returns when the power is off."""

    def __init__(self, lab: Wire, plan: Plan) -> None:
        self._lab = lab
        self._plan = plan
        self._loop = loop.Loop()
        self._console = image.open_console(plan)
        self._going: tuple[float, bool] | None = None
        self._off = self._hangs = False
        self._order: shutdown.Order | None = None
        self.namespaces = plan.namespaces
        self.units = Units(plan.root / "etc/systemd/system", self._start)
        self._notify = Notify(plan.root)
        self.scopes = Scopes(self.units.pids)
        self.rules = ""

    def run(self) -> None:
        """Boot, and run until the power is off or the lab has ended."""
        self._listen()
        self._listen_to_services()
        self._loop.watch(self._lab, self._hear_lab)
        self._lab.send({"event": "up"}, [self._console])
        # The boot has begun before this process.
        self._boot(first=not self._plan.again, spent=time.monotonic() - self._plan.on_since)
        while not self._off:
            self._loop.turn()
            with contextlib.suppress(ChildProcessError):
                for pid, status in loop.ended_children():
                    self._child_ended(pid, status)

    # Booting.

    def _boot(self, *, first: bool, spent: float = 0.0) -> None:
        if first:
            self._start_enabled(0.0)
        last = self._start_user_data if first else self._start_enabled
        wait = max(0.0, self._plan.boot_seconds - spent)
        self._loop.after(wait, lambda: last(time.monotonic()))

    def _start_user_data(self, since: float) -> None:
        """Run user data once the image's services are ready, or have had their time."""
        if not self.units.all_ready() and time.monotonic() < since + _WAIT_FOR_SERVICES:
            self._loop.after(_LOOK_AGAIN, lambda: self._start_user_data(since))
            return
        script = image.user_data(self._plan)
        if script is None:
            self._say("cloud-init: user data does not begin with #!, so nothing runs")
        else:
            self.units.run(script)

    def _start_enabled(self, _: float) -> None:
        """Start enabled services. cloud-init runs user data at the first boot only."""
        for name in self.units.enabled():
            self.units.run_by_name(name)

    def _start(self, service: Service) -> int:
        settings = service.settings
        output = image.console_for_programs(self._plan)
        try:
            pid = launch.launch(
                launch.Command(
                    settings.argv,
                    self._notify.environment(self._plan, settings),
                    output,
                    settings.directory,
                    group=self.namespaces,
                )
            )
        finally:
            os.close(output)
        if self.namespaces:
            # The program may have ended already: PermissionError is that of a process that ends.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                service.marks.append(os.open(f"/proc/{pid}/ns/cgroup", os.O_RDONLY))
        if settings.watchdog and HEARS_WHO:
            self._loop.after(settings.watchdog, lambda: self._watch(service, pid))
        return pid

    def _watch(self, service: Service, pid: int) -> None:
        """End a service that has not fed its watchdog for its time."""
        if service.pid != pid:
            return
        left = service.fed + service.settings.watchdog - time.monotonic()
        if left > 0:
            self._loop.after(left, lambda: self._watch(service, pid))
            return
        self._say(f"systemd: {service.name}: Watchdog timeout!")
        service.failed = True
        # As systemd does, so that the signal also reaches a stopped process.
        for number in (signal.SIGABRT, signal.SIGCONT):
            os.kill(pid, number)

    def _child_ended(self, pid: int, status: int) -> None:
        service = self.units.ended(pid, status)
        if service is None:
            return
        if service.failed:
            self._say(f"systemd: {service.name} failed, wait status {status}")
        settings = self.units.settings(service.name)
        wanted = {"always": True, "on-failure": service.failed}.get(settings.restart, False)
        if wanted and not service.stopping:
            self._loop.after(settings.restart_after, lambda: self._restart(service))
        else:
            action = settings.failure_action if service.failed else settings.success_action
            if action in {"poweroff", "poweroff-force"}:
                self.go_off(0.0, forced=action.endswith("force"))
        if self._order is None:
            self.units.run_queue()

    def _restart(self, service: Service) -> None:
        if not service.stopping and self._order is None:
            self.units.run(service)

    def _say(self, line: str) -> None:
        # A full console must not block init.
        with contextlib.suppress(BlockingIOError):
            os.write(self._console, f"{line}\n".encode())

    # Power.

    def go_off(self, seconds: float, *, again: bool = False, forced: bool = False) -> None:
        """Shut down after `seconds`. `again` reboots; `forced` kills processes without SIGTERM."""
        if self._order is not None:
            return
        self._going = (time.monotonic() + seconds, again)
        self._loop.after(seconds, lambda: self._go_off_if_wanted(forced=forced))

    def stay_on(self) -> None:
        """Cancel a shutdown that is not yet due."""
        self._going = None

    def _go_off_if_wanted(self, *, forced: bool) -> None:
        if self._going is None or time.monotonic() < self._going[0]:
            return
        again = self._going[1]
        self._going = None
        self._say("reboot: Restarting system" if again else "reboot: Power down")
        # No timer may start a process during the shutdown.
        self._loop.forget_timers()
        if forced:
            self._finish(0.0, again=again)
        else:
            self._order = shutdown.Order(self._stops())
            self._stop_units(again=again)

    def _start_anew(self) -> None:
        self.units.clear()
        self.scopes.clear()
        self.rules = ""
        if self._plan.firewall:
            flush = ("nft", "flush", "ruleset")
            launch.launch(launch.Command(flush, image.environment(self._plan), self._console))
        else:
            self.keep_from_metadata([])
        if self.namespaces:
            network.raise_loopback([])
        image.forget_memory(self._plan)
        import uuid  # A late import: few machines reboot.

        image.new_boot_id(self._plan, str(uuid.uuid4()))
        self._boot(first=False)

    def _stop_units(self, *, again: bool) -> None:
        """Stop services, scopes and network in their order. Init goes on to answer calls."""
        if self._order is not None and self._order.turn(time.monotonic()):
            self._loop.after(_LOOK_AGAIN / 4, lambda: self._stop_units(again=again))
            return
        # Without namespaces the remaining processes are stopped, and could not end by themselves.
        self._finish(self._plan.stop_seconds if self.namespaces else 0.0, again=again)

    def _finish(self, seconds: float, *, again: bool) -> None:
        self._end_all(seconds)
        self._order = None
        if again:
            self._start_anew()
        else:
            self._off = True

    def _stops(self) -> list[shutdown.Stop]:
        usual = self._plan.stop_seconds
        scope = [
            shutdown.Stop(
                name=name,
                after=each.after,
                before=each.before,
                begin=partial(kill, partial(self.scopes.members, name), each.kill_signal),
                running=partial(self._has_members, self.scopes, name),
                kill=partial(kill, partial(self.scopes.members, name), signal.SIGKILL),
                seconds=usual if each.stop_seconds is None else each.stop_seconds,
            )
            for name, each in self.scopes.running().items()
        ]
        return [*scope, *self.units.stops(usual), self._stop_of_network()]

    def _has_members(self, kept_in: Scopes, name: str) -> bool:
        return bool(kept_in.members(name))

    def _stop_of_network(self) -> shutdown.Stop:
        return shutdown.Stop(
            name=shutdown.NETWORK,
            after=frozenset(),
            before=frozenset(),
            begin=self._lose_network,
            running=lambda: False,
            kill=lambda: None,
            seconds=0.0,
        )

    def _lose_network(self) -> None:
        if self.namespaces:
            network.lower_loopback()
            return
        # All machines share the host's network here. A stopped process reaches nobody either.
        self._signal_all(signal.SIGSTOP)

    def memory_events(self, kills: int) -> None:
        """Write `memory.events`: so many processes were killed for lack of memory."""
        path = "/" if self.namespaces else _own_cgroup()
        events = self._plan.root / "sys/fs/cgroup" / path.lstrip("/") / "memory.events"
        events.parent.mkdir(parents=True, exist_ok=True)
        events.write_text(f"low 0\nhigh 0\nmax 0\noom 0\noom_kill {kills}\noom_group_kill 0\n")

    def _end_all(self, seconds: float) -> None:
        # No timer may start a process during the shutdown.
        self._loop.forget_timers()
        until = time.monotonic() + seconds
        self._signal_all(signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            while True:
                # The loop ends by ChildProcessError: no child is left, not even an adopted one.
                list(loop.ended_children())
                if time.monotonic() >= until:
                    self._signal_all(signal.SIGKILL)
                time.sleep(_LOOK_AGAIN / 4)

    def _signal_all(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.namespaces:
                os.kill(-1, number)
        for member in [] if self.namespaces else family.descendants(os.getpid(), family.table()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, number)

    # Messages of the lab and of stand-in commands.

    def _hear_lab(self) -> None:
        try:
            for message, _ in self._lab.receive():
                self._obey(message)
        except EOFError:
            # The lab has ended, so the machine must not outlive it.
            self._end_all(0.0)
            image.remove(self._plan)
            self._off = True

    def _obey(self, message: dict[str, Any]) -> None:
        if message["do"] == "hang":
            self._signal_all(signal.SIGSTOP)
            self._hangs = True
            self._loop.forget_timers()
        elif message["do"] == "press" and not self._hangs:
            self.go_off(0.0)
        elif message["do"] == "cut":
            self._end_all(0.0)
            self._off = True

    def keep_from_metadata(self, refused: list[range]) -> None:
        """Cut these users off from the metadata service. Raises OSError."""
        if self.namespaces:
            uid_rules.keep_away(refused, SERVICE)
            return
        # Without a network of its own, the lab closes the servers, and confirms by "go on".
        self._lab.send({"event": "refused", "users": [[each.start, each.stop] for each in refused]})
        heard: list[dict[str, Any]] = []
        while {"do": "go on"} not in heard:
            heard += [message for message, _ in self._lab.receive()]
        for message in heard:
            if message["do"] != "go on":
                self._obey(message)

    def _listen(self) -> None:
        path = self._plan.root / CONTROL
        path.parent.mkdir(parents=True, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen(64)
        self._loop.watch(listening, lambda: self._accept(listening))

    def _listen_to_services(self) -> None:
        self._notify.listen()
        self._loop.watch(self._notify, lambda: self._notify.hear(self.units))

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        wire = Wire(connection)
        self._loop.watch(wire, lambda: self._hear_stand_in(wire))

    def _hear_stand_in(self, wire: Wire) -> None:
        try:
            messages = [message for message, _ in wire.receive()]
            asked = [calls.Call(**{**each, **_peer(wire.socket)}) for each in messages]
        except (EOFError, ConnectionResetError, ValueError, TypeError):
            # ValueError, TypeError: any process on the machine may connect, and send anything.
            self._loop.forget(wire)
            wire.close()
            return
        for call in asked:
            answer = commands.answer(self, call)
            told = {"argv": list(call.argv), "uid": call.uid, "exit": answer.exit}
            if not answer.again:
                self._lab.send({"event": "call", **told})
            # The caller may have been killed meanwhile.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                wire.send(vars(answer))


def _own_cgroup() -> str:
    """The cgroup of all processes of a machine without namespaces; `/` without /proc."""
    path = Path("/proc/self/cgroup")
    return path.read_text().rpartition("::")[2].strip() if path.exists() else "/"


def _peer(connection: socket.socket) -> dict[str, int]:
    """Pid and user id of the peer, from the kernel; empty on systems other than Linux.

    There, the values that the caller sends stay in force.
    """
    if sys.platform != "linux":
        return {}
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return {"pid": pid, "uid": uid}
