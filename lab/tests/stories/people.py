"""People who run the tool in a story, as processes of their own, with deployed policies alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from buildkite_emulator import BuildRequest
from e2e.ssh_server import SshServer
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.aws.people import ADMINISTRATOR
from mayfly_lab.commands.lines import keys_of
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK, LabChoices
from mayfly_lab.machines.machine import Door
from operators.roles import ROLES, a_role, output, owners_of_a_folder
from stories import tool
from stories.stage import BOOT, QUICK, Stage
from stories.tool import Answer

AGENT = shutil.which("buildkite-agent")
NOT_YOURS = "for a queue's secrets, SecretsOwnersPolicy allows it (output of the queue's stack)"
needs_agent_and_ssh = pytest.mark.skipif(
    not (AGENT and shutil.which("ssh-agent")), reason="there is no buildkite-agent or no ssh"
)
Used = tuple[str, str, bool]
"""An action, the statement that decided, and whether it was allowed."""


@dataclass(slots=True)
class Person:
    """A person, by the name of the role."""

    stage: Stage
    name: str
    keys: Keys
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables of the person's shell, such as a provider's token."""

    def run(self, *words: str) -> Answer:
        """Run the tool."""
        own = {**keys_of(self.stage.lab, self.keys), "MAYFLY_STACK": STACK, **self.variables}
        return tool.asked(words, own, width=200)

    @property
    def used(self) -> set[Used]:
        """What IAM decided about all calls of this person so far."""
        return {
            (each.action, each.sid or "", each.allowed)
            for entry in self._entries()
            for each in entry.iam
        }

    def _entries(self) -> list[Entry]:
        holder = self.stage.lab.aws.credentials.holder(self.keys.access_key)
        assert holder is not None
        mine = holder.principal.userid
        return [each for each in self.stage.lab.aws.journal if each.principal == mine]


def choices(queue: str, server: SshServer) -> LabChoices:
    """A lab with real agents and a queue whose stack has a folder of secrets and its own key."""
    return LabChoices(
        queues=(queue,),
        agent=Path(AGENT or ""),
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={
            queue: {
                "pool/hot": "1",
                "secrets/path": folder_of(queue),
                "ssh/known-hosts": server.deploy_key.known_hosts,
            }
        },
        stacks={
            queue: {
                "SecretsPath": folder_of(queue),
                "SecretsKey": "own",
                "SecretsKeyAdministrators": ADMINISTRATOR.arn,
                "SecretsOwners": f"{ROLES}/secrets-owner,{ROLES}/owner-of-*",
            }
        },
        doors=(Door(server.port, server),),
    )


def folder_of(queue: str) -> str:
    """The folder of a queue's secrets."""
    return f"/vendors/buildkite/{queue}"


def secrets_owner(stage: Stage, queue: str, *more: str, **variables: str) -> Person:
    """Somebody with the policy of the queue's stack for secrets owners, and with further ones."""
    policy = output(stage.lab.aws, f"{STACK}-queue-{queue}", "SecretsOwnersPolicy")
    return person(stage, "secrets-owner", policy, *more, **variables)


def folder_owner(stage: Stage, queue: str, folder: str, *more: str, **variables: str) -> Person:
    """Somebody with the policy of one folder below the queue's, and with further ones."""
    policy = owners_of_a_folder(
        stage.lab.aws,
        f"owners-of-{queue}",
        ControlStack=STACK,
        SecretsPath=folder_of(queue),
        Folder=folder,
        SecretsKey=stage.published(queue)["secrets_key"],
    )
    return person(stage, "owner-of-one-folder", policy, *more, **variables)


def person(stage: Stage, name: str, *policies: str, **variables: str) -> Person:
    """A new person with these managed policies and variables."""
    return Person(stage, name, a_role(stage.lab.aws, name, *policies), variables)


def stored(stage: Stage, path: str) -> dict[str, str]:
    """Below a folder of Parameter Store: types and versions, by the names below it."""
    pages = stage.lab.aws.client("ssm").get_paginator("get_parameters_by_path")
    found = [
        each for page in pages.paginate(Path=path, Recursive=True) for each in page["Parameters"]
    ]
    return {
        each["Name"].removeprefix(f"{path}/"): f"{each['Type']} {each['Version']}" for each in found
    }


def one_step(stage: Stage, queue: str, pipeline: str, url: str, command: str) -> str:
    """Start a build of one step in a repository's checkout. Returns the id of its job."""
    step: dict[str, Any] = {"label": pipeline, "agents": {"queue": queue}, "command": command}
    buildkite = stage.lab.buildkite
    # Buildkite must not interpolate the variables of the job's shell.
    buildkite.add_pipeline(pipeline, json.dumps({"steps": [step]}).replace("$", "$$"), url)
    return buildkite.create_build(pipeline, BuildRequest(branch="main")).jobs[0].id
