"""Fixed gifts of a job, and what of them is seen when the agent starts."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from mayfly_instance.machine import Program
from mayfly_protocol.grants import Grants, Secrets, SshHosts
from mayfly_protocol.job_facts import JobFacts
from tests.instance.fake_machine import Act, FakeMachine
from tests.instance.worlds import World, an_assignment

PATH = "/vendors/buildkite/deploy"
REPO = "git@github.com:acme/app.git"
SLUG = "github.com_acme_app.git"
FACTS = JobFacts(organization="acme", pipeline="app", build="7", repository=REPO, branch="main")
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n"
)
TOKEN = "hunter-22/blue"


SECRETS = Secrets(PATH)
NO_HOSTS = SshHosts()


def granted(
    secrets: Secrets | None = SECRETS, ssh: SshHosts = NO_HOSTS, **changes: Any
) -> dict[str, Any]:
    given = Grants(facts=FACTS, secrets=secrets, ssh=ssh, **changes)
    return an_assignment(protocol=2, grants=given.to_row())


def make_socket(program: Program) -> None:
    Path(program.argv[-1]).touch()


def at_the_start(world: World) -> dict[str, str]:
    """Texts of the files of hooks and gifts at the moment when the agent starts, by name."""
    seen: dict[str, str] = {}
    places = world.machine.places

    def look(_: Program) -> None:
        for directory in (places.hooks, places.given):
            for file in directory.iterdir() if directory.exists() else ():
                seen[file.name] = file.readlink().name if file.is_symlink() else file.read_text()
                mode = stat.S_IMODE(file.lstat().st_mode)
                assert directory == places.hooks or mode == 0o400
        if places.given.exists():
            assert stat.S_IMODE(places.given.stat().st_mode) == 0o700

    world.machine.acts["mayfly-job"] = Act(lasts=2, does=look)
    world.run()
    return seen


def policy(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.machine.places.policy.read_text())
    return found


def owner_of(machine: FakeMachine, path: Path) -> str:
    named = [argv[1] for argv in machine.commands if argv[0] == "chown" and argv[2] == str(path)]
    return named[-1]


def give(world: World) -> World:
    """A world with ssh, an agent that has `redactor add`, and an assignment with secrets."""
    machine = world.machine
    machine.programs |= {"ssh", "ssh-agent", "ssh-add"}
    machine.agent_help += '\n   --redacted-vars value  (default: "*_TOKEN", "*_MINE")  --format'
    for unit in ("shared", "repository"):
        machine.acts[f"mayfly-ssh-{unit}"] = Act(lasts=100_000, does=make_socket)
    world.assignment = granted()
    return world
