"""Instance profiles: their associations in the EC2 API, and the profile that IMDS serves later.

Facts: every Replace makes a new association id and ends the old one; Replace works on running
instances only; IMDS follows after a time without a stated bound; issued credentials stay valid.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise

from mayfly_lab.aws.ec2.moments import Aspect, Moments
from mayfly_lab.aws.ec2.profile import Profile, instance_principal
from mayfly_lab.aws.front.call import Refusal
from mayfly_lab.aws.world import World
from mayfly_lab.contracts import Keys, ServedProfile

NEVER = float("inf")
RENEW_SECONDS = 300
"""New credentials appear at least five minutes before the old expire."""


@dataclass(frozen=True, slots=True)
class Association:
    """One profile on one instance, as the EC2 API shows it."""

    association_id: str
    instance_id: str
    profile: Profile
    since: float
    ended: float = NEVER

    def state(self, now: float, delay: float) -> str:
        """The association's state at `now`; each change takes `delay` seconds."""
        if now >= self.ended:
            return "disassociating" if now < self.ended + delay else "disassociated"
        return "associating" if now < self.since + delay else "associated"


@dataclass(frozen=True, slots=True)
class _Service:
    """The profile that IMDS serves from `begins` on; None means 404."""

    begins: float
    profile: Profile | None


@dataclass(slots=True)
class Profiles:
    """The associations of all instances. The caller holds the lock of the EC2 layer."""

    world: World
    moments: Moments
    _associations: list[Association] = field(default_factory=list)
    _services: dict[str, list[_Service]] = field(default_factory=dict)
    _keys: dict[tuple[str, str], Keys] = field(default_factory=dict)

    def current(self, instance_id: str) -> Association | None:
        """The instance's live association in the EC2 API; None without one."""
        return next((each for each in self._live() if each.instance_id == instance_id), None)

    def attach(self, instance_id: str, profile: Profile) -> Association:
        """Associate a profile with an instance; IMDS serves the profile at once.

        Raises:
            Refusal: the instance has an association already.
        """
        if self.current(instance_id) is not None:
            raise Refusal(
                "IncorrectState", f"There is an existing association for instance {instance_id}"
            )
        return self._begin(instance_id, profile, lag=0.0)

    def replace(self, association_id: str, profile: Profile, instance_type: str) -> Association:
        """Replace the profile of an association. Returns the new association, with a new id.

        Raises:
            Refusal: no live association has this id.
        """
        old = self.lookup(association_id)
        self._end(old)
        return self._begin(old.instance_id, profile, lag=self._lag(instance_type))

    def detach(self, association_id: str) -> Association:
        """End an association. Returns the ended association.

        Raises:
            Refusal: no live association has this id.
        """
        ended = self._end(self.lookup(association_id))
        self._serve(ended.instance_id, None, self.world.delays.imds_swap)
        self.moments.note(ended.instance_id, Aspect.PROFILE, "")
        return ended

    def drop(self, instance_id: str) -> None:
        """Forget the associations of a terminated instance."""
        self._associations = [a for a in self._associations if a.instance_id != instance_id]
        self._services.pop(instance_id, None)

    def lookup(self, association_id: str) -> Association:
        """The live association with this id.

        Raises:
            Refusal: no live association has this id.
        """
        for each in self._live():
            if each.association_id == association_id:
                return each
        raise Refusal(
            "InvalidAssociationID.NotFound",
            f"An invalid association-id of '{association_id}' was given",
        )

    def describe(self) -> list[tuple[Association, str]]:
        """Associations with their states; disassociated ones are omitted."""
        now = self.world.clock()
        states = (
            (each, each.state(now, self.world.delays.association)) for each in self._associations
        )
        return [(each, state) for each, state in states if state != "disassociated"]

    def served(self, instance_id: str) -> ServedProfile | None:
        """The profile that IMDS of an instance serves now, with credentials; None means 404."""
        profile = self._serving(instance_id, self.world.clock())
        if profile is None:
            return None
        keys = self._issued(instance_id, profile)
        return ServedProfile(profile.arn, profile.profile_id, profile.role_name, keys)

    def stale(self, instance_id: str) -> Mapping[str, Keys]:
        """Credentials by role name of replaced roles that IMDS still serves by name."""
        now = self.world.clock()
        services = self._services.get(instance_id, [])
        current = self._serving(instance_id, now)
        old: dict[str, Keys] = {}
        for before, after in pairwise(services):
            if before.profile is None or before.profile == current:
                continue
            if after.begins <= now < after.begins + self.world.delays.imds_linger:
                old[before.profile.role_name] = self._issued(instance_id, before.profile)
        return old

    def _live(self) -> Iterable[Association]:
        return (each for each in self._associations if each.ended == NEVER)

    def _begin(self, instance_id: str, profile: Profile, *, lag: float) -> Association:
        association = Association(
            f"iip-assoc-{secrets.token_hex(9)[:17]}", instance_id, profile, self.world.clock()
        )
        self._associations.append(association)
        self._serve(instance_id, profile, lag)
        self.moments.note(instance_id, Aspect.PROFILE, profile.arn)
        return association

    def _end(self, association: Association) -> Association:
        ended = replace(association, ended=self.world.clock())
        self._associations[self._associations.index(association)] = ended
        return ended

    def _serve(self, instance_id: str, profile: Profile | None, lag: float) -> None:
        services = self._services.setdefault(instance_id, [])
        services.append(_Service(self.world.clock() + lag, profile))
        if lag != NEVER:
            arn = "" if profile is None else profile.arn
            self.moments.note(instance_id, Aspect.IMDS, arn, delay=lag)

    def _serving(self, instance_id: str, now: float) -> Profile | None:
        begun = [each for each in self._services.get(instance_id, ()) if each.begins <= now]
        return begun[-1].profile if begun else None

    def _lag(self, instance_type: str) -> float:
        if self.world.faults.take("imds-stuck", instance_type):
            return NEVER
        late = self.world.faults.take("imds-lag", instance_type)
        return self.world.delays.imds_swap if late is None else late.seconds

    def _issued(self, instance_id: str, profile: Profile) -> Keys:
        keys = self._keys.get((instance_id, profile.role_id))
        soon = datetime.fromtimestamp(self.world.clock() + RENEW_SECONDS, UTC)
        if keys is None or keys.expires <= soon:
            keys = self.world.credentials.issue(
                instance_principal(instance_id, profile), self.world.config.credentials_lifetime
            )
            self._keys[instance_id, profile.role_id] = keys
        return keys
