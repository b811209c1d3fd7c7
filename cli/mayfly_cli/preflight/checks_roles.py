"""Findings about the policies that a queue's roles would carry, by the judgement of `provision`.

`provision` launches no instance for a queue whose roles could do too much, so the queue would be
deployed, and none of its jobs would run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mayfly.answers import Policy, Role
from mayfly.iam.documents import statements_of
from mayfly.iam.judgement import is_of_stack, why_refused
from mayfly.iam.place import Place
from mayfly_cli.checkout import ROOT
from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Snapshot
from mayfly_cli.templates.reading import read
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment

_KINDS = {"bootstrap": "BootstrapPolicies", "sandbox": "SandboxPolicies"}
_BOUNDARY = "PermissionsBoundary"


def named(answers: Answers) -> tuple[str, ...]:
    """ARNs of the policies and of the boundary in the answers."""
    if not answers.queue:
        return ()
    every = (*_KINDS.values(), _BOUNDARY)
    return tuple(arn for name in every for arn in _split(answers.queue_stack[name]))


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """One finding for each role that would carry a managed policy."""
    for kind, parameter in _KINDS.items():
        arns = _split(answers.queue_stack[parameter])
        if arns:
            yield _finding(kind, arns, answers, seen)


def _finding(kind: str, arns: tuple[str, ...], answers: Answers, seen: Snapshot) -> Finding:
    subject = f"{kind} policies"
    boundary = _split(answers.queue_stack[_BOUNDARY])
    found: list[Policy] = []
    for arn in (*arns, *boundary):
        match seen.policies.get(arn, Unknown("preflight did not read it")):
            case Unknown(reason):
                return unknown(subject, f"{arn}: {reason}")
            case None:
                return wrong(subject, f"there is no policy {arn}", "list: aws iam list-policies")
            case Policy() as policy:
                found.append(policy)
    other = "bootstrap" if kind == "sandbox" else "sandbox"
    shared = sorted(set(arns) & set(_split(answers.queue_stack[_KINDS[other]])))
    if shared := [arn for arn in shared if not is_of_stack(arn, answers.stack)]:
        detail = f"both roles would carry {', '.join(shared)}, and the queue would be refused"
        return wrong(subject, detail, f"take it out of {_KINDS['sandbox']}")
    policies = tuple(found[: len(arns)])
    refused = list(_refused(kind, policies, found[-1] if boundary else None, answers, seen))
    if not refused:
        return ok(subject, ", ".join(arns))
    effects, _, remedy = " ".join(refused).rpartition(": ")
    return wrong(subject, f"the queue would be refused: {effects}", remedy)


def _refused(
    kind: str,
    attached: tuple[Policy, ...],
    boundary: Policy | None,
    answers: Answers,
    seen: Snapshot,
) -> Iterator[str]:
    own = _resources(answers, seen)[f"{kind.capitalize()}Role"]["Properties"]
    inline = (Policy(p["PolicyName"], statements_of(p["PolicyDocument"])) for p in own["Policies"])
    partition = seen.caller.split(":")[1]
    arn = f"arn:{partition}:iam::{seen.account}:role{own['Path']}{kind}"
    trust = statements_of(own["AssumeRolePolicyDocument"])
    # Nobody knows the id of a role before it exists, and no policy can name it.
    role = Role(arn, "AROAUNKNOWN", trust, (*inline, *attached), boundary)
    place = Place(
        role=arn,
        role_id=role.id,
        region=seen.region,
        stack=answers.stack,
        queue=answers.queue,
        token_parameter=answers.control["TokenParameter"],
        script_prefix=answers.queue_stack["ScriptPrefix"],
        secrets_path=answers.queue_stack["SecretsPath"],
    )
    return why_refused(kind, role, place)


def _resources(answers: Answers, seen: Snapshot) -> dict[str, dict[str, Any]]:
    """The queue's resources in the caller's account; `Deployment` invents account and region."""
    infra = f"/mayfly-infra/{answers.stack}"
    stored = {
        f"{infra}/token-parameter": answers.control["TokenParameter"],
        f"{infra}/token-key": answers.control["TokenKmsKey"],
    }
    template = read(ROOT / "stacks" / "queue.yaml")
    name = f"{answers.stack}-{answers.queue}"
    text = json.dumps(Deployment(template, name, answers.queue_stack, stored).resources)
    partition = seen.caller.split(":")[1]
    here = text.replace(ACCOUNT, seen.account).replace(REGION, seen.region)
    found: dict[str, dict[str, Any]] = json.loads(here.replace("arn:aws:", f"arn:{partition}:"))
    return found


def _split(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))
