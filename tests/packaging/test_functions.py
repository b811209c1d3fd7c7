"""Each function runs under Lambda's own runtime client from the output of `sam build`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from mayfly_cli.templates.translation import translate
from tests.packaging.conftest import FUNCTIONS, ROOT, HostBuild
from tests.packaging.runtime_api import REQUEST_ID, RuntimeApi, runtime_api

EVENTS = {
    "dispatch": ["schedule"],
    "provision": ["schedule", "nudge", "parameter-change", "parameter-call"],
    "sandbox": ["schedule", "mailbox"],
    "reap": ["schedule", "nudge", "instance-messages", "instance-state-change", "spot-warning"],
}
pytestmark = pytest.mark.slow

CLOSED = "http://127.0.0.1:9"
"""The discard port: no test machine listens there, so every AWS call is refused at once."""


@pytest.fixture(scope="module")
def settings() -> dict[str, dict[str, str]]:
    """Each function's environment, as the template gives it."""
    resources = Deployment(
        translate(ROOT / "template.yaml", REGION).template, "mayfly", {}
    ).resources
    functions = {name: resources[f"{name.capitalize()}Function"] for name in FUNCTIONS}
    return {n: f["Properties"]["Environment"]["Variables"] for n, f in functions.items()}


def lambda_environment(
    function: str, built: Path, host: HostBuild, settings: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Environment and import path of a function as Lambda lays them out, runtime client first."""
    task = built / f"{function.capitalize()}Function"
    layers = [host.packages, built / "MayflyLayer" / "python"]
    return {
        **settings[function],
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": CLOSED,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": f"mayfly-{function}",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/mayfly-{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_TASK_ROOT": str(task),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ":".join(str(part) for part in (host.runtime, task, *layers)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "_HANDLER": f"app.{function}",
    }


@contextmanager
def running(environment: dict[str, str], host: HostBuild, log: Path) -> Iterator[RuntimeApi]:
    """One execution environment: the process lives over several invocations, as in Lambda."""
    with runtime_api(budget=3) as api, log.open("wb") as output:
        process = subprocess.Popen(
            # -S: no site-packages of this machine, so only shipped modules can be imported.
            [host.python, "-S", "-m", "awslambdaric", environment["_HANDLER"]],
            cwd=environment["LAMBDA_TASK_ROOT"],
            env=environment | {"AWS_LAMBDA_RUNTIME_API": api.address},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield api
        finally:
            process.kill()
            process.wait()
            api.let_go()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_without_aws_leaves_its_work_to_the_next_tick(
    function: str,
    built: Path,
    host_build: HostBuild,
    settings: dict[str, dict[str, str]],
    tmp_path: Path,
) -> None:
    """Each event of each function is parsed and handled up to its first refused AWS call."""
    environment = lambda_environment(function, built, host_build, settings)
    log = tmp_path / "log"
    with running(environment, host_build, log) as api:
        for name in EVENTS[function]:
            event = (ROOT / "events" / f"{name}.json").read_bytes()
            answer = api.invoke(event, patience=60)
            if function == "dispatch":
                # An invocation in which nobody answered fails, for the alarm of its errors.
                assert answer.kind == "error", (name, answer, log.read_text())
                assert "Transient: " in answer.body["errorMessage"]
                continue
            assert answer.kind == "response", (name, answer, log.read_text())
            assert answer.body["left"].keys() == {"Transient"}, name
            assert not answer.body["done"], name
    # The runtime adds plain lines about an invocation that fails.
    plain = log.read_text().splitlines()
    lines = [json.loads(line) for line in plain if line.startswith("{")]
    assert {line["service"] for line in lines} == {function}
    assert {line["function_name"] for line in lines} == {f"mayfly-{function}"}
    assert {line["function_request_id"] for line in lines} == {REQUEST_ID}
    colds = [line["cold_start"] for line in lines if line.get("message") == "tick"]
    assert colds == [True] + [False] * (len(EVENTS[function]) - 1)
    reasons = [line["message"] for line in lines if line.get("level") == "WARNING"]
    assert reasons
    assert all(CLOSED in reason for reason in reasons)


def test_every_sample_event_is_sent_to_a_function() -> None:
    kept = {path.stem for path in (ROOT / "events").glob("*.json")}
    assert kept == {name for names in EVENTS.values() for name in names}


def test_every_function_imports_and_its_cold_import_is_measured(
    built: Path,
    host_build: HostBuild,
    settings: dict[str, dict[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The time is printed, not asserted: a slow machine is no defect, a missing module is one."""
    measured: dict[str, float] = {}
    for function in FUNCTIONS:
        environment = lambda_environment(function, built, host_build, settings)
        environment |= {"PYTHONPATH": environment["PYTHONPATH"].split(":", 1)[1]}
        timed = "import time; t = time.perf_counter(); import app; print(time.perf_counter() - t)"
        seconds = []
        for _ in range(3):
            done = subprocess.run(
                [host_build.python, "-S", "-c", timed],
                cwd=environment["LAMBDA_TASK_ROOT"],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(float(done.stdout))
        measured[function] = statistics.median(seconds)
    with capsys.disabled():
        shown = ", ".join(f"{name} {1000 * took:.0f} ms" for name, took in measured.items())
        sys.stdout.write(f"\ncold import, median of 3: {shown}\n")
