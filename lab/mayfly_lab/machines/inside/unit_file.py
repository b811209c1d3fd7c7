"""Unit files of services: the settings that a machine of the lab obeys.

As in systemd, an unknown setting is ignored. Source: systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SPANS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = re.compile(r"([0-9.]+)\s*([a-z]*)")


@dataclass(frozen=True)
class Settings:
    """Settings of one service, with systemd's defaults. Times are in seconds."""

    argv: tuple[str, ...] = ()
    kind: str = "simple"
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    after: frozenset[str] = frozenset()
    kill_mode: str = "control-group"
    restart: str = "no"
    restart_after: float = 0.1
    watchdog: float = 0.0
    """0: no watchdog."""
    stop_seconds: float | None = None
    """`TimeoutStopSec`; None: the machine's default."""
    success_action: str = "none"
    failure_action: str = "none"


MASKED = Settings()
"""A masked unit keeps no setting: the file that had them is out of sight (seen on 252)."""


def read(unit: Path) -> Settings:
    """The settings of a unit file. Raises OSError for a file that cannot be read."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().replace("\\\n", " ").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            # An empty value clears the earlier ones.
            found[name.strip()] = [*found.get(name.strip(), []), value] if value.strip() else []
    last = {name: values[-1].strip() for name, values in found.items() if values}
    variables = [word for value in found.get("Environment", []) for word in shlex.split(value)]
    return Settings(
        argv=tuple(shlex.split(last.get("ExecStart", ""))),
        kind=last.get("Type", "simple"),
        directory=last.get("WorkingDirectory", "/"),
        environment=dict(word.split("=", 1) for word in variables),
        after=frozenset(" ".join(found.get("After", [])).split()),
        kill_mode=last.get("KillMode", "control-group"),
        restart=last.get("Restart", "no"),
        restart_after=seconds(last.get("RestartSec", "100ms")),
        watchdog=seconds(last.get("WatchdogSec", "0")),
        stop_seconds=seconds(last["TimeoutStopSec"]) if "TimeoutStopSec" in last else None,
        success_action=last.get("SuccessAction", "none"),
        failure_action=last.get("FailureAction", "none"),
    )


def seconds(span: str) -> float:
    """A time span of systemd.time(7), such as `5min 20s`."""
    return sum(float(number) * _SPANS[unit] for number, unit in _SPAN.findall(span))
