"""A queue with a place for secrets in moto, a provider over HTTP, and git by a stand-in of ssh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# moto reads this variable at import; loading its 1301 images takes a second.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

import pytest
from moto import mock_aws

from mayfly_cli.deploy_keys import trial
from mayfly_cli.main import run_command
from mayfly_cli.operations import connection
from tests.cli.deploy_keys.forges import TOKEN, Forge, GitHub, serving
from tests.cli.deploy_keys.git_hosts import StandIn
from tests.cli.operations.conftest import shared_account
from tests.cli.real_account import Run
from tests.unit.published import queue_stack

STACK, QUEUE = "ci", "deploy"
PATH = "/vendors/buildkite/deploy"
URL = "git@github.com:acme/app.git"
FOLDER = f"{PATH}/github.com_acme_app.git"


@dataclass
class Secrets:
    """The secrets of a queue, as another person sees them, and the tool's command line."""

    client: Any
    capsys: pytest.CaptureFixture[str]
    account: Any

    def put(self, name: str, value: str, kind: str = "String") -> None:
        self.client.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)

    def set(self, name: str, value: str, kind: str = "String") -> None:
        self.put(f"/mayfly/{STACK}/queues/{QUEUE}/{name}", value, kind)

    def value(self, name: str) -> str | None:
        found = self.client.get_parameters(Names=[name], WithDecryption=True)["Parameters"]
        return str(found[0]["Value"]) if found else None

    def below(self, path: str = PATH) -> dict[str, str]:
        """Values by the names below the folder."""
        pages = self.client.get_paginator("get_parameters_by_path").paginate(
            Path=path, Recursive=True, WithDecryption=True
        )
        found = [each for page in pages for each in page["Parameters"]]
        return {each["Name"].removeprefix(f"{path}/"): each["Value"] for each in found}

    def described(self, name: str) -> dict[str, Any]:
        wanted = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        return dict(self.client.describe_parameters(ParameterFilters=wanted)["Parameters"][0])

    def run(self, *words: str) -> Run:
        status = run_command(words)
        shown = self.capsys.readouterr()
        return Run(status, shown.out, shown.err)


@pytest.fixture
def secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Secrets]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAFAKE",
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "COLUMNS": "100",
        "MAYFLY_STACK": STACK,
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        account = shared_account()
        monkeypatch.setattr(connection, "open_account", lambda *_: account)
        made = Secrets(account.client("ssm"), capsys, account)
        infra = queue_stack(secrets_path="/vendors/buildkite")
        made.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", infra)
        made.set("secrets/path", "/vendors/buildkite/{queue}")
        yield made


class World:
    """A person who runs commands for acme/app, with everything there."""

    def __init__(self, secrets: Secrets, forge: Forge, host: StandIn) -> None:
        self.secrets, self.forge, self.host = secrets, forge, host

    def run(self, command: str, *words: str, url: str = URL) -> Run:
        named = ("deploy-key", command, url, "--queue", "deploy", "--api", self.forge.address)
        return self.secrets.run(*named, *words)

    @property
    def stored(self) -> dict[str, str]:
        return self.secrets.below(FOLDER)

    def registered(self) -> list[str]:
        return [self.forge.public_of(each) for each in self.forge.keys]


@pytest.fixture
def world(secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    host = StandIn(tmp_path / "host", monkeypatch)
    host.serve("acme/app.git")
    secrets.set("ssh/known-hosts", host.known_hosts)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setattr(trial, "PAUSES", ())
    with serving(GitHub()) as forge:
        forge.changed = host.allow
        yield World(secrets, forge, host)
