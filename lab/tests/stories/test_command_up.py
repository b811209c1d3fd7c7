"""A lab that stays up: every printed line works when pasted, and nothing is left of the lab."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mayfly_lab.lab import ROOT
from stories.commands import PATIENCE, Command, left_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("up")
    file = folder / "ready.json"
    command = Command(folder, ("up", "--json", str(file)))
    try:
        yield command.ready(file)
    finally:
        command.process.send_signal(signal.SIGTERM)
        code, output = command.ended()
    assert code == 0, output
    assert not file.exists()
    assert left_of(command.temporary) == []


@pytest.fixture(scope="module")
def paste(up: dict[str, Any]) -> Callable[..., str]:
    """Paste printed lines into a shell with both lines of exports. Returns the output."""

    def pasted(*names: str) -> str:
        script = "\n".join(["set -e", *(up["lines"][n] for n in ("aws", "buildkite", *names))])
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        done = subprocess.run(
            ["bash", "-c", script], check=True, capture_output=True, text=True, env=clean
        )
        return done.stdout

    return pasted


def until(what: str, done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"not yet: {what}"
        time.sleep(0.3)


def test_a_build_is_created_shown_and_read(paste: Callable[..., str]) -> None:
    build = json.loads(paste("create build"))
    assert build["number"] == 1
    until("the build has passed", lambda: json.loads(paste("show build"))["state"] == "passed")
    assert "\x07hello\n" in paste("show log")


@pytest.mark.parametrize("by", ["pool by aws", "pool by boto3"])
def test_the_pool_is_changed(up: dict[str, Any], paste: Callable[..., str], by: str) -> None:
    if by not in up["lines"]:
        pytest.skip("there is no AWS CLI that runs")
    paste(by)
    until("two machines are ready", lambda: paste("records").count("{'S': 'ready'}") >= 2)


@pytest.mark.parametrize(
    ("who", "may"), [("aws", False), ("security owner", True), ("administrator", True)]
)
def test_each_persons_line_gives_the_rights_of_that_persons_policy(
    up: dict[str, Any], paste: Callable[..., str], who: str, may: bool
) -> None:
    name = "/mayfly/mayfly/queues/default/policy/rules/ours"
    change = (
        f"import boto3; boto3.client('ssm').put_parameter(Name='{name}', Type='String',"
        " Value='pipeline=hello', Overwrite=True)"
    )
    script = f'{up["lines"][who]}\n{sys.executable} -c "{change}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is may, done.stderr
    assert may or "with an explicit deny in an identity-based policy" in done.stderr
    undo = f"import boto3; boto3.client('ssm').delete_parameters(Names=['{name}'])"
    subprocess.run(
        ["bash", "-c", f'{up["lines"]["administrator"]}\n{sys.executable} -c "{undo}"'], check=True
    )


def test_the_calls_of_the_operators_page_are_allowed_to_an_operator_and_tell_what_is_wrong(
    up: dict[str, Any],
) -> None:
    if "pool by aws" not in up["lines"]:
        pytest.skip("there is no AWS CLI that runs")
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    section = page.partition("## When something fails")[2].partition("### ")[0]
    blocks = [block.partition("```")[0] for block in section.split("```sh\n")[1:]]
    calls = [block for block in blocks if block.startswith("aws ")]
    assert len(calls) == 3
    name = "/mayfly/mayfly/queues/default/pool/max-idle-hours"
    put = f"aws ssm put-parameter --name {name} --type String --value soon"

    def said(call: str) -> str:
        text = call.replace("STACK", up["stack"]).replace("QUEUE", up["queues"][0])
        script = f"set -e\n{up['lines']['aws']}\n{text}"
        return subprocess.run(
            ["bash", "-c", script], check=True, capture_output=True, text=True
        ).stdout

    def tells(call: str, words: str) -> bool:
        return words in said(call)

    said(put)
    for call, words in zip(calls, ("/BadConfiguration", 'soon\\"', "soon"), strict=True):
        until(f"{words} is told", partial(tells, call, words))
    said(f"aws ssm delete-parameter --name {name}")


def test_an_agent_that_was_started_by_hand_runs_a_job(
    up: dict[str, Any], paste: Callable[..., str]
) -> None:
    if shutil.which("buildkite-agent") is None:
        assert "agent" not in up["lines"]
        pytest.skip("there is no buildkite-agent on PATH")
    build = json.loads(paste("build by hand"))
    lines = "\n".join([up["lines"]["buildkite"], f"exec {up['lines']['agent']}"])
    agent = subprocess.Popen(
        ["bash", "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert agent.stdout is not None
    for line in agent.stdout:
        if f"Finished job {build['jobs'][0]['id']}" in line:
            break
    agent.terminate()
    agent.communicate(timeout=60)
    shown = up["lines"]["show build"].replace("/hello/", "/byhand/")
    done = subprocess.run(["bash", "-c", shown], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["state"] == "passed"


def test_logs_and_journal_are_at_the_printed_paths(up: dict[str, Any]) -> None:
    for what, path in up["files"].items():
        assert Path(path).is_file(), what


def test_every_printed_line_of_up_is_covered_by_a_test(up: dict[str, Any]) -> None:
    pasted = {"aws", "buildkite", "create build", "show build", "show log", "records"}
    pasted |= {"pool by aws", "pool by boto3", "agent", "build by hand"}
    pasted |= {"security owner", "administrator"}
    assert set(up["lines"]) <= pasted


def test_ctrl_c_twice_leaves_nothing_behind_and_the_ports_are_those_asked_for(
    tmp_path: Path,
) -> None:
    ports = free_ports()
    file = tmp_path / "ready.json"
    options = ("--port-aws", str(ports[0]), "--port-buildkite", str(ports[1]))
    command = Command(tmp_path, ("up", "--hot", "1", "--json", str(file), *options))
    ready = command.ready(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert ready["aws"]["AWS_ENDPOINT_URL"].endswith(f":{ports[0]}")
    assert ready["buildkite"]["url"].endswith(f":{ports[1]}")
    time.sleep(5)  # a machine boots by then
    code, output = command.interrupt(times=3)
    assert code == 0, output
    assert not file.exists()
    assert left_of(command.temporary) == []


def test_ctrl_c_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    command = Command(tmp_path, ("up", "--hot", "1"))
    until("the command has written temporary files", lambda: any(command.temporary.iterdir()))
    code, output = command.interrupt()
    assert code in {0, 130}, output
    assert left_of(command.temporary) == []


def free_ports() -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as b:
        return [each.getsockname()[1] for each in (one, b)]
