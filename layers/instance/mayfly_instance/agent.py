"""The Buildkite agent: capabilities of the installed version, and its start for exactly one job.

Agents of v3 and v4 work. Settings are environment variables, because an agent ignores unknown
variables and stops at an unknown flag. Capabilities come from the agent's own version and help.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly_instance import scope
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.machine import Machine, Program, Running
from mayfly_instance.places import JOB_USER, Places
from mayfly_protocol.agent_settings import names
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.words import Root

UNIT = "mayfly-job"
LOG = "agent.log"
_VERSION = re.compile(r"\bversion v?(\d+)\.(\d+)\.(\d+)\S*")
_REDACTED = re.compile(r"--redacted-vars [^\n]*\(default: ([^)\n]*)\)")
_PATTERN = re.compile(r"[A-Za-z0-9_*?]+")
_SETTING = re.compile(r"^\s*--([a-z0-9-]+)", re.MULTILINE)
REDACTED = (
    # buildkite/agent 4.0, clicommand/global.go; 3.83.1 lacks *_SSH_KEY and *_API_KEY.
    "*_PASSWORD", "*_SECRET", "*_TOKEN", "*_PRIVATE_KEY", "*_SSH_KEY", "*_ACCESS_KEY",
    "*_SECRET_KEY", "*_CONNECTION_STRING", "*_API_KEY",
)  # fmt: skip
"""Patterns of variables whose values agents keep out of job logs by default."""
# `fd://N` as registration token (buildkite/agent pull request 4046). No help text mentions it.
_TOKEN_BY_FILE = (3, 133, 0)


@dataclass(frozen=True)
class Agent:
    """An installed agent and its capabilities."""

    path: str
    version: str
    additional_hooks: bool
    """Whether the agent has `additional-hooks-paths` (since 3.89)."""
    token_by_file: bool
    """Whether the agent can read its token from an open file (since 3.133), not its environment."""
    settings: Sequence[str] = ()
    """Names of the settings that `start --help` lists."""
    redacted: Sequence[str] = ()
    """Patterns that the agent's own help names as default of `redacted-vars`."""
    redactor: bool = False
    """Whether the agent has `redactor add`."""


def probe(machine: Machine) -> Agent | None:
    """The host's agent; None without one.

    Raises CommandFailed if the agent does not run, HostFailure if its output has no version.
    """
    path = machine.find("buildkite-agent")
    if path is None:
        return None
    found = _VERSION.search(machine.output_of([str(path), "--version"]))
    if found is None:
        raise HostFailure(f"{path} --version names no version")
    number = tuple(int(part) for part in found.groups())
    told = machine.output_of([str(path), "start", "--help"])
    settings = _SETTING.findall(told)
    redacted = _REDACTED.search(told)
    return Agent(
        path=str(path),
        version=".".join(found.groups()),
        additional_hooks="additional-hooks-paths" in settings,
        token_by_file=number >= _TOKEN_BY_FILE,
        settings=settings,
        redacted=_PATTERN.findall(redacted[1]) if redacted else (),
        redactor=_has_redactor(machine, str(path)),
    )


def _has_redactor(machine: Machine, path: str) -> bool:
    try:
        return "--format" in machine.output_of([path, "redactor", "add", "--help"])
    except CommandFailed:
        return False


def redacted(agent: Agent, config: str) -> Sequence[str]:
    """Patterns of variables whose values the agent keeps out of the job's log.

    Those of the operator's `redacted-vars` in `config`, which replace the defaults; else the
    agent's defaults, and all that Mayfly knows of.
    """
    for line in config.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "redacted-vars":
            return [each.strip(" \"'") for each in value.split(",") if each.strip(" \"'")]
    return list(dict.fromkeys([*agent.redacted, *REDACTED]))


def check_settings(agent: Agent, config: str) -> None:
    """Raises HostFailure with each name that this agent does not have.

    The agent ignores such a line, so a restriction would not hold. `config` is in canonical form.
    """
    lacks = [name for name in names(config) if name not in agent.settings]
    if lacks:
        raise HostFailure(
            f"agent/config sets {', '.join(lacks)}, which buildkite-agent {agent.version} "
            "does not have"
        )


def with_tags(tags: str, more: Mapping[str, str]) -> str:
    """The agent's tags, followed by these; keys that the tags have already are omitted."""
    present = {tag.partition("=")[0] for tag in tags.split(",")}
    added = [f"{key}={value}" for key, value in more.items() if key not in present]
    return ",".join([*filter(None, [tags]), *added])


def environment(
    agent: Agent, assignment: Assignment, places: Places, token: str, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The agent's whole environment. `token` is the token itself or `fd://N`."""
    user, home = JOB_USER, str(places.job_home)
    if assignment.root is Root.YES:
        user, home = "root", "/root"
    settings = {
        "BUILDKITE_AGENT_TOKEN": token,
        "BUILDKITE_AGENT_NAME": assignment.name,
        "BUILDKITE_AGENT_TAGS": assignment.tags,
        "BUILDKITE_AGENT_ENDPOINT": assignment.endpoint,
        # Always Mayfly's file: without this setting the agent loads a file of the image.
        "BUILDKITE_AGENT_CONFIG": str(places.agent_config),
        "BUILDKITE_BUILD_PATH": str(places.builds),
        "BUILDKITE_HOOKS_PATH": str(places.hooks),
        "BUILDKITE_PLUGINS_PATH": str(places.plugins),
        "BUILDKITE_SOCKETS_PATH": str(places.sockets),
        # With the streaming mode a silent stream would keep the agent alive after its job.
        "BUILDKITE_AGENT_PING_MODE": "poll-only",
        "BUILDKITE_AGENT_NO_COLOR": "true",
        "MAYFLY_POLICY": str(places.policy),
        "MAYFLY_HOOKS_DIR": str(places.operator_hooks),
        "MAYFLY_CGROUPS": str(places.cgroups),
    }
    if agent.additional_hooks:
        settings["BUILDKITE_ADDITIONAL_HOOKS_PATHS"] = str(places.operator_hooks)
    person = {"HOME": home, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash"}
    return {**inherited, **person, **{name: value for name, value in settings.items() if value}}


def start(
    machine: Machine, agent: Agent, assignment: Assignment, inherited: Mapping[str, str]
) -> Running:
    """Start the agent for this one job, in the scope `mayfly-job`.

    The token is never on the command line, which every process may read. Older agents read the
    token only from their environment, which processes of the same user may read; the token is
    valid for this job only, and the agent has used it before any code of the job runs.

    Raises HostFailure if the agent does not start.
    """
    places = machine.places
    machine.write_file(places.agent_config, assignment.config.encode())
    reading = _pipe_holding(assignment.token) if agent.token_by_file else None
    token = assignment.token if reading is None else f"fd://{reading}"
    try:
        return machine.start(
            Program(
                unit=UNIT,
                argv=[agent.path, "start", "--acquire-job", assignment.job],
                environment=environment(agent, assignment, places, token, inherited),
                directory=places.builds,
                output=places.logs / LOG,
                user="root" if assignment.root is Root.YES else JOB_USER,
                properties=scope.kept(machine),
                pass_files=() if reading is None else (reading,),
            )
        )
    except CommandFailed as error:
        raise HostFailure(f"the agent did not start: {error.reason}", error.words) from error
    finally:
        if reading is not None:
            os.close(reading)


def _pipe_holding(token: str) -> int:
    """File descriptor of a pipe from which the token can be read once."""
    reading, writing = os.pipe()
    # Never blocks: a token has a few kilobytes at most, a pipe holds 64.
    with os.fdopen(writing, "wb") as file:
        file.write(token.encode())
    return reading
