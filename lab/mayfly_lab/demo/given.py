"""What the demo's queue `deploy` gives the jobs of releases: secrets of every kind, and a role.

Each is a canary, new in each run: `token-stays` looks for all of them. The job proves what it got
by hashes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mayfly_instance.ssh import PROGRAMS
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.aws.front.traffic import answers_to
from mayfly_lab.given import make_key, put_secrets
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.report.checks import Check
from mayfly_lab.report.collect import PROCESS_LIST, log_of
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.screen import folded
from mayfly_lab.report.seeking import Secret, forms, holds
from mayfly_protocol.slugs import GLOBAL, repository_slug

QUEUE, PIPELINE, STEP = "deploy", "release", "staging"
_PATH = f"/vendors/buildkite/{QUEUE}"
_SHARED_KEY = f"{_PATH}/plugins/ssh-key"
_ROLES, _ROLE = "/ci/", "release-deploy"
_ARN = f"arn:aws:iam::{ACCOUNT}:role{_ROLES}{_ROLE}"
_FROM_FOLDERS = frozenset({answers_to(Kind.SANDBOX, "ssm:GetParametersByPath")})
_BY_NAME = frozenset({answers_to(Kind.SANDBOX, "ssm:GetParameters")})
_WITH_ROLE = frozenset({answers_to(Kind.SANDBOX, "sts:AssumeRole")})


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret that is laid down, and the words in its job's log that prove its arrival."""

    parameter: str
    """Its full name; `what` of the secret says the kind."""
    secret: Secret
    proof: str


@dataclass(frozen=True, slots=True)
class Canaries:
    """What one run of the demo gives."""

    laid_down: Sequence[Canary]
    has_key: bool
    """Whether a key for ssh is among them."""

    @property
    def secrets(self) -> list[Secret]:
        """The values that are laid down."""
        return [each.secret for each in self.laid_down]


def new_canaries(repository: str, *, has_ssh: bool) -> Canaries:
    """New values for a repository of this clone URL; a key only where machines have ssh."""
    folder = repository_slug(repository)
    lines = "".join(f"line {number} {secrets.token_hex(16)}\n" for number in range(3))
    values = [
        (GLOBAL, "PROXY_PASSWORD", _value()),
        (folder, "PACKAGE_TOKEN", _value()),
        (PIPELINE, "RELEASE_TOKEN", _value()),
        (PIPELINE, "SIGNING_NOTE", f"BEGIN\n{lines}END"),
    ]
    variables = [
        Canary(
            f"{_PATH}/{each}/env/{name.lower().replace('_', '-')}",
            Secret(f"the variable {name}", value, _FROM_FOLDERS),
            proof_of(name, value),
        )
        for each, name, value in values
    ]
    return Canaries([*variables, *([_key()] if has_ssh else [])], has_ssh)


def proof_of(name: str, value: str) -> str:
    """The words by which `examples/given.py` proves a value."""
    return f"{name} sha256 {hashlib.sha256(value.encode()).hexdigest()}"


def with_given(choices: LabChoices, *, has_ssh: bool) -> LabChoices:
    """The choices for a lab whose queue gives canaries, and which keeps what could show them."""
    role = f"pipeline={PIPELINE} branch=release/* -> {_ARN} minutes=15"
    own = {"secrets/path": "/vendors/buildkite/{queue}", "role/releases": role}
    if has_ssh:
        own["secrets/shared-ssh-keys"] = _SHARED_KEY
    parameters = {**choices.parameters, QUEUE: {**choices.parameters.get(QUEUE, {}), **own}}
    stacks = {**choices.stacks, QUEUE: {"SecretsPath": _PATH, "JobRolePath": _ROLES}}
    roles = {**choices.roles, QUEUE: [f"{_ROLES}{_ROLE}"]}
    return replace(choices, parameters=parameters, stacks=stacks, roles=roles, traces=True)


def lay_down(lab: Lab, canaries: Canaries) -> None:
    """Put the canaries into Parameter Store, as their owners do."""
    values = {each.parameter: each.secret.value for each in canaries.laid_down}
    put_secrets(lab.aws.client("ssm"), values)


def told(canaries: Canaries) -> Iterator[str]:
    """Lines for the screen: what is given, and what this machine cannot."""
    names = ", ".join(each.what for each in canaries.secrets)
    yield f"queue {QUEUE} gives its releases {names}, and the role {_ROLES}{_ROLE}"
    if not canaries.has_key:
        yield f"warning: no key for ssh is given: machines lack one of {', '.join(PROGRAMS)}"


def given_table(canaries: Canaries) -> Iterator[str]:
    """Lines of the report: each secret of the queue's jobs by its kind and its place, no value."""
    yield f"secrets of the jobs of queue {QUEUE}, each with a value of its own"
    for each in canaries.laid_down:
        yield from folded(f"{each.secret.what}: {each.parameter}", 4, "  ")
    yield from folded(f"the role's credentials: {_ARN}", 4, "  ")


def check_given(evidence: Evidence, canaries: Canaries) -> Check:
    """Check that the job got everything, and that the search of `token-stays` finds each value."""
    promise = "a job gets its pipeline's secrets and role, and proves it"
    return Check("given", promise, tuple(_wrong(evidence, canaries)))


def _wrong(evidence: Evidence, canaries: Canaries) -> Iterator[str]:
    jobs = [job for job in evidence.jobs if (job.pipeline, job.step_key) == (PIPELINE, STEP)]
    if not jobs:
        yield f"no job of step {STEP} exists"
    for job in jobs:
        log = evidence.texts.get(log_of(job), "")
        proofs = {each.secret.what: each.proof for each in canaries.laid_down}
        for what, proof in {**proofs, **_role_proofs(evidence, job.id)}.items():
            if proof not in log:
                yield f"job {job.id} does not prove that it got {what}"
    if not evidence.texts.get(PROCESS_LIST):
        yield "the process list is empty, so that nothing can be found in it"
    sessions = (each for each in evidence.secrets if each.carriers == _WITH_ROLE)
    for secret in (*canaries.secrets, *sessions):
        carried = [evidence.texts.get(place, "") for place in secret.carriers]
        if not any(holds(text, forms(secret.value)) for text in carried):
            yield f"{secret.what} is not in what carries it, where the search must find it"


def _role_proofs(evidence: Evidence, job: str) -> Mapping[str, str]:
    """By description: the proofs of the credentials of this job's role."""
    mine = [s for s in evidence.secrets if s.carriers == _WITH_ROLE and s.what.endswith(job)]
    return {each.what: proof_of("role", each.value) for each in mine} or {
        "a session of its role": "role sha256 of a session that STS gave"
    }


def _value() -> str:
    """A value that each form of a text writes in another way."""
    return f'canary "{secrets.token_hex(16)}" <&+/%\\ {secrets.token_hex(4)}>'


def _key() -> Canary:
    private, public = make_key()
    what = "the shared key for ssh"
    return Canary(_SHARED_KEY, Secret(what, private, _BY_NAME), proof_of("key", public))
