"""One machine from the lab's side: its first process, its console, its sockets, its end."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mayfly_lab.contracts import Boot, Listener
from mayfly_lab.machines.console import Console
from mayfly_lab.machines.disk import Disk
from mayfly_lab.machines.inside.wire import Wire
from mayfly_lab.machines.metadata_doors import MetadataDoors, close_listening
from mayfly_lab.machines.serial_line import PIECE, SerialLine

_PATIENCE = 60.0
"""Seconds until a machine counts as one that does not go: the kernel ends the processes of a whole
machine in a second, and in many if other machines boot on the same cores."""
_COMMAND = 5.0
"""Seconds that a machine without namespaces has for ending its processes itself."""


@dataclass(frozen=True, slots=True)
class Door:
    """A server of the lab that machines reach on 127.0.0.1 at this port."""

    port: int
    server: Listener


@dataclass(frozen=True, slots=True)
class CommandCall:
    """A call of a stand-in command on the machine."""

    argv: tuple[str, ...]
    uid: int
    exit: int


@dataclass(frozen=True, slots=True)
class First:
    """The first process of a machine: what the lab starts, and what ends the machine."""

    instance_id: str
    argv: Sequence[str]
    """The command; the number of the lab's socket is added to it."""
    plan: Mapping[str, Any]
    """The settings, which the process reads from its standard input as JSON."""
    namespaced: bool
    """Whether the machine's processes end with the one whose pid the machine tells."""
    user: int | None = None
    """The user of the process; None for the lab's own."""
    disk: int | None = None
    """Descriptor of the disk that the plan names, which the process inherits; None for none."""


class Builder(Protocol):
    """Prepares the machines of one kind."""

    @property
    def job_door(self) -> bool:
        """Whether users without rights have a metadata server of their own."""

    def first(self, boot: Boot, hostname: str, metadata: Sequence[str], disk: Disk) -> First:
        """The first process of a machine; `metadata` are the URLs of its metadata servers.

        Raises:
            Misconfigured: machines of this kind do not boot from a written disk.
        """

    def close(self) -> None:
        """Remove the machines' files. A second call has no effect."""


@dataclass(frozen=True, slots=True)
class Fittings:
    """The console, servers and record of calls of a machine."""

    console: Console
    doors: Sequence[Door]
    metadata: MetadataDoors
    calls: list[CommandCall]
    disk: Disk


class Machine:
    """A machine from power-on to power-off. `went_off` is called when it powers itself off."""

    def __init__(self, first: First, fittings: Fittings, went_off: Callable[[], None]) -> None:
        self._how = first
        self._fittings = fittings
        self._went_off = went_off
        self._wire: Wire
        self._first: subprocess.Popen[bytes]
        self._init: int | None = None
        self._init_known = threading.Event()
        self._sockets: list[socket.socket] = []
        self._cut = threading.Event()
        self._gone = threading.Event()

    @property
    def on(self) -> bool:
        """Whether any process or file of the machine is left."""
        return not self._gone.is_set()

    @property
    def init(self) -> int | None:
        """Pid, on this host, of the process with which the machine ends; None until it is known."""
        return self._init

    def start(self) -> None:
        """Switch the machine on, and return at once."""
        near, far = socket.socketpair()
        reading, writing = os.pipe()
        with far:
            user, disk = self._how.user, self._how.disk
            self._first = subprocess.Popen(
                [*self._how.argv, str(far.fileno())],
                pass_fds=(far.fileno(),) if disk is None else (far.fileno(), disk),
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        os.close(writing)
        if disk is not None:
            os.close(disk)
        self._wire = Wire(near)
        if self._first.stdin is not None:
            # A signal may end the process before it has a session of its own: then it is off.
            with contextlib.suppress(BrokenPipeError), self._first.stdin as plan:
                plan.write(json.dumps(self._how.plan).encode())
        name = f"machine-{self._how.instance_id}"
        threading.Thread(target=self._attend, args=(reading,), name=name, daemon=True).start()

    def cut(self) -> None:
        """Cut the machine's power. When this returns, no process of the machine is left.

        Raises:
            TimeoutError: a process of the machine does not end.
        """
        self._cut.set()
        self._kill()
        if not self._gone.wait(_PATIENCE):
            raise TimeoutError(f"machine {self._how.instance_id} does not power off")

    def shut_down(self, seconds: float) -> None:
        """Press the power button, and cut the power if the machine is still on after `seconds`.

        `went_off` is not called: the caller is EC2.

        Raises:
            TimeoutError: a process of the machine does not end even then.
        """
        self._cut.set()
        self.press()
        if not self._gone.wait(seconds):
            self.cut()

    def fail(self) -> None:
        """Cut the power as a hardware failure does: EC2 notices."""
        self._kill()

    def hang(self) -> None:
        """Stop every process of the machine without ending it: EC2 does not notice."""
        self._tell("hang")

    def press(self) -> None:
        """Press the power button: the operating system shuts down, if it is able to."""
        self._tell("press")

    def _kill(self) -> None:
        if not self._how.namespaced:
            self._tell("cut")
            if not self._gone.wait(_COMMAND):
                self._first.kill()
            return
        # With the first process of a pid namespace, the kernel ends all its processes. A machine
        # that was switched on just now has not told it yet.
        if not self._init_known.wait(_PATIENCE):
            self._first.kill()
        if self._init is not None and self.on:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)

    def _tell(self, what: str) -> None:
        # The machine may have powered itself off just now.
        with contextlib.suppress(OSError):
            self._wire.send({"do": what})

    # Messages of the machine.

    def _attend(self, complaints: int) -> None:
        """Handle the machine's messages and output until its end, then clear up."""
        outputs = [complaints]
        with (
            selectors.DefaultSelector() as selector,
            contextlib.suppress(EOFError, ConnectionResetError),
        ):
            selector.register(self._wire, selectors.EVENT_READ)
            selector.register(complaints, selectors.EVENT_READ)
            line = SerialLine(selector)
            while True:
                for key, _ in selector.select(line.go_on()):
                    if key.fileobj is self._wire:
                        for console in self._hear():
                            line.adopt(console)
                            outputs.append(console)
                    elif key.fd == complaints:
                        if not self._note(complaints):
                            selector.unregister(complaints)
                    else:
                        line.send(key.fd, self._note(key.fd))
        self._first.wait()
        for output in outputs:
            self._drain(output)
        self._clear_up()
        self._gone.set()
        self._init_known.set()
        if not self._cut.is_set():
            self._went_off()

    def _drain(self, output: int) -> None:
        """Read the machine's last output, and close the file."""
        os.set_blocking(output, False)
        while self._note(output):
            pass
        os.close(output)

    def _note(self, output: int) -> int:
        """Move available output to the console. Returns the bytes; 0 if no more may come."""
        try:
            written = os.read(output, PIECE)
        except BlockingIOError:
            return 0
        self._fittings.console.write(written)
        return len(written)

    def _hear(self) -> Iterator[int]:
        """Handle the machine's messages. Yields the descriptor of its console."""
        for message, fds in self._wire.receive():
            match message["event"]:
                case "pid":
                    self._init = message["pid"]
                    self._init_known.set()
                case "disk":
                    self._fittings.disk.keep_mount(*fds)
                case "listening":
                    listening = [socket.socket(fileno=fd) for fd in fds]
                    self._serve(listening, message.get("metadata", 1))
                case "up":
                    yield from fds
                case "call":
                    argv = tuple(message["argv"])
                    call = CommandCall(argv, message["uid"], message["exit"])
                    self._fittings.calls.append(call)
                case "refused":
                    self._fittings.metadata.keep_away([range(*span) for span in message["users"]])
                    self._tell("go on")

    def _serve(self, listening: list[socket.socket], metadata: int) -> None:
        """Serve the metadata service at the first sockets, and each door at one of the others."""
        self._sockets = listening
        doors = [door.server for door in self._fittings.doors]
        servers = [*([self._fittings.metadata] * metadata), *doors]
        for each, server in zip(listening, servers, strict=True):
            server.adopt(each)

    def _clear_up(self) -> None:
        self._wire.close()
        self._fittings.metadata.stop()
        for each in self._sockets:
            close_listening(each)
