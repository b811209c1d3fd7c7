"""The scenarios of each boot, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .daemons import daemons, unit_in_etc
from .ends import power_button, reboot, supervisor_unit
from .image import curl, packages, python, ssh, user
from .metadata import imds, user_namespaces
from .scopes import after_cloud_init, delegated, disk_full, job_scope, memory, pids

Scenario = Callable[[dict[str, Any]], str]

FIRST_BOOT: Mapping[str, Scenario] = {
    "python": python,
    "curl": curl,
    "packages": packages,
    "ssh": ssh,
    "user": user,
    "after-cloud-init": after_cloud_init,
    "unit-in-etc": unit_in_etc,
    "daemons": daemons,
    "imds-job": imds("job"),
    "imds-supervisor": imds("supervisor"),
    "imds-off": imds("off"),
    "user-namespaces": user_namespaces,
    "scope": job_scope,
    "delegation": delegated,
    "memory": memory,
    "pids": pids,
    "disk-full": disk_full,
}
SECOND_BOOT: Mapping[str, Scenario] = {"power-button": power_button}
THIRD_BOOT: Mapping[str, Scenario] = {"reboot": reboot, "supervisor-unit": supervisor_unit}
