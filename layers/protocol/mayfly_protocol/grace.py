"""The grace period of a cancelled job, as the agent's own settings define it.

Agents of v3 have `cancel-grace-period` (whole seconds, 10 by default), of which
`signal-grace-period-seconds` is a part (negative: the period less so much; -1 by default). Agents
of v4 have the durations `cancel-signal-timeout` (10s) and `cancel-cleanup-timeout` (5s), one after
the other. Sources: `start --help` of buildkite-agent 3.83.1; clicommand/cancel_signal.go of 4.0. An
agent whose periods contradict each other ends before it takes its job (3.83.1:
"cancel-grace-period (5) must be greater than signal-grace-period-seconds (6)").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NOTICE = 120
"""Seconds from EC2's notice of a spot interruption to the interruption (EC2's user guide). A
machine that goes down from outside gives its units as much."""
LOOK = 5
"""Seconds until a host sees the notice: AWS recommends to look so often."""
DELIVERY = 15
"""Seconds, after the grace period, in which the agent delivers the log and tells the job's end."""
MOST = NOTICE - LOOK - DELIVERY
"""Seconds of the longest grace period that a spot interruption or a shutdown leaves to a job."""
_DEFAULT = 15
"""Seconds without a setting: v4's two durations, which are more than v3's period."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)")


def grace_seconds(config: str) -> float:
    """Seconds from a job's cancellation until the agent kills what is left of the job.

    `config` is in the canonical form of `parse_agent_settings`. Raises ValueError, without a value,
    for periods that no agent takes, and for more than MOST.
    """
    found = {name: value.strip().strip("\"'") for name, value in _settings(config).items()}
    longest = max(_period_of_v3(found), _period_of_v4(found))
    if longest > MOST:
        names = " and ".join(name for name in _NAMES if name in found)
        raise ValueError(
            f"{names} may be at most {MOST} seconds: a spot interruption or a shutdown leaves "
            f"{NOTICE} seconds, of which {LOOK + DELIVERY} are for the notice and the job's log"
        )
    return longest


_NAMES = (
    "cancel-grace-period",
    "signal-grace-period-seconds",
    "cancel-signal-timeout",
    "cancel-cleanup-timeout",
)


def _settings(config: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in config.splitlines())
    return {name.strip(): value for name, _, value in pairs if name.strip() in _NAMES}


def _period_of_v3(found: Mapping[str, str]) -> float:
    if "cancel-grace-period" not in found and "signal-grace-period-seconds" not in found:
        return _DEFAULT
    whole = _whole_seconds(found, "cancel-grace-period", 10)
    part = _whole_seconds(found, "signal-grace-period-seconds", -1)
    if part >= whole or whole + part < 0:
        raise ValueError(
            "signal-grace-period-seconds must be less than cancel-grace-period (10 by default), "
            "and a negative one at most as long: with others the agent does not start"
        )
    return whole


def _period_of_v4(found: Mapping[str, str]) -> float:
    if "cancel-signal-timeout" not in found and "cancel-cleanup-timeout" not in found:
        return 0
    return _duration(found, "cancel-signal-timeout", "10s") + _duration(
        found, "cancel-cleanup-timeout", "5s"
    )


def _whole_seconds(found: Mapping[str, str], name: str, default: int) -> int:
    text = found.get(name, str(default))
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise ValueError(f"{name} is not a whole number of seconds")
    return int(text)


def _duration(found: Mapping[str, str], name: str, default: str) -> float:
    """Seconds of a duration in Go's notation, such as `1m30s`."""
    text = found.get(name, default)
    parts = _PART.findall(text)
    if text != "0" and (not parts or "".join(map("".join, parts)) != text or len(text) > 40):
        raise ValueError(f"{name} is not a duration such as 10s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
