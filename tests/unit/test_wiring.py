"""Ports and clients are made before the first invocation, and serve all later invocations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from mayfly import wiring
from mayfly.adapters.aws import clients
from mayfly.errors import Misconfigured
from tests.unit.function_log import function_log
from tests.unit.test_settings import GOOD

CLIENTS = {
    "dispatch": {"dynamodb", "sqs", "ssm"},
    "provision": {"dynamodb", "ec2", "iam", "sqs", "ssm"},
    "sandbox": {"dynamodb", "ec2", "sqs"},
    "reap": {"dynamodb", "ec2", "logs", "sqs"},
}
ENVIRONMENT = {**GOOD, "MAYFLY_LAST_WORDS_GROUP": "/mayfly/ci/last-words"}
SERVICES = ("dynamodb", "ec2", "iam", "logs", "sqs", "ssm")
CACHED = (
    *(wiring.dispatch, wiring.provision, wiring.sandbox, wiring.reap, wiring.settings),
    *(getattr(clients, service) for service in SERVICES),
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of services with a client made so far, in the environment that the template sets."""
    services: list[str] = []

    def client(service: str, **_: Any) -> str:
        services.append(service)
        return f"client of {service}"

    def forget() -> None:
        for each in CACHED:
            each.cache_clear()

    monkeypatch.setattr(boto3, "client", client)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    forget()
    with function_log(monkeypatch):
        yield services
    forget()


@pytest.mark.parametrize("function", CLIENTS)
def test_a_function_makes_exactly_its_clients_before_its_first_invocation(
    function: str, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_HANDLER", f"app.{function}")
    wiring.prepare()
    assert sorted(made) == sorted(CLIENTS[function])
    ports: Callable[[], object] = getattr(wiring, function)
    assert ports() is ports()
    assert sorted(made) == sorted(CLIENTS[function])


@pytest.mark.parametrize("handler", [None, "", "app.other", "dispatch.py"])
def test_without_a_known_handler_no_client_is_made(
    handler: str | None, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("_HANDLER", raising=False)
    if handler is not None:
        monkeypatch.setenv("_HANDLER", handler)
    wiring.prepare()
    assert made == []


def test_a_bad_environment_is_reported_by_the_invocation(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_HANDLER", "app.reap")
    monkeypatch.delenv("MAYFLY_STACK")
    wiring.prepare()
    assert made == []
    with pytest.raises(Misconfigured, match="MAYFLY_STACK is missing"):
        wiring.reap()


def test_importing_the_file_of_handlers_prepares_its_function() -> None:
    """Lambda imports this file in its initialisation phase."""
    code = "import app; from mayfly import wiring; print(wiring.sandbox.cache_info().currsize)"
    environment = {
        **ENVIRONMENT,
        "_HANDLER": "app.sandbox",
        "PYTHONPATH": str(Path(__file__).parents[2] / "functions"),
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
