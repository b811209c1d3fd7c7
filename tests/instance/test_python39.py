"""The whole host in real processes, under this Python and under Amazon Linux 2023's 3.9."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mayfly_instance
import mayfly_protocol
from tests.instance.front import serving
from tests.instance.whole_host import KEYS, PATIENCE, WholeHost
from tests.instance.worlds import JOB, TOKEN

PACKAGES = [Path(package.__file__ or "").parent for package in (mayfly_instance, mayfly_protocol)]


def is_python39(candidate: str) -> bool:
    """Whether this is a working Python 3.9; a version manager's shim exists without its Python."""
    command = [candidate, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 9))"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def python39() -> str | None:
    named = [each for each in [shutil.which("python3.9")] if each]
    known = glob.glob(os.path.expanduser("~/.pyenv/versions/3.9*/bin/python3.9"))  # noqa: PTH111, PTH207 - HOME may be missing
    return next((each for each in [*known, *named] if is_python39(each)), None)


PYTHON39 = python39()
PYTHONS = {"here": sys.executable, **({"3.9": PYTHON39} if PYTHON39 else {})}


@pytest.fixture(params=list(PYTHONS.values()), ids=list(PYTHONS))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WholeHost]:
    with serving(KEYS) as front:
        yield WholeHost(tmp_path, front, request.param)
        assert front.forged == []


@pytest.mark.skipif(PYTHON39 is None, reason="no Python 3.9 runs here")
def test_every_module_compiles_and_imports_under_python39(tmp_path: Path) -> None:
    assert PYTHON39
    for package in PACKAGES:
        target = tmp_path / package.name
        shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))
    quiet = [PYTHON39, "-I", "-W", "error", "-m", "compileall", "-q", str(tmp_path)]
    assert subprocess.run(quiet, check=False).returncode == 0
    names = [
        ".".join(path.relative_to(tmp_path).with_suffix("").parts)
        for path in sorted(tmp_path.rglob("*.py"))
    ]
    assert {"mayfly_instance.supervisor", "mayfly_protocol.assignment"} <= set(names)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport {', '.join(names)}"
    found = subprocess.run(
        [PYTHON39, "-I", "-c", code], capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stderr) == (0, "")


def test_nothing_but_the_standard_library_is_imported() -> None:
    names = [
        f"{package.name}.{path.stem}"
        for package in PACKAGES
        for path in package.glob("*.py")
        if path.stem != "__init__"
    ]
    paths = [str(package.parent) for package in PACKAGES]
    code = f"""
import sys
sys.path = [*{paths!r}, *(p for p in sys.path if "site-packages" not in p)]
import {", ".join(names)}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names))
"""
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == ["__main__", "mayfly_instance", "mayfly_protocol"]


def test_a_whole_host_runs_its_job_and_powers_off(host: WholeHost) -> None:
    host.run()

    assert host.phases == ["booting", "bootstrapped", "sandboxed", "running", "done"]
    assert host.reports[-1][2]["exit"] == "0"
    assert host.calls.splitlines()[-1].strip() == "poweroff"
    environment = host.started.with_name("agent-started.env").read_text().split("\0")
    assert f"BUILDKITE_AGENT_TOKEN={TOKEN}" in environment
    log = host.root / "var/log/mayfly/agent.log"
    assert log.read_text() == f"the agent ran start --acquire-job {JOB}\n"
    assert TOKEN not in host.console + host.calls
    assert "reported sandboxed" in host.console


def test_a_shutdown_of_the_machine_ends_its_job_at_once(host: WholeHost) -> None:
    agent = host.root / "stand-ins/buildkite-agent"
    wait = "trap 'echo stopped; exit 1' QUIT; echo up; while :; do sleep 0.05; done"
    agent.write_text(agent.read_text().replace("exit 0", wait))
    log = host.root / "var/log/mayfly/agent.log"
    with host.boot() as supervisor:
        # Only after `running`: from then on the supervisor knows its agent.
        host.wait_until(lambda: "running" in host.phases and "up" in log.read_text())
        supervisor.send_signal(signal.SIGTERM)

    assert log.read_text().endswith("stopped\n")
    assert host.reports[-1][2]["reason"] == "the machine is going down"
    assert host.calls.splitlines()[-1].strip() == "poweroff"


def test_a_kept_host_ends_at_once_when_it_is_switched_off(host: WholeHost) -> None:
    # One value for every parameter: invalid as a script, valid as minutes to keep.
    value = '{"Parameter": {"Value": "60"}}'
    host.front.answers["GetParameter"] = lambda _: (200, value)
    with host.boot() as supervisor:
        host.wait_until(lambda: "kept for a look" in host.console)
        assert host.phases == ["booting", "failed"]
        assert "poweroff" not in host.calls
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(PATIENCE) == 0

    assert "kept for a look until" in host.console
    assert host.calls.splitlines()[-2:] == ["nft --file -", "poweroff"]


def test_a_host_without_its_json_powers_off(host: WholeHost) -> None:
    (host.root / "opt/mayfly/host.json").write_text("{}")
    host.run()

    assert host.reports == []
    assert "FAILED: host.json does not have protocol 1" in host.console
    assert host.calls.strip() == "poweroff"


def test_the_last_lines_of_a_failing_agent_are_reported_without_secrets(host: WholeHost) -> None:
    agent = host.root / "stand-ins/buildkite-agent"
    agent.write_text(agent.read_text().replace("exit 0", f"echo refused {TOKEN} >&2; exit 1"))
    host.run()

    last = host.reports[-1][2]
    assert (last["phase"], last["exit"]) == ("done", "1")
    assert last["words"].endswith("refused [secret]\n")
