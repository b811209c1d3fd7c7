"""Deploy keys by people with deployed policies alone, and jobs that check out with these keys.

The stand-ins of the providers tell the git server which public keys open a repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from e2e.repositories import add_owned
from e2e.ssh_server import SshServer, serving
from mayfly_lab.lab import STACK
from mayfly_protocol.slugs import repository_slug
from operators.roles import output
from stories.people import (
    NOT_YOURS,
    Person,
    choices,
    folder_of,
    folder_owner,
    needs_agent_and_ssh,
    one_step,
    person,
    secrets_owner,
    stored,
)
from stories.stage import Stage, a_stage
from stories.tool import Answer
from tests.cli.deploy_keys import forges
from tests.cli.deploy_keys.forges import TOKEN, Bitbucket, Forge, GitHub, GitLab

pytestmark = needs_agent_and_ssh
QUEUE = "deploy"
PATH = folder_of(QUEUE)
RIGHTS = {
    ("ssm:GetParameters", "ReadPlace", True),
    ("ssm:DescribeParameters", "List", True),
    ("ssm:PutParameter", "WriteSecrets", True),
    ("ssm:DeleteParameters", "WriteSecrets", True),
    ("kms:Encrypt", "UseKey", True),
}
"""What the four commands use of the policies of secrets owners."""
REPOSITORIES = ("web", "shop", "billing", "gitlab", "bitbucket")
TOKENS = {"GITHUB_TOKEN": TOKEN, "GITLAB_TOKEN": TOKEN, "BITBUCKET_TOKEN": TOKEN}
UNDONE = "the new deploy key was removed again, and nothing else was changed"


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with TemporaryDirectory() as root:
        for name in REPOSITORIES:
            add_owned(Path(root), f"acme/{name}")
        with serving(Path(root)) as server:
            yield server


@pytest.fixture(scope="module")
def stage(server: SshServer) -> Iterator[Stage]:
    with a_stage(choices(QUEUE, server)) as stage:
        yield stage


@pytest.fixture(scope="module")
def owner(stage: Stage) -> Person:
    """Somebody with the policy of the queue's stack for secrets owners."""
    return secrets_owner(stage, QUEUE, **TOKENS)


@pytest.fixture(scope="module")
def owner_of_shop(stage: Stage, server: SshServer) -> Person:
    """Somebody with the policy of the secrets of acme/shop alone."""
    return folder_owner(stage, QUEUE, slug(server, "shop"), **TOKENS)


@pytest.fixture
def forge(server: SshServer, request: pytest.FixtureRequest) -> Iterator[Forge]:
    """A provider that serves one repository, and lets its deploy keys in at the git server."""
    kind, name = getattr(request, "param", (GitHub, "billing"))
    made: Forge = kind(f"acme/{name}")
    made.changed = partial(server.allow, made.repository)
    with forges.serving(made) as made:
        yield made


def slug(server: SshServer, name: str) -> str:
    found = repository_slug(server.url(f"acme/{name}"))
    assert found is not None
    return found


def deploy_key(who: Person, command: str, forge: Forge, server: SshServer, *more: str) -> Answer:
    """Run a command about the provider's repository."""
    named = ("--queue", QUEUE, "--provider", forge.provider, "--api", forge.address)
    return who.run("deploy-key", command, server.url(forge.repository), *named, *more)


def check_out(stage: Stage, server: SshServer, forge: Forge) -> None:
    """Let a job check the provider's repository out with its own key."""
    server.used.clear()
    name = forge.repository.rpartition("/")[2]
    job = one_step(stage, QUEUE, name, server.url(forge.repository), "cat NAME")
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert ended.outcome == "passed", log
    assert f"the repository {forge.repository}" in log
    assert set(server.used) == {(forge.repository, forge.repository)}


def lives(stage: Stage, server: SshServer, who: Person, forge: Forge) -> None:
    """Make a key, rotate it, check a job out with it, and delete it."""
    for command in ("create", "rotate"):
        made = deploy_key(who, command, forge, server)
        assert made.ended == 0, made.said
    check_out(stage, server, forge)
    deleted = deploy_key(who, "delete", forge, server, "--yes")
    assert deleted.ended == 0, deleted.said
    folder = f"{PATH}/{slug(server, forge.repository.rpartition('/')[2])}"
    assert (forge.keys, stored(stage, folder)) == ([], {})


of_web = pytest.mark.parametrize("forge", [(GitHub, "web")], ids=["web"], indirect=True)
of_others = pytest.mark.parametrize(
    "forge",
    [(GitLab, "gitlab"), (Bitbucket, "bitbucket")],
    ids=["gitlab", "bitbucket"],
    indirect=True,
)
of_shop = pytest.mark.parametrize("forge", [(GitHub, "shop")], ids=["shop"], indirect=True)


@of_web
def test_a_secrets_owner_makes_rotates_and_deletes_the_key_that_jobs_check_out_with(
    stage: Stage, server: SshServer, owner: Person, forge: Forge
) -> None:
    folder = f"{PATH}/{slug(server, 'web')}"
    made = deploy_key(owner, "create", forge, server)
    assert made.ended == 0, made.said
    key = stage.published(QUEUE)["secrets_key"]
    assert f"private half {folder}/ssh/key, version 1, under {key}" in made.words
    assert stored(stage, folder) == {"ssh/key": "SecureString 1", "ssh/key.pub": "String 1"}
    check_out(stage, server, forge)
    [first] = forge.keys

    rotated = deploy_key(owner, "rotate", forge, server)
    assert rotated.ended == 0, rotated.said
    assert ", the old one" in rotated.words
    assert len(forge.keys) == 1
    assert forge.public_of(forge.keys[0]) != forge.public_of(first)
    check_out(stage, server, forge)
    listed = owner.run("deploy-key", "list", "--queue", QUEUE)
    assert f"{slug(server, 'web')} 2 " in listed.words, listed.said

    deleted = deploy_key(owner, "delete", forge, server, "--yes")
    assert deleted.ended == 0, deleted.said
    assert (forge.keys, stored(stage, folder)) == ([], {})
    job = one_step(stage, QUEUE, "web", server.url(forge.repository), "cat NAME")
    assert stage.ended(job).outcome == "failed"
    assert f"no {folder}/ssh/key" in stage.log_of(job)
    assert owner.used == RIGHTS


@of_others
def test_a_key_of_another_provider_works_from_its_first_rotation_to_its_end(
    stage: Stage, server: SshServer, owner: Person, forge: Forge
) -> None:
    lives(stage, server, owner, forge)


@of_shop
def test_the_owner_of_a_repositorys_secrets_makes_the_key_of_this_repository(
    stage: Stage, server: SshServer, owner_of_shop: Person, forge: Forge
) -> None:
    lives(stage, server, owner_of_shop, forge)
    assert {each for each in owner_of_shop.used if each[-1]} == RIGHTS


def test_for_another_repository_the_key_is_undone_and_the_missing_right_is_named(
    stage: Stage, server: SshServer, owner_of_shop: Person, forge: Forge
) -> None:
    folder = f"{PATH}/{slug(server, 'billing')}"
    refused = deploy_key(owner_of_shop, "create", forge, server)
    assert refused.ended == 1, refused.said
    why = f"you may not ssm:PutParameter on {folder}/ssh/key: {NOT_YOURS}; {UNDONE}"
    assert refused.words == f"mayfly deploy-key create: {why}"
    assert [call.method for call in forge.calls] == ["GET", "POST", "DELETE"]
    assert (forge.keys, stored(stage, folder)) == ([], {})


def test_the_key_of_another_repository_is_neither_replaced_nor_deleted(
    stage: Stage, server: SshServer, owner: Person, owner_of_shop: Person, forge: Forge
) -> None:
    assert deploy_key(owner, "create", forge, server).ended == 0
    folder = f"{PATH}/{slug(server, 'billing')}"
    before = list(forge.keys)
    for command, more in (("rotate", ()), ("create", ("--rotate",)), ("delete", ("--yes",))):
        refused = deploy_key(owner_of_shop, command, forge, server, *more)
        assert refused.ended == 2, refused.said
        assert (
            f"you may not ssm:GetParameters on {folder}/ssh/key.pub: {NOT_YOURS}" in refused.words
        )
    assert forge.keys == before
    assert stored(stage, folder) == {"ssh/key": "SecureString 1", "ssh/key.pub": "String 1"}
    check_out(stage, server, forge)
    assert deploy_key(owner, "delete", forge, server, "--yes").ended == 0


@pytest.mark.parametrize("policy", ["ViewersPolicy", "OperatorsPolicy", "SecurityOwnersPolicy"])
def test_other_people_are_told_the_right_that_they_lack_before_the_provider_is_asked(
    stage: Stage, server: SshServer, forge: Forge, policy: str
) -> None:
    aws = stage.lab.aws
    stranger = person(stage, policy, output(aws, STACK, policy), **TOKENS)
    before = stored(stage, PATH)
    missing = f"ssm:GetParameters on /mayfly-infra/{STACK}/queues/{QUEUE}: {NOT_YOURS}"
    for command, more in (("create", ()), ("delete", ("--yes",)), ("list", ())):
        refused = deploy_key(stranger, command, forge, server, *more)
        assert (refused.ended, refused.words) == (
            2,
            f"mayfly deploy-key {command}: you may not {missing}",
        )
    assert forge.calls == []
    assert stored(stage, PATH) == before


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
