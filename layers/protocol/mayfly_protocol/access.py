"""Lists beside secrets, of pipelines and teams that may use a folder: names and judgement.

A list denies the whole job, as in the layout's origin: `<path>/global/allowed_pipelines` guards the
whole queue. Both lists of a folder must let the job in, and an absent list lets every job in. What
cannot be read lets nobody in; that is for the caller to see to, who knows what was read.
"""

from __future__ import annotations

from collections.abc import Mapping

from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.slugs import folders

PIPELINES = "allowed_pipelines"
TEAMS = "allowed_teams"


def list_names(path: str, facts: JobFacts) -> tuple[str, ...]:
    """Full names of the parameters that may hold a list for this job, in order of the folders."""
    found = folders(facts.pipeline, facts.repository)
    return tuple(f"{path}/{folder}/{name}" for folder in found for name in (PIPELINES, TEAMS))


def denial(lists: Mapping[str, str], facts: JobFacts) -> str:
    """Why a list denies the job, in a line without the list's entries; empty if all let it in.

    `lists` has the texts of those parameters of `list_names` that exist, by full name.
    """
    for name in sorted(lists):
        allowed = entries(lists[name])
        kind = name.rpartition("/")[2]
        if kind == PIPELINES and facts.pipeline not in allowed:
            return f"its pipeline is not in {name}"
        if kind == TEAMS and not _has_team(allowed, facts):
            return f"none of its teams is in {name}"
    return ""


def entries(text: str) -> frozenset[str]:
    """The entries of a list, one a line; blanks around an entry and empty lines do not count.

    A list without an entry lets nobody in.
    """
    return frozenset(line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip())


def _has_team(allowed: frozenset[str], facts: JobFacts) -> bool:
    # A schedule has no person behind it, and so no teams.
    if facts.source == "schedule" and not facts.teams:
        return True
    return not allowed.isdisjoint(facts.teams)
