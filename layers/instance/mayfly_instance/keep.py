"""Keeping a host that failed before it was proven: for a look, without IMDS and without a job.

What says that a host may be kept is one file. It is there from the beginning of set-up until just
before the proof is reported, and nowhere else; whatever is doubtful means that it is not there.
"""

from __future__ import annotations

from datetime import timedelta

from mayfly_instance import firewall
from mayfly_instance.aws import AwsError
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.scene import Scene
from mayfly_instance.seams import Cloud
from mayfly_protocol.moments import stamp
from mayfly_protocol.parameters import keep_failed_minutes
from mayfly_protocol.words import Imds


def allow(scene: Scene, cloud: Cloud, keys: Keys) -> None:
    """Let this host be kept for as long as the operator said. Raises OSError.

    The parameter is asked for once: it must not hold up a boot.
    """
    try:
        value = cloud.parameter(keys.current(), scene.host.keep_parameter)
    except (AwsError, ImdsError):
        return
    if _minutes(value):
        scene.machine.lay_down(scene.places.keep, value.encode(), 0o600)


def forbid(scene: Scene) -> None:
    """From now on this host is never kept. Raises OSError."""
    scene.machine.remove(scene.places.keep)


def for_a_look(scene: Scene) -> None:
    """Wait as long as the failed host is to be kept; return at once when it is not."""
    try:
        minutes = _minutes(scene.places.keep.read_text("utf-8"))
    except (OSError, UnicodeError):
        return
    if not minutes:
        return
    metadata = scene.metadata
    try:
        # These rules know no users. Root is the one whom others let through, and there may be no
        # job user yet: where root is stopped, all are.
        firewall.close(scene.machine, Imds.OFF, (metadata.host, metadata.port), "root")
    except (HostFailure, OSError) as error:
        scene.console.say(f"not kept for a look: {error}")
        return
    until = stamp(scene.clock.now() + timedelta(minutes=minutes))
    scene.console.say(f"kept for a look until {until}, without IMDS and without a job")
    scene.clock.sleep(minutes * 60)


def _minutes(value: str) -> int:
    """The minutes that the text says; 0 for whatever the parameter must not be."""
    try:
        return keep_failed_minutes(value)
    except ValueError:
        return 0
