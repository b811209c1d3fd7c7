"""Carries out what an assignment gives its job: secrets, keys for ssh, and hosts that ssh knows.

After the assignment, with sandbox credentials, while IMDS is closed to the job, before the agent
starts: the job sees what its pipeline may have, and nothing else of what the role can read. If
something that was promised is missing, the job must not run: the agent starts all the same, and
the check before each job refuses with the reason, so that the job ends at Buildkite with a cause.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Callable

from mayfly_instance import agent, hook_links, job_role, job_secrets, ssh
from mayfly_instance.aws import AwsError, Parameter
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.job_role import JobRole
from mayfly_instance.job_secrets import JobSecrets, Refused
from mayfly_instance.keys import Keys
from mayfly_instance.machine import Machine
from mayfly_instance.parameter_store import Reader
from mayfly_instance.places import JOB_USER
from mayfly_instance.reports import Reporter
from mayfly_instance.ssh import KeyAgent
from mayfly_instance.threads import side_by_side
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.grants import Grants, Secrets
from mayfly_protocol.slugs import folders

_LONGEST = 450
"""Characters of a refusal, of which the supervisor finds 500 in the agent's log (job.py)."""
_MOST_NOTES = 20


@dataclass(frozen=True)
class Given:
    """What is ready for the job; by default, nothing."""

    refusal: str = ""
    """Why the job must not run, in one line without secrets; else empty."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More variables of the agent. None holds a secret."""
    has_key: bool = False
    """Whether an agent for ssh has a key for the job's checkout."""
    role: JobRole | None = None
    """The job's role for AWS, which is served until its `end`."""


@dataclass(frozen=True)
class Access:
    """With what the host reads: the sandbox role's credentials, in its region."""

    keys: Keys
    region: str


def give(
    context: Context,
    reporter: Reporter,
    access: Access,
    installed: agent.Agent,
    assignment: Assignment,
) -> Given:
    """Make all that the assignment gives ready for its job. Whatever fails becomes a refusal."""
    grants = assignment.grants
    if grants is None:
        return Given()
    assuming = job_role.begin(context, access.keys, access.region, assignment)
    role: JobRole | None = None
    try:
        found = _secrets(context, reporter, access, grants)
        ssh.know_hosts(context.machine, grants.ssh)
        if assuming is not None:
            reporter.step("assuming the job's role")
            role = assuming.serve(access.region)
        return _lay_down(context, installed, assignment, found, role)
    except Refused as refused:
        reason = str(refused)
    except HostFailure as failure:
        reason = failure.reason
    except (AwsError, ImdsError, OSError) as error:
        reason = f"what its queue gives it cannot be fetched: {error}"
    if role is not None:
        role.end()
    take_back(context.machine)
    reason = context.scrub(" ".join(reason.split()))[:_LONGEST]
    reporter.note(f"the job must not run: {reason}")
    return Given(refusal=reason)


def take_back(machine: Machine) -> None:
    """End the agents for ssh, and remove what the job did not take. Raises OSError."""
    ssh.end(machine)
    machine.remove(machine.places.given)
    machine.remove(machine.places.role)


def _secrets(context: Context, reporter: Reporter, access: Access, grants: Grants) -> JobSecrets:
    """What the job gets. Raises Refused, AwsError, ImdsError."""
    wanted = grants.secrets
    if wanted is None:
        return JobSecrets()
    reporter.step(f"reading the job's secrets below {wanted.path}")
    names = folders(grants.facts.pipeline, grants.facts.repository)
    *read, shared = _read(context, access, wanted, names)
    values = [each.value for part in [*read, shared] for each in part if job_secrets.hides(each)]
    context.scrub.learn(*[text for value in values for text in job_secrets.hidden(value)])
    return job_secrets.judge(
        wanted.path, dict(zip(names, read)), grants.facts, shared, wanted.shared_ssh_keys
    )


def _read(
    context: Context, access: Access, wanted: Secrets, names: Sequence[str]
) -> list[Sequence[Parameter]]:
    """The parameters of each folder, then the shared keys: side by side, over own connections."""
    credentials = access.keys.current()
    limits, clock = context.limits, context.clock.of_a_thread()

    def reader() -> Reader:
        return Reader(context.cloud(access.region), credentials, clock, limits.throttled)

    calls = [partial(_folder, reader, f"{wanted.path}/{name}") for name in names]
    shared = partial(_shared, reader, wanted.shared_ssh_keys)
    return side_by_side([*calls, shared], context.clock, limits.secrets)


def _shared(reader: Callable[[], Reader], names: Sequence[str]) -> Sequence[Parameter]:
    return reader().named(names) if names else []


def _folder(reader: Callable[[], Reader], path: str) -> Sequence[Parameter]:
    try:
        return reader().folder(path)
    except AwsError as error:
        # Not readable may mean: with a list that denies the job.
        raise Refused(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class _Ready:
    """What is ready to be laid down for the job."""

    found: JobSecrets
    agents: Mapping[str, KeyAgent]
    role: JobRole | None


def _lay_down(
    context: Context,
    installed: agent.Agent,
    assignment: Assignment,
    found: JobSecrets,
    role: JobRole | None,
) -> Given:
    """Put secrets, agents, role and hooks in their places. Raises HostFailure, OSError."""
    grants = assignment.grants
    if grants is None:
        return Given()
    machine = context.machine
    agents = _start_agents(context, found)
    lines = [*found.notes, *([grants.no_role] if grants.no_role else [])]
    if found.variables or agents or lines or role:
        during = grants.secrets is not None and grants.secrets.ssh_during_command
        _write_variables(machine, found)
        told = _told(machine, installed, _Ready(found, agents, role), keep=during)
        machine.write_file(machine.places.hooks / "given", told.encode())
        _write_notes(machine, lines)
        hook_links.link(machine, "environment", "give-secrets")
    if ssh.REPOSITORY in agents:
        hook_links.link(machine, "pre-checkout", "lend-key")
        hook_links.link(machine, "post-checkout", "take-key")
    variables = dict(role.variables) if role else {}
    if found.variables:
        patterns = agent.redacted(installed, assignment.config)
        variables["BUILDKITE_REDACTED_VARS"] = ",".join([*patterns, *sorted(found.variables)])
    if grants.ssh.known_hosts:
        variables["BUILDKITE_NO_SSH_KEYSCAN"] = "true"
    return Given(variables=variables, has_key=bool(agents), role=role)


def _start_agents(context: Context, found: JobSecrets) -> Mapping[str, KeyAgent]:
    """Running agents for ssh by unit, with their keys. Raises HostFailure."""
    wanted = {
        ssh.SHARED: found.shared_keys,
        ssh.REPOSITORY: [found.key] if found.key else [],
    }
    needed = {unit: keys for unit, keys in wanted.items() if keys}
    if not needed:
        return {}
    ssh.check(context.machine)
    return ssh.start(context, needed)


def _write_variables(machine: Machine, found: JobSecrets) -> None:
    """Write the variables into files that only the job's user can read, and in memory only."""
    if not found.variables:
        return
    given = machine.places.given
    lines = "".join(f"export {n}={shlex.quote(v)}\n" for n, v in sorted(found.variables.items()))
    texts = sorted({text for v in found.variables.values() for text in job_secrets.hidden(v)})
    numbered = {str(number): text for number, text in enumerate(texts)}
    machine.make_directory(given, 0o700, JOB_USER)
    for name, content in (("variables", lines), ("hidden", json.dumps(numbered))):
        machine.write_file(given / name, content.encode("utf-8", "replace"), 0o400, JOB_USER)


def _told(machine: Machine, installed: agent.Agent, ready: _Ready, *, keep: bool) -> str:
    """What the hooks are told: assignments of a shell, without secrets."""
    shared, repository = ready.agents.get(ssh.SHARED), ready.agents.get(ssh.REPOSITORY)
    told = {
        "directory": str(machine.places.given) if ready.found.variables else "",
        "agent": installed.path if installed.redactor else "",
        "shared": str(shared.socket) if shared else "",
        "repository": str(repository.socket) if repository else "",
        "pid": str(repository.pid) if repository else "",
        "keep": "yes" if keep else "",
        "region": ready.role.region if ready.role else "",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items())


def _write_notes(machine: Machine, lines: Sequence[str]) -> None:
    shown = [" ".join(line.split()) for line in lines[:_MOST_NOTES]]
    if len(lines) > _MOST_NOTES:
        shown.append(f"and {len(lines) - _MOST_NOTES} notes more")
    text = "".join(f"{line}\n" for line in shown)
    machine.write_file(machine.places.hooks / "notes", text.encode("utf-8", "replace"))
