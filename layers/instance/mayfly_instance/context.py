"""The dependencies of the supervisor, assembled once at its start."""

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
from mayfly_instance.ports import Cloud, Metadata
from mayfly_instance.scrub import Scrubber

_INHERITED = ("PATH", "LANG", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT")
_LOG_TAIL_BYTES = 8 * 1024


@dataclass(frozen=True)
class Context:
    """Machine, settings, clock, console and the services outside."""

    machine: Machine
    host: Host
    clock: Clock
    limits: Limits
    console: Console
    scrub: Scrubber
    metadata: Metadata
    cloud: Callable[[str], Cloud]
    """The AWS client for a region."""
    environment: Mapping[str, str]
    """The supervisor's own environment variables."""

    @property
    def places(self) -> Places:
        """Paths on this machine."""
        return self.machine.places

    def log_tail(self, name: str) -> str:
        """The end of a log of this host, without secrets; empty without the log."""
        log = self.places.logs / name
        try:
            return self.scrub.end_of(log, _LOG_TAIL_BYTES)
        except FileNotFoundError:
            return ""

    def inherited_environment(self) -> dict[str, str]:
        """Variables that script and agent inherit: PATH, LANG and a lab's endpoints."""
        return {name: self.environment[name] for name in _INHERITED if name in self.environment}
