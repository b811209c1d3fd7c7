"""The policy of a queue: decides about a job before an instance is launched for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly.answers import Parameter
from mayfly.config.queue import QueueConfig
from mayfly.config.rules import KEYS, SLUG
from mayfly.records.bounds import cut
from mayfly_protocol import rules
from mayfly_protocol.repository import canonical_repository, same_repository
from mayfly_protocol.secret_shapes import without_secrets

LONGEST_FACT = 600
"""Bytes of one fact about the job in a denial. The five of them, with rule and remedy, fit into
what Buildkite's page and the claim's record take."""


_NOT_TAKEN = " does not take this job: "


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a job may not run on a queue, for its page on Buildkite."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a job waits: what must be read to allow or deny it cannot be read at present."""

    reason: str
    parameter: str = ""
    """What cannot be read; empty for the queue's own policy, whose parameters `provision` names."""


def repository_parameter(config: QueueConfig, environment: Mapping[str, str]) -> str | None:
    """Name of the parameter with the pipeline's repository.

    None when the queue has no `policy/repository-from` or the environment no valid pipeline slug.
    """
    slug = environment.get("BUILDKITE_PIPELINE_SLUG", "")
    if config.repository_from is None or not SLUG.fullmatch(slug):
        return None
    return config.repository_from.replace("{pipeline}", slug)


def repository_of(found: Parameter | None) -> str | None:
    """The text of a parameter with a pipeline's repository, None for no parameter.

    Empty, which is no repository, for ciphertext: nothing here decrypts.
    """
    if found is None:
        return None
    return "" if found.kind == "SecureString" else found.value.strip()


def is_repository(value: str | None) -> bool:
    """Whether a parameter's value tells which repository a pipeline must have; None tells: none."""
    return value is None or canonical_repository(value) is not None


def decide(
    config: QueueConfig, environment: Mapping[str, str], repository: str | None
) -> Denial | Unread | None:
    """None when the queue takes the job, else the denial; Unread for a job that has to wait.

    Only a policy that was read denies. While the present policy cannot be read, the last one still
    lets jobs in; a job that the last one does not let in waits, for the present one may allow it.

    `environment` is the job's environment from Buildkite; `repository` is the value of the
    parameter that `repository_parameter` names, None when that parameter does not exist.
    """
    denial = None if config.closed else _denied(config, environment, repository)
    if config.closed or (denial is not None and config.policy_unread):
        return Unread(f"the policy of queue {config.queue} cannot be read at present")
    return denial


def _denied(
    config: QueueConfig, environment: Mapping[str, str], repository: str | None
) -> Denial | None:
    """The denial by the last policy that was read; None when it lets the job in."""
    facts = rules.facts(environment)
    if config.rules_read:
        failing = [rules.failing(rule.pairs(), facts) for rule in config.rules_read]
        if all(failing):
            return denial_of(config, facts, _closest_rule(failing))
    if config.repository_from is not None:
        if repository is None:
            return denial_of(config, facts, "no repository is registered for its pipeline")
        if not same_repository(repository, environment.get("BUILDKITE_REPO", "")):
            return denial_of(config, facts, "another repository is registered for its pipeline")
    return None


def _closest_rule(failing: list[tuple[str, ...]]) -> str:
    """The conditions that the closest rule for this pipeline and repository lacks, as text.

    Values are not shown: a rule may name branches that readers of this job must not know.
    """
    near = [keys for keys in failing if not {"pipeline", "repository"} & set(keys)]
    if not near:
        return "none of its rules is for this pipeline and repository"
    closest = min(near, key=lambda keys: (len(keys), keys))
    lacking = " and ".join("origin" if key == "fork" else key for key in closest)
    return f"a rule that is for this pipeline asks for another {lacking}"


def denial_of(
    config: QueueConfig,
    facts: Mapping[str, str],
    why: str,
    remedy: str = "",
    teams: Sequence[str] = (),
) -> Denial:
    """The denial: rule and remedy first, for a page takes `LONGEST_REASON` bytes; the job last.

    Without a `remedy` of its own a denial is the policy's.
    """
    queue = config.queue
    remedy = remedy or (
        f"Run it on another queue, or ask those who own the policy of {queue} to allow it."
    )
    fork = {"no": "not from a fork", "yes": "from a fork"}.get(facts.get("fork", ""), "")
    repository = canonical_repository(facts.get("repository", ""))
    told = {
        **{key: facts.get(key) for key in ("pipeline", "branch", "source")},
        # The canonical form of a URL cannot hold a password.
        "repository": repository or "(of a form that policies do not accept)",
    }
    seen = [f"{key} {_printable(text)}" for key in KEYS if (text := told.get(key))]
    seen += [f"teams {_printable(' '.join(teams))}"] if teams else []
    job = ", ".join(filter(None, [*seen, fork]))
    return Denial(f"Queue {queue}{_NOT_TAKEN}{why}. {remedy} The job: {job}.")


def in_short(reason: str) -> str:
    """Why the job of a denial's reason is denied; another reason as it is."""
    found = reason.partition(_NOT_TAKEN)[2].partition(". ")[0]
    return found or reason


def _printable(text: str) -> str:
    """The text without secrets; `?` for any character that could forge a line of a terminal."""
    known = without_secrets(text, "[redacted]")
    return cut("".join(char if char.isprintable() else "?" for char in known), LONGEST_FACT)
