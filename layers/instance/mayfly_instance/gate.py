"""The gate: the host waits until IMDS serves the sandbox profile and nothing else.

The EC2 API's state `associated` says nothing about the answers of IMDS. No documentation says when
IMDS switches profiles, or that all its paths switch together. So the host reads all of the paths
itself, several times in a row. A missing, old, slow or malformed answer proves nothing and resets
the count. (Deadline Cloud's agent once took "no answer" for "no profile" and ran jobs with the
profile.)
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mayfly_instance.aws import AwsError, Caller
from mayfly_instance.clock import Clock
from mayfly_instance.failure import HostFailure
from mayfly_instance.host import Host, role_name
from mayfly_instance.imds import ImdsError
from mayfly_instance.ports import Cloud, Metadata
from mayfly_instance.sigv4 import Credentials

_LONGEST = 5.0
"""Seconds between two observations while STS fails."""


@dataclass(frozen=True)
class Expected:
    """The answers of IMDS and STS on a sandboxed instance."""

    profile: str
    role: str
    bootstrap_role: str
    caller: str


@dataclass(frozen=True)
class Observation:
    """One reading of IMDS and STS. None: unknown."""

    profile: str | None = None
    roles: tuple[str, ...] | None = None
    bootstrap_served: bool | None = None
    caller: Caller | None = None
    credentials: Credentials | None = None
    trouble: str = ""
    """The error that ended the reading early; empty without one."""
    sts_failed: bool = False
    """Whether the error came from STS."""


@dataclass(frozen=True)
class Proven:
    """The sandbox credentials that IMDS served when the gate opened, and their owner."""

    caller: Caller
    credentials: Credentials


def expected(host: Host, instance_id: str) -> Expected:
    """The expected answers for this instance with the sandbox profile."""
    account, name = host.sandbox_role.split(":")[4], role_name(host.sandbox_role)
    return Expected(
        profile=host.sandbox_profile,
        role=name,
        bootstrap_role=role_name(host.bootstrap_role),
        caller=f"arn:{host.partition}:sts::{account}:assumed-role/{name}/{instance_id}",
    )


def objection(wanted: Expected, seen: Observation) -> str:
    """The reason why the observation is no proof; empty for a proof."""
    if seen.trouble:
        return seen.trouble
    if seen.profile != wanted.profile:
        return f"IMDS shows the profile {seen.profile}"
    if seen.roles != (wanted.role,):
        return f"IMDS lists the roles {seen.roles}"
    if seen.bootstrap_served is not False:
        return "IMDS still serves credentials of the bootstrap role"
    if seen.caller is None or seen.caller.arn != wanted.caller:
        return f"STS says that the credentials are of {seen.caller and seen.caller.arn}"
    return "" if seen.credentials else "there are no credentials"


def contradiction(wanted: Expected, seen: Observation) -> str:
    """What shows another profile than the sandbox profile; empty while nothing does.

    Missing answers and errors show nothing: IMDS may answer late in a boot.
    """
    if seen.profile not in {None, wanted.profile}:
        return f"IMDS shows the profile {seen.profile}"
    if seen.roles not in {None, (), (wanted.role,)}:
        return f"IMDS lists the roles {seen.roles}"
    if seen.bootstrap_served:
        return "IMDS serves credentials of the bootstrap role"
    if seen.caller is not None and seen.caller.arn != wanted.caller:
        return f"STS says that the credentials are of {seen.caller.arn}"
    return ""


def streak(before: int, objected: str) -> int:
    """Number of proofs in a row after one more observation; an objection resets it to 0."""
    return 0 if objected else before + 1


def observe(wanted: Expected, metadata: Metadata, cloud: Cloud) -> Observation:
    """One observation over fresh connections, up to the first answer that is no proof.

    Errors of IMDS and STS are returned as `trouble`, not raised.
    """
    profile: str | None = None
    try:
        session = metadata.session()
        info = session.get_json("iam/info")
        profile = info.get("InstanceProfileArn")
        if profile != wanted.profile:
            return Observation(profile)
        if info.get("Code") != "Success":
            return Observation(profile, trouble=f"iam/info: Code {info.get('Code')}")
        roles = tuple(session.get("iam/security-credentials/").split())
        if roles != (wanted.role,):
            return Observation(profile, roles)
        if session.serves_credentials(wanted.bootstrap_role):
            return Observation(profile, roles, bootstrap_served=True)
        credentials = session.credentials(wanted.role)
        caller = cloud.caller(credentials)
    except AwsError as error:
        return Observation(profile, trouble=str(error), sts_failed=True)
    except ImdsError as error:
        return Observation(profile, trouble=str(error))
    return Observation(profile, roles, False, caller, credentials)


@dataclass(frozen=True)
class Gate:
    """The wait from the bootstrap profile to the sandbox profile. `interval` is in seconds."""

    wanted: Expected
    metadata: Metadata
    cloud: Cloud
    clock: Clock
    interval: float
    settled: bool = False
    """Whether the profile was replaced in an earlier boot: no other may be served any more."""

    def prove(self, needed: int, seconds: float) -> Proven:
        """Wait for `needed` proofs in a row. Raises HostFailure after `seconds` without them.

        In a settled boot it raises HostFailure at once for another profile. STS gets fewer calls
        while it fails: the whole account shares its request limit.
        """
        until = self.clock.seconds() + seconds
        count = 0
        pause = self.interval
        while True:
            seen = observe(self.wanted, self.metadata, self.cloud)
            objected = objection(self.wanted, seen)
            if self.settled and (other := contradiction(self.wanted, seen)):
                raise HostFailure(f"{other}, although this boot is not the first")
            count = streak(count, objected)
            if count >= needed and seen.caller and seen.credentials:
                return Proven(seen.caller, seen.credentials)
            longest = min(pause * 2, _LONGEST) if seen.sts_failed else self.interval
            pause = random.uniform(min(pause, longest), longest)  # noqa: S311 - no secret
            if self.clock.seconds() + pause > until:
                raise HostFailure(
                    f"the sandbox profile was not proven within {seconds:g} s: "
                    f"{objected or 'the last observations were proofs, but too few in a row'}"
                )
            self.clock.sleep(pause)
