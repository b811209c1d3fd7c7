from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.function_lab import ARN, a_world, functions, spec
from local.waiting import eventually
from mayfly_lab.aws.functions.functions import Functions, ThrottledError
from mayfly_lab.aws.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as running:
        yield running


@pytest.fixture
def account(world: World, tmp_path: Path) -> Iterator[Functions]:
    with functions(world, spec(tmp_path)) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child of a killed parent may remain a zombie until init reaps it.
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


# ------------------------------------------------------------------ what a function gets


def test_a_function_answers_and_its_worker_is_kept(account: Functions) -> None:
    first = account.invoke(ARN, {"n": 1})
    second = account.invoke("mayfly-echo", {"n": 2})
    assert first.ok
    assert first.result["echo"] == {"n": 1}
    assert first.result["helper"] == "from the layer"
    assert second.result["pid"] == first.result["pid"]


def test_the_environment_has_the_templates_and_lambdas_variables_and_none_of_the_labs(
    account: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "developer")
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "yes")
    found = account.invoke(ARN, {"do": "environment"}).result
    assert found["GREETING"] == "hello"
    assert found["AWS_REGION"] == "us-east-1"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == "mayfly-echo"
    assert found["AWS_ACCESS_KEY_ID"] == "ASIA0000000000000000"
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["_HANDLER"] == "app.handler"
    assert found["LAMBDA_TASK_ROOT"].endswith("/task")
    assert found["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert not {"AWS_PROFILE", "SECRET_OF_THE_DEVELOPER", "VIRTUAL_ENV"} & found.keys()
    assert not [name for name in found if name.startswith("MAYFLY_LAB")]


def test_task_and_layers_come_first_on_the_path(account: Functions) -> None:
    path = account.invoke(ARN, {"do": "path"}).result
    assert [Path(each).name for each in path[:2]] == ["task", "layer"]


def test_the_context_has_lambdas_attributes(account: Functions) -> None:
    outcome = account.invoke(ARN, {"do": "context"})
    assert outcome.result["request"] == outcome.request_id
    assert 20_000 < outcome.result["left"] <= 30_000
    assert outcome.result["arn"] == ARN
    assert (outcome.result["name"], outcome.result["memory"]) == ("mayfly-echo", "512")


def test_printed_output_of_a_function_is_in_its_log(account: Functions, tmp_path: Path) -> None:
    outcome = account.invoke(ARN, {"n": 1})
    log = (tmp_path / "echo.log").read_text()
    assert f"START RequestId: {outcome.request_id} Version: $LATEST\n" in log
    assert 'handling {"n": 1}\n' in log
    assert f"REPORT RequestId: {outcome.request_id} Duration: " in log


# ------------------------------------------------------------------ how an invocation can end


def test_an_exception_of_a_handler_is_a_function_error(account: Functions, tmp_path: Path) -> None:
    outcome = account.invoke(ARN, {"do": "fail"})
    assert outcome.error is not None
    assert (outcome.error["errorType"], outcome.error["errorMessage"]) == ("ValueError", "as asked")
    assert "ValueError: as asked" in (tmp_path / "echo.log").read_text()
    assert account.invoke(ARN, {}).ok


def test_a_result_that_is_not_json_is_a_function_error(account: Functions) -> None:
    outcome = account.invoke(ARN, {"do": "unserialisable"})
    assert outcome.error is not None
    assert outcome.error["errorType"] == "TypeError"


def test_a_handler_that_cannot_be_imported_is_a_function_error(
    world: World, tmp_path: Path
) -> None:
    broken = spec(tmp_path, layers=())
    with functions(world, broken) as account:
        for _ in range(2):
            outcome = account.invoke(ARN, {})
            assert outcome.error is not None
            assert outcome.error["errorType"] == "ModuleNotFoundError"


def test_a_function_over_its_timeout_is_killed_with_its_child_processes(
    world: World, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    with functions(world, spec(tmp_path, timeout=2.0)) as account:
        outcome = account.invoke(ARN, {"do": "spawn", "file": str(child)})
        assert outcome.error is not None
        assert outcome.error["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 2.00 seconds" in outcome.error["errorMessage"]
        eventually(lambda: not alive(int(child.read_text())))
        assert account.invoke(ARN, {}).ok


def test_a_worker_that_exits_is_a_function_error_and_is_replaced(account: Functions) -> None:
    outcome = account.invoke(ARN, {"do": "exit"})
    assert outcome.error is not None
    assert outcome.error["errorType"] == "Runtime.ExitError"
    assert account.invoke(ARN, {}).ok


def test_a_worker_can_be_killed_in_the_middle_of_an_invocation(
    account: Functions, world: World, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with ThreadPoolExecutor(1) as pool:
        event = {"do": "sleep", "file": str(started), "seconds": 300}
        running = pool.submit(account.invoke, ARN, event)
        eventually(lambda: started.exists() and started.read_text(), within=60.0)
        account.kill("ASIA0000000000000000")
        outcome = running.result(timeout=30)
    assert outcome.error is not None
    assert outcome.error["errorType"] == "Runtime.ExitError"
    eventually(lambda: not alive(int(started.read_text())))
    assert world.journal.select(operation="Invocation")[-1].resources["error"]


def test_the_kill_fault_ends_the_next_invocation_after_its_delay(
    account: Functions, world: World, tmp_path: Path
) -> None:
    assert account.invoke(ARN, {}).ok  # starts the worker
    world.faults.parse("kill=echo,value=50ms")
    event = {"do": "sleep", "file": str(tmp_path / "f"), "seconds": 300}
    assert not account.invoke(ARN, event).ok
    assert account.invoke(ARN, {}).ok


def test_an_idle_worker_that_died_is_replaced(account: Functions) -> None:
    pid = account.invoke(ARN, {}).result["pid"]
    (idle,) = account._by_arn[ARN].idle
    os.kill(pid, 9)
    eventually(lambda: not idle.alive)
    again = account.invoke(ARN, {})
    assert again.ok
    assert again.result["pid"] != pid


def test_an_event_for_a_dead_worker_is_handled_by_a_new_one(account: Functions) -> None:
    account.invoke(ARN, {})
    (idle,) = account._by_arn[ARN].idle
    unread, broken = os.pipe()
    os.close(unread)
    os.dup2(broken, idle._events)  # the next event finds the worker dead
    os.close(broken)
    again = account.invoke(ARN, {"n": 2})
    assert again.ok
    assert again.result["echo"] == {"n": 2}


# ------------------------------------------------------------------ several at once


def test_a_busy_function_gets_a_second_worker_up_to_its_limit(world: World, tmp_path: Path) -> None:
    with functions(world, spec(tmp_path, concurrency=2)) as account, ThreadPoolExecutor(2) as pool:
        for number in range(2):
            event = {"do": "sleep", "file": str(tmp_path / f"{number}"), "seconds": 300}
            pool.submit(account.invoke, ARN, event)
        eventually(lambda: all((tmp_path / f"{n}").exists() for n in range(2)))
        pids = {(tmp_path / f"{number}").read_text() for number in range(2)}
        assert len(pids) == 2
        with pytest.raises(ThrottledError):
            account.invoke(ARN, {})
        assert account.kill_all("mayfly-echo") == 2
    eventually(lambda: not any(alive(int(pid)) for pid in pids))


def test_all_functions_together_have_the_accounts_limit(tmp_path: Path) -> None:
    other = f"{ARN}-other"
    both = spec(tmp_path), spec(tmp_path, name="mayfly-other", arn=other)
    with a_world(tmp_path, concurrency=2) as world, functions(world, *both) as account:
        with ThreadPoolExecutor(2) as pool:
            for number, arn in enumerate((ARN, other)):
                event = {"do": "sleep", "file": str(tmp_path / f"{number}"), "seconds": 300}
                pool.submit(account.invoke, arn, event)
            eventually(lambda: all((tmp_path / f"{n}").exists() for n in range(2)))
            with pytest.raises(ThrottledError):
                account.invoke(other, {})
            assert account.kill_all("mayfly-echo") + account.kill_all("mayfly-other") == 2
        assert account.invoke(other, {}).ok


def test_closing_leaves_no_worker(world: World, tmp_path: Path) -> None:
    with functions(world, spec(tmp_path)) as account:
        pid = account.invoke(ARN, {}).result["pid"]
    eventually(lambda: not alive(pid))
    with pytest.raises(ThrottledError):
        account.invoke(ARN, {})


def test_a_worker_does_not_outlive_the_lab(tmp_path: Path) -> None:
    started = tmp_path / "started"
    event = {"do": "sleep", "file": str(started), "seconds": 300}
    lab = textwrap.dedent(f"""
        from pathlib import Path
        from mayfly_lab.aws.functions.fork_server import ForkServer
        from local.function_lab import environment, spec
        environment(spec(Path({str(tmp_path)!r})), ForkServer()).invoke({event!r})
    """)
    running = subprocess.Popen(
        [sys.executable, "-c", lab], env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    eventually(lambda: started.exists() and started.read_text())
    running.kill()
    running.wait()
    eventually(lambda: not alive(int(started.read_text())))


def test_an_unknown_function_is_an_error(account: Functions) -> None:
    with pytest.raises(KeyError):
        account.invoke("nobody", {})
