"""The lines that `mayfly-lab up` prints, to paste into a shell unchanged."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mayfly_lab.commands.rest import Builds
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK, Lab

HELLO, BY_HAND = "hello", "byhand"
"""Slugs of two pipelines. `BY_HAND` is also the name of a queue that Mayfly does not serve."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a shell, with its key in the JSON file and its purpose."""

    name: str
    what: str
    text: str


def lines(lab: Lab) -> Iterator[Line]:
    """All lines, in the order of use."""
    yield Line("aws", "AWS, as an operator: OperatorsPolicy", _exports(aws_variables(lab)))
    others = (
        ("security owner", "as a security owner: SecurityOwnersPolicy", lab.aws.security_owner),
        ("administrator", "as who deploys the stacks: every right", lab.aws.administrator),
    )
    for name, what, keys in others:
        yield Line(name, f"AWS, {what} (own shell)", _exports(keys_of(lab, keys)))
    yield Line("buildkite", "Buildkite, for agents and for you", _exports(bk_variables(lab)))
    yield from _builds(lab)
    yield from _pool(lab)
    if shutil.which("buildkite-agent"):
        yield from _by_hand(lab)


def aws_variables(lab: Lab) -> dict[str, str]:
    """Environment variables for a client of AWS, with an operator's credentials."""
    return keys_of(lab, lab.aws.operator)


def keys_of(lab: Lab, keys: Keys) -> dict[str, str]:
    """Environment variables for a client of AWS, with these credentials."""
    return {
        "AWS_ENDPOINT_URL": lab.aws.endpoint,
        "AWS_REGION": lab.aws.config.region,
        "AWS_DEFAULT_REGION": lab.aws.config.region,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
    }


def bk_variables(lab: Lab) -> dict[str, str]:
    """Environment variables for an agent, and a user's API token."""
    return {
        "BUILDKITE_AGENT_ENDPOINT": lab.buildkite.agent_endpoint,
        "BUILDKITE_API_ENDPOINT": f"{lab.buildkite.url}/v2",
        "BUILDKITE_AGENT_TOKEN": lab.buildkite.agent_token,
        "BUILDKITE_API_TOKEN": lab.buildkite.api_token,
    }


def _exports(variables: dict[str, str]) -> str:
    return "export " + " ".join(f"{name}={quote(value)}" for name, value in variables.items())


def _builds(lab: Lab) -> Iterator[Line]:
    url = Builds(lab.buildkite, HELLO).url
    yield Line("create build", "create a build", _create(lab, HELLO))
    yield Line("show build", "show the build with its jobs", _curl(lab, f"{url}/1"))
    job = (
        f"{_curl(lab, f'{url}/1')} |"
        ' python3 -c \'import json, sys; print(json.load(sys.stdin)["jobs"][0]["id"])\''
    )
    log = f'{_curl(lab, f"{url}/1/jobs/")}"$({job})"/log.txt'
    yield Line("show log", "show the log of the build's job", log)


def _create(lab: Lab, pipeline: str) -> str:
    build = quote('{"branch": "main", "commit": "HEAD", "message": "By hand"}')
    return _curl(
        lab,
        Builds(lab.buildkite, pipeline).url,
        f"--header 'Content-Type: application/json' --data {build} ",
    )


def _curl(lab: Lab, url: str, more: str = "") -> str:
    return f"curl --fail --silent --show-error --header {quote(_bearer(lab))} {more}{quote(url)}"


def _bearer(lab: Lab) -> str:
    return f"Authorization: Bearer {lab.buildkite.api_token}"


def _pool(lab: Lab) -> Iterator[Line]:
    """Lines that change pool/hot (by boto3, and by the AWS CLI if installed), and read records."""
    name = f"/mayfly/{STACK}/queues/{lab.choices.queues[0]}/pool/hot"
    what = "keep two machines hot"
    if aws_cli_runs():
        text = f"aws ssm put-parameter --name {name} --type String --overwrite --value 2"
        yield Line("pool by aws", what, text)
    code = (
        "import boto3; boto3.client('ssm').put_parameter("
        f"Name='{name}', Type='String', Overwrite=True, Value='2')"
    )
    yield Line("pool by boto3", f"{what}, in Python", f'{quote(sys.executable)} -c "{code}"')
    scan = f"import boto3; print(boto3.client('dynamodb').scan(TableName='{STACK}-fleet')['Items'])"
    yield Line("records", "Mayfly's records", f'{quote(sys.executable)} -c "{scan}"')


def aws_cli_runs() -> bool:
    """Whether an AWS CLI runs. A version manager's shim is on PATH even without a CLI behind it."""
    program = shutil.which("aws")
    if program is None:
        return False
    try:
        done = subprocess.run(
            (program, "--version"),
            capture_output=True,
            timeout=30,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _by_hand(lab: Lab) -> Iterator[Line]:
    """Lines for an agent started by hand; `bk_variables` hold its token and endpoint."""
    place = quote(str(by_hand_folder(lab)))
    start = (
        f"buildkite-agent start --name by-hand --tags queue={BY_HAND} --build-path {place}/builds"
        f" --hooks-path {place}/hooks --plugins-path {place}/plugins --no-color"
    )
    yield Line("agent", f"an agent by hand, for the queue {BY_HAND} (stays: own shell)", start)
    yield Line("build by hand", "a build for the agent by hand", _create(lab, BY_HAND))


def by_hand_folder(lab: Lab) -> Path:
    """Folder for agents started by hand; removed with the lab."""
    return lab.home / BY_HAND
