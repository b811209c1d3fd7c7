"""Findings about the KMS key that the queue's stack makes for secrets of jobs."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.iam.matching import arn_matches
from mayfly.iam.request import Request
from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Snapshot

_KEY, _ADMINISTRATORS = "secrets key", "SecretsKeyAdministrators"
_NEEDED = ("SecretsPath", _ADMINISTRATORS, "SecretsOwners")
"""Answers without which the stack refuses a key of its own: its rule OwnKeyIsComplete."""
_LATER = Request("kms:PutKeyPolicy", "*", {})


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Whether the stack can make its key; nothing for a stack that makes none."""
    if not answers.makes_key:
        return
    missing = [name for name in _NEEDED if not answers.queue_stack[name]]
    if missing:
        needed = ", ".join(missing)
        yield wrong(_KEY, f"SecretsKey=own needs {needed}, too", f"answer {needed}")
    else:
        yield _administered(answers, seen)


def _administered(answers: Answers, seen: Snapshot) -> Finding:
    """Whether the key's policy names who deploys.

    Source: KMS API reference, CreateKey, BypassPolicyLockoutSafetyCheck: the key policy must allow
    the caller a later PutKeyPolicy.
    """
    who = seen.principal
    if isinstance(who, Unknown):
        return unknown(_KEY, f"cannot tell whether the caller would administer it: {who.reason}")
    named = answers.queue_stack[_ADMINISTRATORS].split(",")
    if who.endswith(":root") or any(arn_matches(each, who, _LATER) for each in named):
        return ok(_KEY, f"the stack makes one, which {who} may administer")
    detail = f"{who} is not in {_ADMINISTRATORS}: KMS refuses a key whose maker cannot change it"
    return wrong(_KEY, detail, f"add it to {_ADMINISTRATORS}, or deploy with a role that is there")
