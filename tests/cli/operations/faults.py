"""Faults of AWS for the tool's clients, and one command line for each command of the tool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from mayfly_cli.account import Account
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import WAITING
from tests.cli.real_account import Run

OPERATORS: Mapping[str, tuple[str, ...]] = {
    "status": (),
    "explain": (WAITING.job,),
    "doctor": (),
    "jobs": (),
    "instances": (),
    "launches": (),
    "logs": (WAITING.job,),
    "waits": (),
    "cost": (),
    "changes": (),
    "report": (),
    "plan": (),
    "get": ("deploy",),
    "set": ("deploy", "pool/hot", "7"),
    "unset": ("deploy", "pool/hot"),
    "pool": ("deploy", "9"),
    "pause": ("deploy",),
    "resume": ("deploy",),
    "drain": ("deploy",),
    "recycle": ("deploy",),
}
"""Commands that ask a deployed stack, with arguments that make each of them work."""
ACCOUNT: Mapping[str, tuple[str, ...]] = {
    "preflight": (),
    "uninstall": ("--yes",),
    "check-aws": (),
    "check-image": ("--yes",),
    "check-policies": (),
    "check-profiles": ("--yes",),
}
"""Commands for deployments that open an account."""
BUILDKITE: Mapping[str, tuple[str, ...]] = {
    "agent-release": (),
    "first-job": ("--queue", "deploy"),
    "check-buildkite": ("--queue", "deploy"),
}
"""Commands that ask Buildkite or GitHub alone."""
_KEY = ("git@github.com:acme/app.git", "--queue", "deploy")
SECRETS: Mapping[str, tuple[str, ...]] = {
    "deploy-key create": _KEY,
    "deploy-key rotate": _KEY,
    "deploy-key list": ("--queue", "deploy"),
    "deploy-key delete": (*_KEY, "--yes"),
    "import-secrets": ("s3://acme-secrets", "--queue", "deploy", "--yes"),
}
"""Commands for a queue's secrets. tests/cli/deploy_keys and tests/cli/import_secrets break them."""
EVERY = {**OPERATORS, **ACCOUNT, **BUILDKITE, **SECRETS}
CHANGING = ("set", "unset", "pool", "pause", "resume", "drain", "recycle")
SECRET = "bkct_0123456789abcdef0123456789"
SERVICES = ("dynamodb", "ssm", "cloudwatch", "logs", "cloudformation", "ec2")
Handler = Callable[..., Any]


@contextmanager
def struck(account: Account, event: str, handler: Handler) -> Iterator[None]:
    """The account's clients with a handler before their own: its answer replaces AWS's."""
    emitters = [account.client(service).meta.events for service in SERVICES]
    for each in emitters:
        each.register_first(event, handler, unique_id="fault")
    try:
        yield
    finally:
        for each in emitters:
            each.unregister(event, handler, unique_id="fault")


class _Refusal:
    """As much of an HTTP answer as botocore reads."""

    status_code = 400


def answered(code: str, message: str) -> Any:
    """What a handler of `before-call` returns, for an error of AWS."""
    error = {"Code": code, "Message": message}
    return _Refusal(), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}


def refused(code: str, message: str = "no", only: str = "") -> Handler:
    """An error to every call, or to those of one operation."""

    def handler(model: Any, **_: Any) -> Any:
        return answered(code, message) if only in {"", model.name} else None

    return handler


class Throttled:
    """DynamoDB's throttle as an HTTP answer, so that botocore repeats the call as ever."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.sent += 1
        name = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
        body = f'{{"__type": "{name}", "message": "too fast"}}'.encode()
        raw: Any = SimpleNamespace(stream=lambda: iter([body]))
        headers: Any = {"x-amzn-requestid": "r"}
        return AWSResponse(request.url, 400, headers, raw)


class Hanging:
    """An endpoint that takes a request and never answers: the time limit ends each attempt."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.sent += 1
        raise ReadTimeoutError(endpoint_url=request.url)


def run(world: StackInMoto, name: str) -> Run:
    """Run a command to its end, that of reads which an error has left under way too."""
    before = set(threading.enumerate())
    ended = world.run(name, *EVERY[name])
    # Not those of other tests: a server's thread waits for its client as long as both live.
    for thread in set(threading.enumerate()) - before:
        if thread.daemon:
            thread.join(10)
    return ended
