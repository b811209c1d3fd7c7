"""Facts about a job that decide what the job is given: its secrets and its role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_protocol.rules import facts


@dataclass(frozen=True)
class JobFacts:
    """Facts from the environment that Buildkite states for a job; an unknown one is empty.

    Buildkite itself sets these variables, which win over the pipeline's own `env`. Teams are the
    exception, see `teams`.
    """

    organization: str = ""
    """Slug of the organization."""
    pipeline: str = ""
    """Slug of the pipeline."""
    build: str = ""
    """Number of the build."""
    repository: str = ""
    """Clone URL."""
    branch: str = ""
    """Branch, or tag for a build of a tag."""
    source: str = ""
    """`webhook`, `api`, `ui`, `trigger_job` or `schedule`."""
    fork: str = ""
    """`yes` for a pull request from another repository, else `no`."""
    teams: tuple[str, ...] = ()
    """Slugs of the teams of the build's creator and of its unblocker. Builds by webhook take the
    creator from a commit, whose author nobody verifies: teams may narrow what a job is given, and
    may never widen it."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> JobFacts:
        """The facts in a job's environment as Buildkite's API states the environment."""
        seen = facts(environment)
        named = ("BUILDKITE_BUILD_CREATOR_TEAMS", "BUILDKITE_UNBLOCKER_TEAMS")
        teams = {team for name in named for team in environment.get(name, "").split(":") if team}
        return cls(
            organization=environment.get("BUILDKITE_ORGANIZATION_SLUG", ""),
            pipeline=seen.get("pipeline", ""),
            build=environment.get("BUILDKITE_BUILD_NUMBER", ""),
            repository=seen.get("repository", ""),
            branch=seen.get("branch", ""),
            source=seen.get("source", ""),
            fork=seen.get("fork", ""),
            teams=tuple(sorted(teams)),
        )

    def conditions(self) -> dict[str, str]:
        """The facts by key of a rule's condition, as `mayfly_protocol.rules` takes them."""
        keys = ("pipeline", "repository", "branch", "source", "fork")
        return {key: value for key in keys if (value := getattr(self, key))}

    def compared(self) -> dict[str, str]:
        """The facts by variable of the job, as Buildkite states them to the agent, too.

        Without teams, which only narrow what the job is given, and without `fork`, which follows
        from others.
        """
        return {
            "BUILDKITE_ORGANIZATION_SLUG": self.organization,
            "BUILDKITE_PIPELINE_SLUG": self.pipeline,
            "BUILDKITE_BUILD_NUMBER": self.build,
            "BUILDKITE_REPO": self.repository,
            "BUILDKITE_BRANCH": self.branch,
            "BUILDKITE_SOURCE": self.source,
        }

    def to_row(self) -> dict[str, object]:
        """The facts as plain values, which `parse` reads."""
        return {**vars(self), "teams": list(self.teams)}

    @classmethod
    def parse(cls, found: object) -> JobFacts:
        """The facts from plain values. Raises ValueError for any other value."""
        names = set(vars(cls()))
        if not isinstance(found, Mapping) or not names <= set(found):
            raise ValueError("there are no readable facts about the job")
        teams = found["teams"]
        plain = {name: found[name] for name in names - {"teams"}}
        texts = [*plain.values(), *(teams if isinstance(teams, (list, tuple)) else [None])]
        if not all(isinstance(each, str) for each in texts):
            raise ValueError("a fact about the job is not a text")
        return cls(**plain, teams=tuple(teams))
