"""The Buildkite agent: what the installed one can do, and how it is started for exactly one job.

Runs with v3 and v4. Settings go by environment variables, because a version ignores those that it
does not know, while an unknown flag is fatal. What a version can do is asked of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.machine import Machine, Program, Running
from mayfly_instance.places import JOB_USER, Places
from mayfly_protocol.assignment import Assignment

UNIT = "mayfly-job"
LOG = "agent.log"
_VERSION = re.compile(r"\bversion v?(\d+)\.(\d+)\.(\d+)\S*")
# `fd://N` for the registration token (buildkite/agent pull request 4046). It is in no help text.
_TOKEN_BY_FILE = (3, 133, 0)


@dataclass(frozen=True)
class Agent:
    """An installed agent."""

    path: str
    version: str
    additional_hooks: bool
    """Has `additional-hooks-paths` (since 3.89)."""
    token_by_file: bool
    """Takes its token over an open file (since 3.133), so that it is in no environment."""


def probe(machine: Machine) -> Agent | None:
    """The agent of this host, or None without one. Raises CommandFailed when it does not work."""
    path = machine.find("buildkite-agent")
    if path is None:
        return None
    found = _VERSION.search(machine.ask([str(path), "--version"]))
    if found is None:
        raise HostFailure(f"{path} --version names no version")
    number = tuple(int(part) for part in found.groups())
    return Agent(
        path=str(path),
        version=".".join(found.groups()),
        additional_hooks="additional-hooks-paths" in machine.ask([str(path), "start", "--help"]),
        token_by_file=number >= _TOKEN_BY_FILE,
    )


def environment(
    agent: Agent, assignment: Assignment, places: Places, token: str, passed_on: Mapping[str, str]
) -> dict[str, str]:
    """All of the agent's environment. `token` is the token or names the open file that has it."""
    user, home = ("root", "/root") if assignment.root else (JOB_USER, str(places.job_home))
    settings = {
        "BUILDKITE_AGENT_TOKEN": token,
        "BUILDKITE_AGENT_NAME": assignment.name,
        "BUILDKITE_AGENT_TAGS": assignment.tags,
        "BUILDKITE_AGENT_ENDPOINT": assignment.endpoint,
        # Always our own file: without one the agent takes whichever it finds on the image.
        "BUILDKITE_AGENT_CONFIG": str(places.agent_config),
        "BUILDKITE_BUILD_PATH": str(places.builds),
        "BUILDKITE_HOOKS_PATH": str(places.hooks),
        "BUILDKITE_PLUGINS_PATH": str(places.plugins),
        "BUILDKITE_SOCKETS_PATH": str(places.sockets),
        # A stream that stays silent would keep an agent from leaving after its one job.
        "BUILDKITE_AGENT_PING_MODE": "poll-only",
        "BUILDKITE_AGENT_NO_COLOR": "true",
        "MAYFLY_POLICY": str(places.policy),
        "MAYFLY_HOOKS_DIR": str(places.operator_hooks),
    }
    if agent.additional_hooks:
        settings["BUILDKITE_ADDITIONAL_HOOKS_PATHS"] = str(places.operator_hooks)
    person = {"HOME": home, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash"}
    return {**passed_on, **person, **{name: value for name, value in settings.items() if value}}


def start(
    machine: Machine, agent: Agent, assignment: Assignment, passed_on: Mapping[str, str]
) -> Running:
    """Start the agent for this job, and no other, in the scope `mayfly-job`.

    The token is in no command line, which every process may read. Older agents take it by their
    environment alone, which processes of the same user may read; it is good for this job only, and
    the agent has used it up before any code of the job runs.

    Raises CommandFailed.
    """
    places = machine.places
    machine.lay_down(places.agent_config, assignment.config.encode())
    reading = _pipe_with(assignment.token) if agent.token_by_file else None
    token = assignment.token if reading is None else f"fd://{reading}"
    try:
        return machine.start(
            Program(
                unit=UNIT,
                argv=[agent.path, "start", "--acquire-job", assignment.job],
                environment=environment(agent, assignment, places, token, passed_on),
                directory=places.builds,
                output=places.logs / LOG,
                user="root" if assignment.root else JOB_USER,
                pass_files=() if reading is None else (reading,),
            )
        )
    except CommandFailed as error:
        raise HostFailure(f"the agent did not start: {error.reason}", error.words) from error
    finally:
        if reading is not None:
            os.close(reading)


def _pipe_with(token: str) -> int:
    """An open file from which the token can be read once."""
    reading, writing = os.pipe()
    # A token has at most a few kilobytes, and a pipe holds 64.
    with os.fdopen(writing, "wb") as file:
        file.write(token.encode())
    return reading
