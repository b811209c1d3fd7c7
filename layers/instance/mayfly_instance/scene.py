"""All that a supervisor works with, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from mayfly_instance.clock import Clock
from mayfly_instance.console import Console
from mayfly_instance.host import Host
from mayfly_instance.limits import Limits
from mayfly_instance.machine import Machine
from mayfly_instance.places import Places
from mayfly_instance.scrub import Scrubber
from mayfly_instance.seams import Cloud, Metadata

_PASSED_ON = ("PATH", "LANG", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT")


@dataclass(frozen=True)
class Scene:
    """The machine, the world outside, and the rules."""

    machine: Machine
    host: Host
    clock: Clock
    limits: Limits
    console: Console
    scrub: Scrubber
    metadata: Metadata
    cloud: Callable[[str], Cloud]
    """AWS in a region."""
    environment: Mapping[str, str]
    """The supervisor's own."""

    @property
    def places(self) -> Places:
        """Where things lie."""
        return self.machine.places

    def passed_on(self) -> dict[str, str]:
        """What others inherit of our environment: the way to programs, and what a lab told us."""
        return {name: self.environment[name] for name in _PASSED_ON if name in self.environment}
