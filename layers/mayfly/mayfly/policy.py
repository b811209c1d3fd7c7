"""Which jobs a queue takes, decided before anything is launched for them.

Only those variables count that Buildkite itself sets for every job, for they win over the
pipeline's own `env` (Buildkite's page on environment variables). One that may be absent could be
supplied by the pipeline, and one that stems from a commit by whoever wrote the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mayfly.repository import canonical_repository, same_repository

if TYPE_CHECKING:  # the configuration holds rules, so it imports this module
    from mayfly.config.queue import QueueConfig

__all__ = [
    "KEYS",
    "REFUSED_KEYS",
    "UNREADABLE",
    "Condition",
    "Denial",
    "Rule",
    "decide",
    "parse_rules",
    "repository_parameter",
    "restricted",
    "same_repository",
]

KEYS: Mapping[str, str] = {
    "pipeline": "slugs of pipelines",
    "repository": "clone URLs; `/*` at the end stands for any repository of that owner",
    "branch": "branch names (or the tag, for a build of a tag); `*` stands for anything but `/`",
    "source": "what made the build: `webhook`, `api`, `ui`, `trigger_job`, `schedule`",
    "fork": "`no` or `yes`: whether it is a pull request from another repository",
}
"""Keys of conditions, in the order of the canonical line, and what their values are."""

_UNVERIFIED = "for builds by webhook it is taken from a commit, whose author nobody verified"
_OPTIONAL = "Buildkite does not set it for every job, so a pipeline could set it itself"
_CHOSEN = "whoever writes the pipeline or the commit chooses it"
REFUSED_KEYS: Mapping[str, str] = {
    "creator": _UNVERIFIED,
    "team": _UNVERIFIED,
    "teams": _UNVERIFIED,
    "email": _UNVERIFIED,
    "author": _UNVERIFIED,
    "unblocker": _OPTIONAL,
    "tag": f"{_OPTIONAL}; a build of a tag has the tag's name as its branch",
    "triggered-from": _OPTIONAL,
    "step": _CHOSEN,
    "label": _CHOSEN,
    "message": _CHOSEN,
    "commit": _CHOSEN,
}
"""Keys that people ask for and that prove nothing, and why."""

SOURCES = frozenset({"webhook", "api", "ui", "trigger_job", "schedule"})
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_BRANCH = re.compile(r"[^\s,~^?\[\\\x00-\x20\x7f]+")
_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")
_ORDER = tuple(KEYS)


@dataclass(frozen=True, slots=True)
class Condition:
    """A job meets it when its value for the key is one of these."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """`key=value,value`."""
        return f"{self.key}={','.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of conditions that must hold together. One rule that holds lets a job in."""

    name: str
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ValueError("a rule without a condition would let everybody in")

    def __str__(self) -> str:
        """The canonical line, in which the host gets the rule; equal rules give equal lines."""
        return " ".join(str(each) for each in self.conditions)


UNREADABLE = Rule("unreadable", (Condition("pipeline", ()),))
"""Stands for rules that cannot be read: the queue is restricted, and this lets nobody in."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a job may not run on a queue, for its page on Buildkite."""

    reason: str


def parse_rules(name: str, text: str) -> tuple[Rule, ...]:
    """The rules in the text of one parameter, one a line.

    Raises ValueError that names the line, the column and the word at fault.
    """
    rules = tuple(
        _rule(name, line, number)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    )
    if not rules:
        # An empty text must not read as "no rules", which would mean "not restricted".
        raise ValueError("it has no line")
    return rules


def _rule(name: str, line: str, number: int) -> Rule:
    found: dict[str, tuple[str, ...]] = {}
    for word in re.finditer(r"\S+", line):
        where = f"line {number}, column {word.start() + 1}"
        try:
            key, values = _condition(word.group())
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if key in found:
            raise ValueError(f"{where}: {key} stands twice; write {key}=one,other")
        found[key] = values
    if "branch" in found:
        # A fork's main is called main too: a branch alone would let every fork in.
        found.setdefault("fork", ("no",))
    return Rule(name, tuple(Condition(key, found[key]) for key in _ORDER if key in found))


def _condition(word: str) -> tuple[str, tuple[str, ...]]:
    key, equals, text = word.partition("=")
    if key in REFUSED_KEYS:
        raise ValueError(f"{key} cannot be used: {REFUSED_KEYS[key]}")
    if not equals or key not in KEYS:
        raise ValueError(f"{word!r} is not key=value with a key of {', '.join(KEYS)}")
    values = tuple(sorted(set(text.split(","))))
    for value in values:
        _check(key, value)
    return key, values


def _check(key: str, value: str) -> None:
    """Raise ValueError unless the value is one that a job could have for the key."""
    match key:
        case "pipeline":
            good = bool(_SLUG.fullmatch(value))
        case "repository":
            good = not _PASSWORD.search(value) and _owner_or_repository(value) is not None
        case "branch":
            good = bool(_BRANCH.fullmatch(value))
        case "source":
            good = value in SOURCES
        case _:
            good = value in {"no", "yes"}
    if not good:
        raise ValueError(f"{key}={value} is not one of: {KEYS[key]}")


def _owner_or_repository(value: str) -> str | None:
    """The canonical form of a repository, or of an owner with `/` at its end."""
    if not value.endswith("/*"):
        return canonical_repository(value)
    any_of_them = canonical_repository(f"{value[:-1]}x")
    return any_of_them and any_of_them[:-1]


def restricted(config: QueueConfig) -> bool:
    """Whether a job's environment must be read before the job may be reserved."""
    return bool(config.rules) or config.repository_from is not None


def repository_parameter(config: QueueConfig, environment: Mapping[str, str]) -> str | None:
    """The parameter that holds the repository of the job's pipeline; None when there is none."""
    slug = environment.get("BUILDKITE_PIPELINE_SLUG", "")
    if config.repository_from is None or not _SLUG.fullmatch(slug):
        return None
    return config.repository_from.replace("{pipeline}", slug)


def decide(
    config: QueueConfig, environment: Mapping[str, str], repository: str | None
) -> Denial | None:
    """Whether the queue takes a job: None, or why not.

    `environment` is the job's as Buildkite made it; `repository` the value of
    `repository_parameter`, None when that parameter does not exist.
    """
    facts = _facts(environment)
    if config.rules:
        failing = [tuple(_failing(rule, facts)) for rule in config.rules]
        if config.rules == (UNREADABLE,):
            return _denied(config, facts, "its policy cannot be read at present")
        if all(failing):
            return _denied(config, facts, _nearest(failing))
    if config.repository_from is not None:
        if repository is None:
            return _denied(config, facts, "no repository is registered for its pipeline")
        if not same_repository(repository, environment.get("BUILDKITE_REPO", "")):
            return _denied(config, facts, "another repository is registered for its pipeline")
    return None


def _facts(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What Buildkite says of the job; what it does not say is left out, and meets no condition."""
    names = {
        "pipeline": "BUILDKITE_PIPELINE_SLUG",
        "repository": "BUILDKITE_REPO",
        "branch": "BUILDKITE_BRANCH",
        "source": "BUILDKITE_SOURCE",
    }
    facts = {key: environment[name] for key, name in names.items() if environment.get(name)}
    pull_request = environment.get("BUILDKITE_PULL_REQUEST")
    if pull_request == "false":
        facts["fork"] = "no"
    elif pull_request:
        origin = environment.get("BUILDKITE_PULL_REQUEST_REPO", "")
        facts["fork"] = "no" if same_repository(origin, facts.get("repository", "")) else "yes"
    return facts


def _failing(rule: Rule, facts: Mapping[str, str]) -> Iterator[str]:
    """Keys of the conditions that the job does not meet."""
    for condition in rule.conditions:
        fact = facts.get(condition.key)
        if fact is None or not any(
            _meets(condition.key, value, fact) for value in condition.values
        ):
            yield condition.key


def _meets(key: str, value: str, fact: str) -> bool:
    if key == "repository":
        wanted, actual = _owner_or_repository(value), canonical_repository(fact)
        if wanted is None or actual is None:
            return False
        owner, slash, _ = actual.rpartition("/")
        return wanted in {actual, owner + slash}
    if key == "branch":
        # Like GitHub's branch protection, so that a rule lets in no branch that the same pattern
        # leaves unprotected there.
        return bool(re.fullmatch("[^/]*".join(map(re.escape, value.split("*"))), fact))
    return value == fact


def _nearest(failing: list[tuple[str, ...]]) -> str:
    """What the rule that comes closest lacks, if there is one for this pipeline and repository.

    Values are not told: a rule's others may name what this job's readers must not know of.
    """
    near = [keys for keys in failing if not {"pipeline", "repository"} & set(keys)]
    if not near:
        return "none of its rules is for this pipeline and repository"
    closest = min(near, key=lambda keys: (len(keys), keys))
    lacking = " and ".join("origin" if key == "fork" else key for key in closest)
    return f"a rule that is for this pipeline asks for another {lacking}"


def _denied(config: QueueConfig, facts: Mapping[str, str], why: str) -> Denial:
    fork = {"no": "not from a fork", "yes": "from a fork"}.get(facts.get("fork", ""), "")
    repository = canonical_repository(facts.get("repository", ""))
    told = {
        **{key: facts.get(key) for key in ("pipeline", "branch", "source")},
        # In its canonical form it cannot hold a password.
        "repository": repository or "(of a form that policies do not accept)",
    }
    seen = [f"{key} {_printable(text)}" for key in _ORDER if (text := told.get(key))]
    return Denial(
        f"Queue {config.queue} does not take this job ({', '.join(filter(None, [*seen, fork]))}): "
        f"{why}. Run it on another queue, or ask those who own the policy of {config.queue} "
        "to allow it."
    )


def _printable(text: str) -> str:
    """At most 200 characters of it, none of which could steer a terminal or forge a line."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])
