"""The output of `sam build`, and the layer of dependencies built for this machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
LOCK = ROOT / "layers" / "dependencies" / "requirements.txt"
FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


def python_313() -> Path | None:
    """An interpreter of Lambda's own version, found as the layers' compile.sh finds it."""
    found = shutil.which("python3.13")
    beside = Path(found).parent.parent / "versions" if found else Path("/nowhere")
    candidates = [*([Path(found)] if found else []), *beside.glob("3.13.*/bin/python3.13")]
    version = "import sys; sys.exit(sys.version_info[:2] != (3, 13))"
    return next((c for c in candidates if _runs([c, "-c", version])), None)


def _runs(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Environment of a fresh account with an empty home; only uv's cache is kept."""
    for tool in (UV, SAM):
        if not tool.exists():
            pytest.fail(f"{tool.relative_to(ROOT)} is missing: run `make test`")
    cache = subprocess.run([str(UV), "cache", "dir"], capture_output=True, text=True, check=True)
    return {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "PYTHON": sys.executable,
        "SAM_CLI_TELEMETRY": "0",
        "UV": str(UV),
        "UV_CACHE_DIR": cache.stdout.strip(),
        "UV_SYSTEM_CERTS": "1",
    }


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that a deployment needs, without leftovers of builds."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("functions", "layers", "stacks"):
        ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache", ".ruff_cache")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("samconfig.toml", "template.yaml"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def built(checkout: Path, environment: Mapping[str, str]) -> Path:
    """The output of a plain `sam build`."""
    done = subprocess.run(
        [str(SAM), "build"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return checkout / ".aws-sam" / "build"


@dataclass(frozen=True, slots=True)
class HostBuild:
    """Packages and runtime client for an interpreter of this machine."""

    python: Path
    packages: Path
    runtime: Path


@pytest.fixture(scope="session")
def host_build(
    checkout: Path, environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> HostBuild:
    """The dependencies layer for this machine, from the same lock by the same Makefile."""
    python = python_313() or Path(sys.executable)
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    system = "apple-darwin" if sys.platform == "darwin" else "manylinux_2_28"
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    target = tmp_path_factory.mktemp("host")
    subprocess.run(
        [
            "make",
            "build-DependenciesLayer",
            f"ARTIFACTS_DIR={target}",
            f"PLATFORM={machine}-{system}",
            f"TARGET={version}",
        ],
        cwd=checkout / "layers",
        env=environment,
        capture_output=True,
        check=True,
    )
    runtime = target / "runtime"
    wanted = target / "runtime.txt"
    wanted.write_text(_locked("awslambdaric", "simplejson", "snapshot-restore-py"))
    # fmt: off
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--target", runtime, "--python", python,
         "--no-deps", "--require-hashes", "-r", wanted],
        env=environment, capture_output=True, check=True,
    )
    # fmt: on
    return HostBuild(python, target / "python", runtime)


def _locked(*names: str) -> str:
    """The entries of these packages in the development lock."""
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?(==.*(?:\n    .*)*)", lock, re.MULTILINE)
    return "".join(f"{name}{pin}\n" for name, pin in entries if name in names)
