"""The operator's bootstrap script: its run as root with bootstrap credentials, and clean-up."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from mayfly_instance import scope
from mayfly_instance.aws import AwsError, Denied, Missing, Unavailable
from mayfly_instance.context import Context
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.host import Host
from mayfly_instance.limits import Limits
from mayfly_instance.machine import Program
from mayfly_instance.places import JOB_USER
from mayfly_instance.ports import Cloud
from mayfly_instance.proc import Process, left_over
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.parameters import ScriptPlace, script_place

UNIT = "mayfly-script"
_TMPFS_SIZE = "512m"
_LOG_BYTES = 64 * 1024


@dataclass(frozen=True)
class Script:
    """A fetched script with its time limit."""

    url: str
    content: bytes
    seconds: float


def fetch(cloud: Cloud, credentials: Credentials, host: Host, limits: Limits) -> Script | None:
    """The queue's script; None without one.

    Raises HostFailure for an invalid parameter, a missing or refused object, an object that is no
    script or not the pinned one, else AwsError. A refused object is no AwsError, so nobody reads it
    again: the parameter was read with the same credentials, so the role works already.
    """
    try:
        value = cloud.parameter(credentials, host.script_parameter)
    except Missing:
        return None
    try:
        place = script_place(value)
    except ValueError as error:
        raise HostFailure(f"bootstrap/script is wrong: {error}") from error
    content = _content(cloud, credentials, place)
    seconds = limits.script if place.minutes is None else place.minutes * 60
    return Script(place.url, content, seconds)


def _content(cloud: Cloud, credentials: Credentials, place: ScriptPlace) -> bytes:
    """The script's content, checked against its pin. Raises as `fetch` does."""
    named = f"{place.url} version {place.version}" if place.version else place.url
    try:
        content = cloud.object(credentials, place.bucket, place.key, place.version)
    except Missing as error:
        raise HostFailure(f"bootstrap/script names {named}, which does not exist") from error
    except Denied as error:
        # Source: S3 API reference, GetObject: without ListBucket a missing key is 403, not 404.
        raise HostFailure(
            f"S3 refused {named}, which bootstrap/script names: there is no such object, or the"
            f" queue's ScriptPrefix, a bucket policy or a KMS key does not allow it ({error})"
        ) from error
    except Unavailable:
        raise
    except AwsError as error:
        raise HostFailure(
            f"S3 did not give {named}, which bootstrap/script names: {error}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if place.sha256 and digest != place.sha256:
        # The digests stand first: a long reason is cut.
        raise HostFailure(
            f"bootstrap/script says sha256={place.sha256}, and the object that it names has the"
            f" SHA-256 {digest}: {named}"
        )
    if not content.startswith(b"#!"):
        raise HostFailure(f"{named} does not begin with #!")
    return content


def run(script: Script, context: Context, region: str) -> None:
    """Run the script in its own scope, HOME and caches on a tmpfs; then kill the whole scope.

    The end of its output goes into the logs, without secrets. Raises HostFailure if the script
    fails or exceeds its time limit.
    """
    machine, places = context.machine, context.places
    machine.mount_tmpfs(places.script, _TMPFS_SIZE)
    home = places.script / "home"
    machine.make_directory(home, 0o700)
    file = places.script / "bootstrap"
    machine.write_file(file, script.content, 0o700)
    program = Program(
        unit=UNIT,
        argv=[str(file)],
        environment=environment(context, home, region),
        directory=home,
        output=places.script / "output",
        properties=scope.kept(machine),
    )
    try:
        ended = _run(program, context, script.seconds)
    finally:
        words = _save_log(context, program.output)
        machine.kill_scope(UNIT)
        machine.end_sessions()
    if ended:
        raise HostFailure(f"{script.url} {ended}", words)
    try:
        machine.unmount(places.script)
    except CommandFailed as error:
        raise HostFailure(f"the bootstrap script's tmpfs is in use: {error.reason}") from error


def environment(context: Context, home: Path, region: str) -> dict[str, str]:
    """The script's whole environment."""
    return {
        **context.inherited_environment(),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/bash",
        "AWS_REGION": region,
        "MAYFLY_STACK": context.host.stack,
        "MAYFLY_QUEUE": context.host.queue,
        "MAYFLY_JOB_USER": JOB_USER,
        "MAYFLY_HOOKS_DIR": str(context.places.operator_hooks),
    }


def remove_traces(context: Context, before: list[Process]) -> None:
    """Remove files with credentials. Raises HostFailure if a process of the script is left over.

    `before` holds the processes from before the script, none of which had credentials. Later
    processes may hold credentials, which are valid for six hours.
    """
    machine, clock = context.machine, context.clock
    for path in context.places.credential_files():
        machine.remove(path)
    until = clock.seconds() + context.limits.stragglers
    while left := left_over(before, machine.processes(), os.getpid()):
        if clock.seconds() >= until:
            names = ", ".join(str(each) for each in left[:10])
            raise HostFailure(f"processes of the bootstrap script are left over: {names}")
        clock.sleep(context.limits.watch)


def _run(program: Program, context: Context, seconds: float) -> str:
    """The program's failure as a phrase; empty if the program exited with 0."""
    clock = context.clock
    until = clock.seconds() + seconds
    running = context.machine.start(program)
    while (code := running.poll()) is None:
        if clock.seconds() >= until:
            return f"took longer than {seconds / 60:g} minutes"
        clock.sleep(context.limits.watch)
    if code == 0:
        return ""
    return f"was ended by signal {-code}" if code < 0 else f"exited with {code}"


def _save_log(context: Context, output: Path) -> str:
    """Write the end of the output into the logs, without secrets; returns that text."""
    try:
        text = context.scrub.end_of(output, _LOG_BYTES)
    except FileNotFoundError:  # The program did not even start.
        return ""
    context.machine.write_file(context.places.logs / "bootstrap-script.log", text.encode(), 0o600)
    return text
