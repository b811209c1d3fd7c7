"""The operator's bootstrap script: root and bootstrap credentials, and nothing left of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mayfly_instance.aws import Missing
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.host import Host
from mayfly_instance.limits import Limits
from mayfly_instance.machine import Program
from mayfly_instance.places import JOB_USER
from mayfly_instance.proc import Process, left_over
from mayfly_instance.scene import Scene
from mayfly_instance.seams import Cloud
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.parameters import script_place

UNIT = "mayfly-script"
_MEGABYTES = 512
_KEPT = 64 * 1024


@dataclass(frozen=True)
class Script:
    """A script that was fetched."""

    where: str
    content: bytes
    seconds: float


def fetch(cloud: Cloud, credentials: Credentials, host: Host, limits: Limits) -> Script | None:
    """The queue's script, if it has one. Raises HostFailure, AwsError."""
    try:
        value = cloud.parameter(credentials, host.script_parameter)
    except Missing:
        return None
    try:
        place = script_place(value)
    except ValueError as error:
        raise HostFailure(f"bootstrap/script is wrong: {error}") from error
    try:
        content = cloud.object(credentials, place.bucket, place.key)
    except Missing as error:
        raise HostFailure(f"bootstrap/script names {place.url}, which is not there") from error
    if not content.startswith(b"#!"):
        raise HostFailure(f"{place.url} does not begin with #!")
    seconds = limits.script if place.minutes is None else place.minutes * 60
    return Script(place.url, content, seconds)


def run(script: Script, scene: Scene, region: str) -> None:
    """Run it in a scope of its own, with HOME and caches on a tmpfs, and kill the scope whole.

    Its output is kept, without secrets, in the logs. Raises HostFailure when it fails or hangs.
    """
    machine, places = scene.machine, scene.places
    machine.mount_tmpfs(places.script, _MEGABYTES)
    home = places.script / "home"
    machine.make_directory(home, 0o700)
    file = places.script / "bootstrap"
    machine.lay_down(file, script.content, 0o700)
    program = Program(
        unit=UNIT,
        argv=[str(file)],
        environment=environment(scene, home, region),
        directory=home,
        output=places.script / "output",
    )
    try:
        ended = _run(program, scene, script.seconds)
    finally:
        words = _keep(scene, program.output)
        machine.kill_scope(UNIT)
        machine.end_sessions()
    if ended:
        raise HostFailure(f"{script.where} {ended}", words)
    try:
        machine.unmount(places.script)
    except CommandFailed as error:
        raise HostFailure(f"the bootstrap script's tmpfs is in use: {error.reason}") from error


def environment(scene: Scene, home: Path, region: str) -> dict[str, str]:
    """All of the script's environment."""
    return {
        **scene.passed_on(),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/bash",
        "AWS_REGION": region,
        "MAYFLY_STACK": scene.host.stack,
        "MAYFLY_QUEUE": scene.host.queue,
        "MAYFLY_JOB_USER": JOB_USER,
        "MAYFLY_HOOKS_DIR": str(scene.places.operator_hooks),
    }


def leave_nothing(scene: Scene, before: list[Process]) -> None:
    """Remove what is known to hold credentials; condemn the host for a process that is left over.

    `before` are the processes from before the script; what set-up did until then had no
    credentials. One that came up since may hold them for six hours. Raises HostFailure.
    """
    machine, clock = scene.machine, scene.clock
    for path in scene.places.credential_files():
        machine.remove(path)
    until = clock.seconds() + scene.limits.stragglers
    while left := left_over(before, machine.processes(), os.getpid()):
        if clock.seconds() >= until:
            names = ", ".join(str(each) for each in left[:10])
            raise HostFailure(f"processes of the bootstrap script are left over: {names}")
        clock.sleep(scene.limits.watch)


def _run(program: Program, scene: Scene, seconds: float) -> str:
    """How the program ended, if not well."""
    clock = scene.clock
    until = clock.seconds() + seconds
    running = scene.machine.start(program)
    while (code := running.poll()) is None:
        if clock.seconds() >= until:
            return f"took longer than {seconds / 60:g} minutes"
        clock.sleep(scene.limits.watch)
    if code == 0:
        return ""
    return f"was ended by signal {-code}" if code < 0 else f"exited with {code}"


def _keep(scene: Scene, output: Path) -> str:
    """Keep the end of the output in the logs; gives its text."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _KEPT))
            text = scene.scrub(file.read().decode("utf-8", "replace"))
    except FileNotFoundError:  # The program did not even start.
        return ""
    scene.machine.lay_down(scene.places.logs / "bootstrap-script.log", text.encode(), 0o600)
    return text
