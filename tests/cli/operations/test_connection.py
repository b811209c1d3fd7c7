"""The stack that a command asks, and every reason why it cannot be asked."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mayfly.adapters.aws.boto_errors import translate
from mayfly.errors import Misconfigured
from mayfly_cli.account import Account
from mayfly_cli.operations import connection
from mayfly_cli.operations.connection import stacks_of
from mayfly_cli.operations.refusals import why_not_asked
from mayfly_cli.operations.rendering import console, width_of, write
from mayfly_cli.operations.screen import Mood, Span, line
from tests.cli.operations.conftest import StackInMoto, make_tables
from tests.cli.real_account import MAYFLY, bare_environment, one_line, run


def test_the_only_stack_is_found_by_itself(in_moto: StackInMoto) -> None:
    ended = in_moto.run("status")
    assert ended.out.startswith("ci · eu-central-1 · ")
    assert ended.err == ""


def test_several_stacks_are_asked_for_by_name_and_commands_to_paste_name_it(
    in_moto: StackInMoto,
) -> None:
    make_tables(in_moto.account.client("dynamodb"), "other")
    ended = in_moto.run("status")
    assert ended.status == 2
    assert "several stacks in eu-central-1: ci, other; name one by --stack" in one_line(ended)
    in_moto.put("pool/hot", "ten")
    in_moto.provision()
    ended = in_moto.run("status", "--stack", "ci")
    assert "-> mayfly set deploy pool/hot VALUE --stack ci\n" in ended.out
    assert "-> mayfly unset deploy pool/hot --stack ci\n" in ended.out


def test_a_region_without_a_stack_says_so(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("dynamodb")
    for table in ("ci-fleet", "ci-mailbox"):
        client.delete_table(TableName=table)
    assert "there is no stack of Mayfly in eu-central-1" in one_line(in_moto.run("status"))
    ended = in_moto.run("status", "--stack", "nope")
    assert ended.status == 2
    assert "there is no stack nope here, for there is no table nope-fleet" in one_line(ended)


def test_a_stack_has_both_tables() -> None:
    assert stacks_of(["ci-fleet", "ci-mailbox", "air-fleet", "b-mailbox"]) == ["ci"]


def test_no_credentials_is_one_line(tmp_path: Path) -> None:
    environment = {**bare_environment(tmp_path), "AWS_REGION": "eu-central-1"}
    ended = run("status", environment=environment)
    assert ended.status == 2
    assert "no AWS credentials: log in" in one_line(ended)


def refused(code: str, message: str, operation: str = "Query", status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


DENIED = (
    "User: arn:aws:iam::1:user/eve is not authorized to perform: dynamodb:Query on resource: "
    "arn:aws:dynamodb:eu-central-1:1:table/ci-fleet/index/open because no identity-based policy"
)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            refused("AccessDeniedException", DENIED),
            "you may not dynamodb:Query on table ci-fle",
        ),
        (refused("ThrottlingException", "slow"), "AWS answers ThrottlingException to Query: try a"),
        (refused("ExpiredTokenException", "old"), "AWS refuses these credentials (ExpiredTokenEx"),
        (
            refused("ValidationException", "The table does not have the specified index: closed"),
            "the stack ci is of an older version than this tool",
        ),
        (refused("ResourceNotFoundException", "no"), "there is no stack ci here"),
        (refused("SomethingElse", "odd"), "AWS answers SomethingElse to Query: odd"),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be asked"),
    ],
)
def test_each_error_is_one_line_with_what_to_do(error: Any, says: str) -> None:
    assert says in why_not_asked(error, "ci")
    wrapped = translate(error)
    wrapped.__cause__ = error
    assert says in why_not_asked(wrapped, "ci")


def test_a_missing_right_to_list_tables_asks_for_the_stack(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Denied:
        def get_paginator(self, name: str) -> Denied:
            return self

        def paginate(self) -> Any:
            raise refused("AccessDeniedException", "no", "ListTables")

    class Client:
        region = "eu-central-1"

        def client(self, service: str) -> Any:
            return Denied()

    account: Any = Client()
    monkeypatch.setattr(connection, "open_account", lambda region, config: account)
    ended = in_moto.run("status")
    assert ended.status == 2
    assert "you may not dynamodb:ListTables, by which the stack is found: give --stack" in ended.err


def test_an_error_of_aws_ends_a_command_with_2(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queues(self: Any) -> Any:
        raise translate(refused("ThrottlingException", "slow")) from refused(
            "ThrottlingException", "slow"
        )

    monkeypatch.setattr("mayfly.adapters.dynamodb.fleet.DynamoFleet.queues", queues)
    ended = in_moto.run("status")
    assert ended.status == 2
    assert "AWS answers ThrottlingException to Query: try again in a moment" in one_line(ended)


def test_a_row_that_cannot_be_read_is_told_as_what_it_is(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("dynamodb")
    client.put_item(
        TableName="ci-fleet", Item={"pk": {"S": "claim#app"}, "version": {"S": "later"}}
    )
    with pytest.raises(Misconfigured) as found:
        in_moto.fleet.claim("app")
    assert why_not_asked(found.value, "ci").startswith("row claim#app is not a readable Claim")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal(), {"TERM": "xterm-256color"}, True),
        (Terminal(), {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (io.StringIO(), {"TERM": "xterm-256color"}, False),
    ],
)
def test_colour_is_for_terminals_without_no_color(
    stream: io.StringIO,
    environment: dict[str, str],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    write((line(Span("bad", Mood.BAD)),), console(stream, 80))
    assert ("\x1b[1;31m" in stream.getvalue()) is coloured


def test_a_pipe_that_closes_ends_the_command_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**bare_environment(tmp_path), "AWS_REGION": "eu-central-1"}
    ended = subprocess.run(
        [MAYFLY, "pool", "--help"],
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert ended.stderr == b""


def test_the_width_of_a_file_does_not_depend_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert width_of(io.StringIO(), {}) == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert width_of(io.StringIO(), {"COLUMNS": "60"}) == 60
    monkeypatch.setenv("COLUMNS", "999")
    assert width_of(Terminal(), {}) == 200


def test_an_account_makes_each_client_once(in_moto: StackInMoto) -> None:
    account = in_moto.account
    assert isinstance(account, Account)
    assert account.client("ssm") is account.client("ssm")


def test_watch_shows_again_until_it_is_stopped(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def sleep(seconds: float = 0) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(in_moto, "provision", sleep)
    ended = in_moto.run("status", "--watch=3s")
    assert ended.status == 130
    assert waited == [3.0, 3.0]
    assert ended.out.count("ci · eu-central-1") == 2
    assert "\x1b" not in ended.out
