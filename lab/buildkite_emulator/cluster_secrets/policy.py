"""Access policies of secrets (buildkite/docs secrets/buildkite_secrets/access_policies.md).

A policy is a list of rules. A job may read a secret if it meets all claims of at least one rule. It
meets a claim by any one of the claim's conditions; `*` in a condition matches any text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

CLAIMS = frozenset(
    {
        "pipeline_id",
        "build_source",
        "cluster_queue_id",
        "cluster_queue_key",
        "pipeline_slug",
        "build_branch",
        "build_creator",
        "build_creator_team",
    }
)

Rule = Mapping[str, tuple[str, ...]]


class PolicyError(ValueError):
    """The text is not a valid policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The jobs that may read a secret."""

    rules: tuple[Rule, ...] | None
    """None: every job of the cluster."""

    @classmethod
    def read(cls, text: str | None) -> Policy:
        """Read a policy; None or an empty text lets every job read.

        Raises:
            PolicyError: the text is not a list of rules, or has an unknown claim.
        """
        try:
            content = yaml.safe_load(text or "")
        except yaml.YAMLError as error:
            raise PolicyError(f"the policy is not YAML: {error}") from None
        if content is None:
            return cls(None)
        if not isinstance(content, list):
            raise PolicyError("the policy must be a list of rules")
        return cls(tuple(_rule(each) for each in content))

    def allows(self, claims: Mapping[str, str]) -> bool:
        """True if a job with these claims may read the secret."""
        if self.rules is None:
            return True
        return any(
            all(_is_met(conditions, claims.get(name, "")) for name, conditions in rule.items())
            for rule in self.rules
        )


def _rule(content: object) -> Rule:
    if not isinstance(content, dict) or not content:
        raise PolicyError("a rule of the policy must be a mapping of claims")
    unknown = sorted(map(str, set(content) - CLAIMS))
    if unknown:
        raise PolicyError(f"the policy has an unknown claim: {unknown[0]}")
    return {name: _conditions(given) for name, given in content.items()}


def _conditions(given: object) -> tuple[str, ...]:
    conditions = given if isinstance(given, list) else [given]
    if not conditions or not all(isinstance(each, str) for each in conditions):
        raise PolicyError("a claim of the policy takes a string, or a list of strings")
    return tuple(conditions)


def _is_met(conditions: tuple[str, ...], value: str) -> bool:
    patterns = (".*".join(map(re.escape, each.split("*"))) for each in conditions)
    return any(re.fullmatch(pattern, value, re.DOTALL) for pattern in patterns)
