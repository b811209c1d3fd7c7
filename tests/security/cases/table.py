"""All cases, by heading."""

from __future__ import annotations

from collections.abc import Mapping

from tests.security.case import Case
from tests.security.cases import (
    control,
    instances,
    launches,
    no_keys,
    others,
    pools,
    profiles,
    secrets,
    tables,
)

CASES: Mapping[str, tuple[Case, ...]] = {
    "Instances on their way": instances.INSTANCES,
    "Volumes, interfaces, security groups, launch templates, fleets": instances.PARTS,
    "Profiles and roles": profiles.PROFILES,
    "Bootstrap scripts": profiles.SCRIPT,
    "Records": tables.RECORDS,
    "Mailbox rows": tables.MAILBOX,
    "The cluster's agent token": tables.TOKEN,
    "Secrets of jobs": secrets.SECRETS,
    "Roles of jobs": secrets.GIVEN,
    "Launches": launches.LAUNCHES,
    "Ends of instances": launches.ENDS,
    "Stops and starts": pools.POOLS,
    "Configuration": control.CONFIGURATION,
    "Code and stacks": control.CODE,
    "Wake-ups, alarms, logs": control.SIGNALS,
    "Requests without a key": tuple(no_keys.CASES.values()),
    "Other queues, other stacks, boundaries": others.OTHERS,
}
