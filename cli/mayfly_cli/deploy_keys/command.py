"""The command lines of deploy-key create, rotate, list and delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mayfly_cli.command_line import Command, Group
from mayfly_cli.endpoints import PROVIDER_API
from mayfly_cli.operations.completion import queues
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import answer, of_stack
from mayfly_cli.parameter_types import QUEUE_KEY, Address, Word

Function = TypeVar("Function", bound=Callable[..., Any])
PROVIDERS = ("github", "gitlab", "bitbucket", "bitbucket-server")
_URL = "git@github.com:acme/app.git"
_ENDS = "0 git can read the repository with the key, 1 something is left to do"
_TITLE = Word("text", r"[ -~]{1,100}", "a title: 1 to 100 characters of ASCII")
_FINGERPRINT = Word("SHA256:…", r"SHA256:[A-Za-z0-9+/]{43}", "a fingerprint of SHA-256")
_PARAMETER = Word("name", r"/[A-Za-z0-9_./-]{1,1000}", "a parameter's whole name")

_queue = click.option(
    "--queue",
    metavar="QUEUE",
    type=QUEUE_KEY,
    required=True,
    shell_complete=queues,
    help="The queue whose jobs get the key.",
)
_title = click.option(
    "--title",
    metavar="TEXT",
    type=_TITLE,
    help="The key's title at the provider.  [default: mayfly STACK/QUEUE]",
)
_known_hosts = click.option(
    "--known-hosts",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Host keys for the trial.  [default: the queue's ssh/known-hosts]",
)


def _at_provider(function: Function) -> Function:
    """The options that say where the repository is, and with which token."""
    for option in (
        click.option(
            "--token-parameter",
            metavar="NAME",
            type=_PARAMETER,
            help="Parameter (SecureString) with the provider's token.  [default: the variable"
            " GITHUB_TOKEN, GITLAB_TOKEN, BITBUCKET_TOKEN or BITBUCKET_SERVER_TOKEN]",
        ),
        click.option(
            "--api",
            metavar="URL",
            type=Address(PROVIDER_API),
            help="The provider's API.  [default: by provider and host]",
        ),
        click.option(
            "--provider",
            type=click.Choice(PROVIDERS),
            help="Who serves the repository.  [default: by its host]",
        ),
    ):
        function = option(function)
    return function


@click.group("deploy-key", cls=Group)
def deploy_key() -> None:
    """Make, renew, list and delete deploy keys of a queue's jobs.

    REPOSITORY is a clone URL, as the pipeline has it. The key is ed25519, made in memory: its
    private half goes to the queue's secrets in Parameter Store, its public half to the provider.
    """


@deploy_key.command(
    "create",
    cls=Command,
    epilog=examples(f"mayfly deploy-key create {_URL} --queue default", ends=_ENDS),
)
@click.argument("repository")
@_queue
@_at_provider
@_title
@_known_hosts
@click.option("--rotate", is_flag=True, help="Replace the key that is there.")
@of_stack
def create(
    repository: str, title: str | None, rotate: bool, known_hosts: Path | None, **options: Any
) -> int:
    """Make a deploy key, for reading alone.

    git tries the new key before jobs get it. After a failure the key is removed again; what cannot
    be undone is said, with the command that a person runs.
    """
    from mayfly_cli.deploy_keys.making import make

    return _run(
        lambda it, asked: make(it, asked, title, renew=rotate), repository, options, known_hosts
    )


@deploy_key.command(
    "rotate",
    cls=Command,
    epilog=examples(f"mayfly deploy-key rotate {_URL} --queue default", ends=_ENDS),
)
@click.argument("repository")
@_queue
@_at_provider
@_title
@_known_hosts
@of_stack
def rotate(repository: str, title: str | None, known_hosts: Path | None, **options: Any) -> int:
    """Replace a deploy key by a new one.

    The old key stays in force until git has read the repository with the new one, and is then
    removed at the provider. A job that has taken the old key and not checked out yet fails.
    """
    from mayfly_cli.deploy_keys.making import make

    return _run(
        lambda it, asked: make(it, asked, title, renew=True, must_exist=True),
        repository,
        options,
        known_hosts,
    )


@deploy_key.command(
    "list",
    cls=Command,
    epilog=examples(
        "mayfly deploy-key list --queue default",
        f"mayfly deploy-key list {_URL} --queue default",
        ends="0 all keys are in order, 1 one is not",
    ),
)
@click.argument("repository", required=False)
@_queue
@_at_provider
@of_stack
def list_(repository: str | None, **options: Any) -> int:
    """List a queue's keys, or a repository's.

    With REPOSITORY, its provider is asked too. No right to decrypt is needed: the public half lies
    beside each key.
    """
    from mayfly_cli.deploy_keys.listing import of_queue, of_repository

    if repository is not None:
        return _run(of_repository, repository, options)
    queue = options["queue"]
    for name in ("queue", "provider", "api", "token_parameter"):
        options.pop(name)
    return answer(lambda it: of_queue(it, queue), options)


@deploy_key.command(
    "delete",
    cls=Command,
    epilog=examples(
        f"mayfly deploy-key delete {_URL} --queue default",
        ends="0 the key is deleted, 1 something is left to do",
    ),
)
@click.argument("repository")
@_queue
@_at_provider
@click.option(
    "--fingerprint",
    metavar="SHA256:…",
    type=_FINGERPRINT,
    help="Delete this key at the provider alone; jobs must not use it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@of_stack
def delete(repository: str, fingerprint: str | None, yes: bool, **options: Any) -> int:
    """Delete a deploy key, here and at the provider."""
    from mayfly_cli.deploy_keys.making import remove

    return _run(lambda it, asked: remove(it, asked, fingerprint, ask=not yes), repository, options)


def _run(
    make: Callable[[Any, Any], Any],
    repository: str,
    options: dict[str, Any],
    known_hosts: Path | None = None,
) -> int:
    from mayfly_cli.deploy_keys.opening import Asked

    named = {name: options.pop(name) for name in ("queue", "provider", "api", "token_parameter")}
    lines = known_hosts.read_text("utf-8", "replace") if known_hosts is not None else ""
    asked = Asked(repository, known_hosts=lines, **named)
    return answer(lambda it: make(it, asked), options)
