"""Locks, the audit of locks, the bill of materials, and builds that repeat bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from build import audit, sbom
from build.audit import CLEAN, UNKNOWN, VULNERABLE
from build.embed import bundle_sha256
from tests.packaging.conftest import LOCK, ROOT

TOOLS = ROOT / ".tools/audit/bin"
ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)")


def entries(lock: Path) -> list[str]:
    """The logical lines of a lock: a line that ends with a backslash goes on."""
    text = lock.read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


# ------------------------------------------------------------------ locks


def test_every_file_of_requirements_is_a_lock_that_is_audited_or_the_source_of_one() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [
        name
        for name in listed.stdout.splitlines()
        if "requirements" in name and not name.startswith(("tests/", "lab/tests/"))
    ]
    assert {name for name in files if name.endswith(".txt")} == set(audit.LOCKS)
    assert all(name.endswith((".txt", ".in")) for name in files)


@pytest.mark.parametrize("lock", audit.LOCKS)
def test_every_entry_of_a_lock_has_one_version_and_a_sha256(lock: str) -> None:
    lines = entries(ROOT / lock)
    assert len(lines) >= 10
    for line in lines:
        assert ENTRY.match(line), line
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line


def test_every_installation_of_a_lock_requires_its_hashes() -> None:
    texts = [(ROOT / name).read_text("utf-8") for name in ("Makefile", "layers/Makefile")]
    commands = [
        line
        for text in texts
        for line in text.replace("\\\n", " ").splitlines()
        if re.search(r"pip (sync|install)\b", line) and ".txt" in line
    ]
    assert len(commands) == len(audit.LOCKS)
    assert all("--require-hashes" in line for line in commands)


# ------------------------------------------------------------------ audit


def package(**fields: Any) -> dict[str, Any]:
    return {"name": "six", "version": "1.17.0", **fields}


KNOWN = package(vulns=[{"id": "PYSEC-1", "fix_versions": ["1.18.0"]}])
SKIPPED = package(skip_reason="Dependency not found on PyPI")


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([package(vulns=[])], CLEAN, "0 vulnerabilities, 0 packages without an answer"),
        ([package(vulns=[]), KNOWN], VULNERABLE, "six 1.17.0: PYSEC-1, mended in 1.18.0"),
        ([SKIPPED, package(vulns=[])], UNKNOWN, "six: Dependency not found on PyPI"),
        ([SKIPPED, KNOWN], VULNERABLE, "1 vulnerabilities, 1 packages without an answer"),
        ([package()], UNKNOWN, "six: no answer"),
        ([], UNKNOWN, "the report names no package"),
    ],
)
def test_an_audit_passes_only_if_every_package_was_looked_up(
    packages: list[dict[str, Any]], status: int, says: str
) -> None:
    found = list(audit.findings({"dependencies": packages}))
    code, lines = audit.told({"a.txt": found, "b.txt": []})
    assert code == status
    assert says in "\n".join(lines)


@pytest.mark.parametrize("script", ["exit 0", "echo '{}'", "echo unreachable >&2; exit 1"])
def test_an_auditor_without_an_answer_never_passes(tmp_path: Path, script: str) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    assert [status for status, _ in audit.audit(tool, audit.LOCKS[0])] == [UNKNOWN]


# ------------------------------------------------------------------ bill of materials


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("sbom") / "deep" / "mayfly.cdx.json"
    sbom.write(TOOLS / "cyclonedx-py", target)
    again = target.with_name("again.json")
    sbom.write(TOOLS / "cyclonedx-py", again)
    assert target.read_bytes() == again.read_bytes()
    found: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return found


def hashes(component: dict[str, Any]) -> set[str]:
    """All SHA-256 of a component."""
    places = [component, *component.get("externalReferences", [])]
    return {
        h["content"] for place in places for h in place.get("hashes", []) if h["alg"] == "SHA-256"
    }


@pytest.mark.slow
def test_the_bill_names_every_shipped_package_with_version_and_hashes(bill: dict[str, Any]) -> None:
    named = {each["name"]: each for each in bill["components"]}
    lines = entries(LOCK)
    for line in lines:
        entry = ENTRY.match(line)
        assert entry is not None
        component = named[entry["name"]]
        assert component["version"] == entry["version"]
        assert hashes(component) == set(re.findall(r"sha256:([0-9a-f]{64})", line))
    assert len(named) == len(lines) + len(sbom.PACKAGES) + 1
    assert bill["metadata"]["component"]["version"] == sbom.version()


@pytest.mark.slow
def test_the_bill_names_our_own_packages_and_the_bundle_that_hosts_check(
    bill: dict[str, Any],
) -> None:
    named = {each["name"]: each for each in bill["components"]}
    assert hashes(named[sbom.BUNDLE]) == {bundle_sha256()}
    for name, folder in sbom.PACKAGES.items():
        assert hashes(named[name]) == {sbom.tree_sha256(ROOT / folder)}
        assert list((ROOT / folder).glob("*.py"))


def test_a_changed_or_renamed_source_changes_the_hash_of_its_package(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    first = sbom.tree_sha256(tmp_path)
    (tmp_path / "a.pyc").write_text("compiled")
    assert sbom.tree_sha256(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    renamed = sbom.tree_sha256(tmp_path)
    (tmp_path / "b.py").write_text("a = 2\n")
    assert len({first, renamed, sbom.tree_sha256(tmp_path)}) == 3


# ------------------------------------------------------------------ builds


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_bundle_is_the_same_from_any_folder_time_and_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        layers = tmp_path / f"some folder {umask:o}" / "layers"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "layers", layers, ignore=ignored)
        for path in (each for each in layers.rglob("*") if each.is_file()):
            # As git checks a file out: it keeps only whether its owner may execute it.
            path.chmod((0o777 if path.stat().st_mode & 0o100 else 0o666) & ~umask)
            os.utime(path, (umask * 10**6, umask * 10**6))
        target = tmp_path / "bundle.tar.gz"
        command = [sys.executable, str(layers / "instance/bundle.py"), str(target)]
        subprocess.run(command, cwd=tmp_path, env={"TZ": "Asia/Tokyo", "LC_ALL": "C"}, check=True)
    finally:
        os.umask(old)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == bundle_sha256()


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file below a folder; of a folder its mode."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["DependenciesLayer", "MayflyLayer", "InstanceLayer"])
def test_a_layer_is_the_same_from_any_folder_time_and_umask(
    layer: str, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    made = []
    for name, umask, zone in (("one", 0o022, "UTC"), ("another folder", 0o077, "Asia/Tokyo")):
        layers, target = tmp_path / name / "layers", tmp_path / name / "built"
        shutil.copytree(ROOT / "layers", layers, ignore=shutil.ignore_patterns("__pycache__"))
        for path in layers.rglob("*"):
            os.utime(path, (umask * 10**6, umask * 10**6))
        target.mkdir()
        old = os.umask(umask)
        try:
            subprocess.run(
                ["make", f"build-{layer}", f"ARTIFACTS_DIR={target}"],
                cwd=layers,
                env={**environment, "TZ": zone},
                capture_output=True,
                check=True,
            )
        finally:
            os.umask(old)
        made.append(state(target))
    assert made[0]
    assert made[0] == made[1]
