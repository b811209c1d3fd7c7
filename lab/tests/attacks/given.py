"""What two pipelines of one queue are given: secrets, keys, roles; and repositories over ssh.

Every secret is a canary of a form that an attacker's search knows, so that a search finds what is
there, and tells whose it is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import asyncssh

from attacks.collector import Collector
from attacks.conftest import PATIENCE, a_namespace_stage, choices_of
from attacks.searching import digest
from buildkite_emulator import BuildRequest
from e2e.repositories import Source, add_private, add_private_parts
from e2e.ssh_server import SshServer, serving
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.given import make_role, put_secrets
from mayfly_lab.machines.machine import Door
from stories.stage import Stage

QUEUE = "closed"
HOSTILE, VICTIM = f"attacks-{QUEUE}", "victim"
PATH = f"/vendors/buildkite/{QUEUE}"
SHARED_KEY = f"{PATH}/plugins/shared"
CANARY = "canary-of-[a-z]+-[0-9]{4}"
"""The form of every secret value."""
KEY = r"-----BEGIN OPENSSH PRIVATE KEY-----\s[A-Za-z0-9+/\s=]{150,}"
"""The form of every private key in a file."""
OWN, GLOBAL, VICTIMS, OPEN, PINNED = (
    f"canary-of-{whose}-4711" for whose in ("attacker", "all", "victim", "open", "pinned")
)
PARAMETERS: dict[str, str] = {
    "secrets/path": PATH,
    "secrets/shared-ssh-keys": SHARED_KEY,
    "role/attacked": "".join(
        f"pipeline={each} -> arn:aws:iam::{ACCOUNT}:role/ci/{each}\n" for each in (HOSTILE, VICTIM)
    ),
}
STACK = {"SecretsPath": PATH, "JobRolePath": "/ci/"}
_TAKER = f"""#!/bin/bash
printenv | grep -aoE '{CANARY}' | sort -u | while read -r each; do
  printf 'found %s here\\n' "$(printf %s "$each" | sha256sum | cut -c1-64)"
done
echo searched 1
"""
"""Tells digests of the canaries that the job was given, which no redactor knows."""
_CLAIMS = """#!/bin/bash
export BUILDKITE_PIPELINE_SLUG=victim BUILDKITE_REPO=ssh://git@127.0.0.1/private.git
"""


@dataclass(frozen=True, slots=True)
class Repositories:
    """Bare repositories behind one server, and the keys that open some of them."""

    server: SshServer
    keys: dict[str, str]
    """Private keys by whose they are: `attacker`, `victim`, `keeper`, `shared`."""

    def folder(self, name: str) -> str:
        """The slug of a repository."""
        return f"127.0.0.1-{self.server.port}_{name}.git"


@contextmanager
def repositories(moment: str) -> Iterator[Repositories]:
    """A server with the victim's repository, the attacker's, and two plugins of the attacker.

    `hostile` runs `moment` before each checkout, when the repository's key is there; `taker` tells
    in place of a checkout which canaries the job has.
    """
    with TemporaryDirectory() as directory:
        root = Path(directory)
        add_private(root)
        add_private_parts(root)
        _plugin(root, "hostile", {"pre-checkout": moment})
        _plugin(root, "taker", {"environment": _CLAIMS, "checkout": _TAKER})
        with serving(root) as server:
            keys = {
                "attacker": server.key_of("parts", "library"),
                "victim": server.key_of("private"),
                "keeper": server.key_of("greeter"),
                "shared": server.key_of("hostile", "taker"),
            }
            yield Repositories(server, keys)


def _plugin(root: Path, name: str, hooks: dict[str, str]) -> None:
    source = Source(root / name)
    files = {f"hooks/{hook}": code for hook, code in hooks.items()}
    source.commit("Begin", {"plugin.yml": f"name: {name}\n", **files})
    source.git("clone", "--quiet", "--bare", ".", str(root / f"{name}.git"))


@contextmanager
def a_stage_with(git: Repositories, module: ModuleType, collector: Collector) -> Iterator[Stage]:
    """A lab whose queue gives secrets; its machines reach the server of the repositories."""
    choices = choices_of(module, collector)
    doors = [*choices.doors, Door(git.server.port, git.server)]
    known = {"ssh/known-hosts": git.server.deploy_key.known_hosts}
    parameters = {queue: {**each, **known} for queue, each in choices.parameters.items()}
    with a_namespace_stage(replace(choices, doors=doors, parameters=parameters)) as stage:
        stage.patience = PATIENCE
        _lay_down(stage, git)
        yield stage


def push(stage: Stage, pipeline: str, repository: str, **step: Any) -> str:
    """Push a build of one step to a new pipeline. Returns the job's id."""
    steps = {"steps": [{"label": pipeline, "agents": {"queue": QUEUE}, **step}]}
    # Buildkite must not interpolate the variables of the job's shell.
    configuration = json.dumps(steps).replace("$", "$$")
    stage.lab.buildkite.add_pipeline(pipeline, configuration, repository)
    return stage.lab.buildkite.create_build(pipeline, BuildRequest()).jobs[0].id


def _lay_down(stage: Stage, git: Repositories) -> None:
    """Write all secrets, keys, lists and pins, and make a role for each of the two pipelines."""
    private, opened, pinned = (git.folder(each) for each in ("private", "open", "pinned"))
    secret = {
        "global/env/for-all": GLOBAL,
        f"{HOSTILE}/env/own-token": OWN,
        f"{HOSTILE}/ssh/key": git.keys["attacker"],
        f"{VICTIM}/env/victim-token": VICTIMS,
        f"{private}/ssh/key": git.keys["victim"],
        f"{opened}/env/open-token": OPEN,
        f"{pinned}/env/pinned-token": PINNED,
        **{f"{each}/ssh/key": git.keys["keeper"] for each in ("keeper", "obeys")},
        "refused/env/ld-preload": VICTIMS,
        "plugins/shared": git.keys["shared"],
        f"{private}/allowed_pipelines": VICTIM,
    }
    ssm, pin = stage.lab.aws.client("ssm"), git.server.url("pinned")
    put_secrets(ssm, {f"{PATH}/{name}": value for name, value in secret.items()})
    ssm.put_parameter(Name=f"{PATH}/{pinned}/repository", Value=pin, Type="String")
    sandbox_role = stage.published(QUEUE)["sandbox_role"]
    for pipeline in (HOSTILE, VICTIM):
        make_role(stage.lab.aws.client("iam"), f"/ci/{pipeline}", sandbox_role, pipeline)


def secret_lines(git: Repositories) -> dict[str, str]:
    """The line of each key's file in which its secret part begins, by whose the key is."""
    # The 162nd byte (PROTOCOL.key of OpenSSH), in lines of 70 characters of base64.
    return {whose: text.splitlines()[1 + 161 * 4 // 3 // 70] for whose, text in git.keys.items()}


def decoded(key: str) -> bytes:
    """The content of a key's file."""
    return base64.b64decode("".join(key.splitlines()[1:-1]))


def seed(key: str) -> bytes:
    """The 32 bytes that are the whole secret of an ed25519 key."""
    return bytes(asyncssh.import_private_key(key).export_private_key("pkcs8-der")[-32:])


def public_bytes(key: str) -> bytes:
    """The public half as ssh sends it."""
    return bytes(asyncssh.import_private_key(key).public_data)


def key_digest(key: str) -> str:
    """The digest that a search for KEY tells of a key's file."""
    match = re.search(KEY, key)
    assert match
    return digest(match[0])


def answers(output: str) -> bytes:
    """All that an ssh-agent has answered, one answer after the other."""
    return b"\n".join(map(base64.b64decode, re.findall(r"^answer (\S+)$", output, re.MULTILINE)))
