"""Decides whether a queue's roles may be given to instances, and for how long that is known.

A verdict stands in the queue's record, so every worker of `provision` knows it, and no launch waits
for IAM: the tick of each minute reads roles, the ticks of jobs compare.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta

from mayfly.answers import Role
from mayfly.config.infra import Infra
from mayfly.iam.judgement import is_of_stack, why_refused, why_shared
from mayfly.iam.place import Place
from mayfly.records.bounds import LONGEST_REASON, cut
from mayfly.records.model import RolesVerdict

REREAD = timedelta(minutes=10)
"""Age from which on a verdict is made anew. Each tick compares what is attached to a role; a change
of an inline policy, of a policy's version, of a boundary or of a trust policy shows by then."""
LONGEST_UNREAD = timedelta(hours=1)
"""How long the last verdict counts while IAM does not answer."""


def subject(
    infra: Infra, bootstrap: Collection[str], sandbox: Collection[str], token_parameter: str
) -> str:
    """A digest of what a verdict is about; another subject needs another verdict.

    `bootstrap` and `sandbox` are the ARNs of the policies attached to the roles.
    """
    about = [
        [infra.bootstrap_role, infra.bootstrap_role_id, sorted(bootstrap)],
        [infra.sandbox_role, infra.sandbox_role_id, sorted(sandbox)],
        [infra.script_prefix, token_parameter, infra.secrets_path],
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def is_in_force(verdict: RolesVerdict | None, about: str, now: datetime) -> bool:
    """Whether a verdict needs no reading of the roles at present."""
    return verdict is not None and verdict.about == about and now - verdict.at < REREAD


def why_not_known(verdict: RolesVerdict | None, about: str, now: datetime) -> str:
    """Why it is not known whether the roles may be used; empty where a verdict counts."""
    if verdict is None:
        return "the queue's roles have not been read from IAM so far"
    if verdict.about != about:
        return "the policies of the queue's roles have changed, and are read within a minute"
    if now - verdict.at > LONGEST_UNREAD:
        return f"the queue's roles could not be read from IAM since {verdict.at:%Y-%m-%d %H:%M} UTC"
    return ""


def judged(infra: Infra, bootstrap: Role, sandbox: Role, place: Place) -> str:
    """Why no instance may have the roles of a queue, in one text; empty when instances may.

    `place` is of the sandbox role.
    """
    reasons = list[str]()
    for kind, role, expected in (
        ("bootstrap", bootstrap, infra.bootstrap_role_id),
        ("sandbox", sandbox, infra.sandbox_role_id),
    ):
        if role.id != expected:
            # The proof is a write under this id: another role's id would prove nothing.
            reasons.append(f"the id of the {kind} role is {role.id}, and {expected} is published")
        reasons.extend(why_refused(kind, role, place.of(role.arn, role.id)))
    reasons.extend(why_shared(bootstrap, sandbox, place.stack))
    return cut(". ".join(reasons), LONGEST_REASON)


def shared_policies(bootstrap: Collection[str], sandbox: Collection[str], stack: str) -> str:
    """Why the change of roles takes no right away, by attached policies; empty when it does."""
    shared = sorted(each for each in set(bootstrap) & set(sandbox) if not is_of_stack(each, stack))
    if not shared:
        return ""
    return f"the queue's sandbox role has policies of its bootstrap role: {', '.join(shared)}"
