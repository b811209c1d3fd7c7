"""What every script says to those who ask for the impossible: one line, exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly_cli.preflight.command import main as preflight
from tests.scripts.real_account import Run, bare_environment, run

NAMES = ("check-buildkite", "first-job", "preflight", "uninstall")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAFAKE", "AWS_SECRET_ACCESS_KEY": "fake"}
QUEUE = ("QueueKey=default", "VpcId=vpc-0", "Subnets=subnet-0")


def one_line(ended: Run) -> str:
    assert (ended.status, ended.out) == (2, "")
    [line] = [each for each in ended.err.splitlines() if not each.startswith(("usage:", " "))]
    return line


@pytest.mark.parametrize("name", NAMES)
def test_help_is_shown_without_credentials(name: str, tmp_path: Path) -> None:
    ended = run(name, "--help", environment=bare_environment(tmp_path))
    assert ended.status == 0
    assert ended.out.startswith(f"usage: {name} ")
    assert "Exit status: 0" in ended.out


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_flag_is_named(name: str, tmp_path: Path) -> None:
    required = ("--queue=q",) if name in {"check-buildkite", "first-job"} else ()
    ended = run(name, *required, "--nonsense", environment=bare_environment(tmp_path))
    assert "--nonsense" in one_line(ended)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nonsense",), "'nonsense' is not Name=value"),
        (("Nonsense=1",), "no template has a parameter Nonsense; it asks for TokenParameter"),
        (("nonsense/name=1",), "there is no such parameter"),
        (("QueueKey=default",), "a queue needs VpcId: give VpcId=vpc-0123"),
        (("QueueKey=default", "VpcId=vpc-0"), "a queue needs Subnets"),
        (("QueueKey=a b",), "QueueKey"),
        (("AssignPublicIp=perhaps",), "AssignPublicIp"),
        (("TokenParameter=no-slash",), "begins with"),
        ((*QUEUE, "AgentVersion=latest"), "AgentVersion"),
        ((*QUEUE, "limits/max-instances=many"), "limits/max-instances"),
        ((*QUEUE, "imds=supervisor", "job/root=yes"), "imds"),
        (("--stack=9lives",), "begin with a letter"),
        (("--answers=/nowhere/answers",), "/nowhere/answers cannot be read"),
    ],
)
def test_preflight_refuses_answers_that_a_deployment_would_refuse(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: no account is opened before all answers are read."""
    status = preflight(words)
    shown = capsys.readouterr()
    assert says in one_line(Run(status, shown.out, shown.err))


@pytest.mark.parametrize("name", ["preflight", "uninstall"])
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"AWS_REGION": "eu-central-1"}, "no AWS credentials: log in"),
        (KEYS, "no region: give --region, or set AWS_REGION"),
        ({**KEYS, "AWS_REGION": "eu-1", "AWS_PROFILE": "nobody"}, "nobody"),
        (
            {**KEYS, "AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "AWS cannot be reached",
        ),
        ({**KEYS, "AWS_REGION": "eu-1", "AWS_ENDPOINT_URL": "nonsense"}, "AWS cannot be called"),
    ],
)
def test_without_a_way_into_an_account_it_says_what_is_missing(
    name: str, environment: dict[str, str], says: str, tmp_path: Path
) -> None:
    ended = run(name, environment={**bare_environment(tmp_path), **environment})
    assert says in one_line(ended)


@pytest.mark.parametrize("arguments", [("--stack=a b",), ("--queue=a/b",)])
def test_uninstall_refuses_names_that_cannot_be(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ended = run("uninstall", *arguments, environment=bare_environment(tmp_path))
    assert "is not the name of a stack or the key of a queue" in one_line(ended)
