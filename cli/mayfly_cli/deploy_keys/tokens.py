"""The token for a provider: from an environment variable or from Parameter Store, never argv."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from mayfly.scrubbing import hide
from mayfly_cli.deploy_keys.http import Token
from mayfly_cli.deploy_keys.providers import NEEDS, VARIABLES
from mayfly_cli.deploy_keys.repository import NAMES, Provider
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.queue_secrets.store import SECURE, SecretStore


def token_for(
    provider: Provider,
    connection: Connection,
    parameter: str | None,
    environment: Mapping[str, str] = os.environ,
) -> Token:
    """The token of the named parameter, or of the provider's environment variable.

    Raises UsageError without a token, and for a value that is none.
    """
    if parameter is not None:
        return _checked(_in_parameter(connection, parameter), parameter)
    variable = VARIABLES[provider]
    value = environment.get(variable, "").strip()
    if not value:
        raise UsageError(
            f"no token for {NAMES[provider]}: set {variable}, or give --token-parameter; "
            f"{NEEDS[provider]}"
        )
    return _checked(value, variable)


def _in_parameter(connection: Connection, name: str) -> str:
    store = SecretStore(connection.account.client("ssm"), "")
    found = store.read([name], decrypted=True).get(name)
    if found is None:
        raise UsageError(f"there is no parameter {name} with a token")
    if found.kind != SECURE:
        raise UsageError(f"{name} is a {found.kind}, in plain text: make it a SecureString")
    return found.value.strip()


def _checked(value: str, source: str) -> Token:
    if not re.fullmatch("[!-~]+", value):
        raise UsageError(f"{source} has white space or characters in it that no token has")
    hide(value)
    return Token(value, source)
