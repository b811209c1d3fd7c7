"""What a job is given besides its machine: names of folders and of a role, never a secret. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.grants import denial, given
from mayfly.records.model import Claim
from mayfly_protocol.grants import Grants
from mayfly_protocol.slugs import folders, repository_slug


@dataclass(frozen=True, slots=True)
class Granted:
    """What the queue's present configuration gives a job."""

    role: str
    """ARN of the role; empty for none."""
    minutes: int
    """Life of one set of the role's credentials; 0 without a role."""
    no_role: str
    """Why there is no role, where the queue has roles; else empty."""
    folders: tuple[str, ...]
    """Folders of secrets, those with less weight first; none where the queue has no secrets."""
    no_folder: str
    """Why the job's repository has no folder; empty where it has one, or there are no secrets."""

    def words(self) -> Iterator[tuple[str, str]]:
        """Pairs of what is given and its name, as people read them."""
        if self.role:
            yield "role", f"{self.role} ({self.minutes} min)"
        elif self.no_role:
            yield "role", f"none: {self.no_role}"
        if self.folders:
            yield "secrets", ", ".join(self.folders)
        if self.no_folder:
            yield "secrets", self.no_folder


def granted_of(claim: Claim, config: QueueConfig | None) -> Granted | None:
    """What a claim's job is given; None for nothing, for an ended job, and for a denied one."""
    if config is None or not claim.state.traits.open or denial(config, claim.facts):
        return None
    grants = given(config, claim.facts)
    return None if grants is None else named(grants)


def named(grants: Grants) -> Granted:
    """The names in an assignment's grants."""
    role, secrets, facts = grants.role, grants.secrets, grants.facts
    found = folders(facts.pipeline, facts.repository) if secrets is not None else ()
    path = secrets.path if secrets is not None else ""
    unnamed = secrets is not None and repository_slug(facts.repository) is None
    return Granted(
        role=role.arn if role is not None else "",
        minutes=role.seconds // 60 if role is not None else 0,
        no_role=grants.no_role,
        folders=tuple(f"{path}/{folder}" for folder in found),
        no_folder="none of its repository, whose URL names no folder" if unnamed else "",
    )
