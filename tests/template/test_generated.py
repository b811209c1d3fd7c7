"""User data and bundle digest in the templates match their sources."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from build import embed
from tests.template.conftest import AMD64, ARM64

Resources = dict[str, dict[str, Any]]

SCRIPT = embed.INSTANCE / "user-data.sh"
PACKAGES = ("instance/mayfly_instance", "protocol/mayfly_protocol")


def user_data(resources: Resources, template: str) -> str:
    text: str = resources[template]["Properties"]["LaunchTemplateData"]["UserData"]
    return text


@pytest.mark.parametrize("template", ["LaunchTemplateX8664", "LaunchTemplateArm64"])
def test_user_data_is_the_script_with_the_queues_settings(queue: Resources, template: str) -> None:
    before, after = SCRIPT.read_text(encoding="utf-8").split(embed.PLACEHOLDER)
    text = user_data(queue, template)
    assert text.startswith(before + "\n")
    assert text.endswith("\n" + after)
    words = json.loads(text.removeprefix(before).removesuffix(after))
    profile = "arn:aws:iam::123456789012:instance-profile/mayfly/acme"
    role = "arn:aws:iam::123456789012:role/mayfly/acme"
    assert words == {
        "protocol": 1,
        "stack": "acme",
        "queue": "linux",
        "mailbox": "acme-mailbox",
        "bundle_parameter": "/mayfly-infra/acme/bundle",
        "script_parameter": "/mayfly/acme/queues/linux/bootstrap/script",
        "keep_parameter": "/mayfly/acme/queues/linux/debug/keep-failed-minutes",
        "bootstrap_profile": f"{profile}/bootstrap/linux/BootstrapProfile",
        "sandbox_profile": f"{profile}/sandbox/linux/SandboxProfile",
        "bootstrap_role": f"{role}/bootstrap/linux/BootstrapRole",
        "sandbox_role": f"{role}/sandbox/linux/acme-linux-sandbox",
        "agent_version": "3.138.3",
        "agent_url": "https://github.com/buildkite/agent/releases/download/v{version}/"
        "buildkite-agent-linux-{arch}-{version}.tar.gz",
        "agent_sha256": {
            "amd64": AMD64,
            "arm64": ARM64,
        },
    }


def test_user_data_is_equal_for_both_architectures(queue: Resources) -> None:
    assert user_data(queue, "LaunchTemplateX8664") == user_data(queue, "LaunchTemplateArm64")


def test_user_data_is_short(queue: Resources) -> None:
    # EC2 accepts 16 KB, and real names may be longer than these.
    assert len(user_data(queue, "LaunchTemplateX8664")) < 12_000


def test_the_user_data_script_passes_through_yaml_unchanged() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    pieces = yaml.safe_load(embed.user_data_mapping(script))
    assert pieces["Before"] + pieces["After"] == script.replace(embed.PLACEHOLDER, "\n")


def test_templates_are_up_to_date() -> None:
    stale = [p.name for p, text in embed.expected().items() if p.read_text("utf-8") != text]
    assert not stale, "run `make bundle`"


def pack(directory: Path, name: str = "bundle.tar.gz") -> bytes:
    subprocess.run(
        [sys.executable, str(directory / "instance/bundle.py"), str(directory / name)], check=True
    )
    return (directory / name).read_bytes()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Another checkout of the host's sources, with other times, file order and masks."""
    layers = embed.INSTANCE.parent
    (tmp_path / "instance").mkdir()
    shutil.copy(embed.INSTANCE / "bundle.py", tmp_path / "instance")
    for package in PACKAGES:
        for path in sorted((layers / package).rglob("*"), reverse=True):
            if path.is_file() and path.suffix != ".pyc":
                copy = tmp_path / path.relative_to(layers)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
                copy.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
    return tmp_path


def test_the_bundle_is_the_same_from_every_checkout(checkout: Path) -> None:
    for package in PACKAGES:
        (checkout / package / "__pycache__").mkdir(exist_ok=True)
        (checkout / package / "__pycache__" / "left.pyc").write_bytes(b"over")
    assert hashlib.sha256(pack(checkout)).hexdigest() == embed.bundle_sha256()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_bundle_changes_with_its_sources(checkout: Path, package: str) -> None:
    before = pack(checkout)
    (checkout / package / "__init__.py").write_text("changed = True\n")
    assert pack(checkout) != before


def test_the_bundle_contains_only_its_packages(checkout: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(checkout)), mode="r:gz") as tar:
        members = tar.getmembers()
    names = {member.name for member in members}
    assert {"mayfly_instance/__init__.py", "mayfly_protocol/__init__.py"} <= names
    assert {name.partition("/")[0] for name in names} == {"mayfly_instance", "mayfly_protocol"}
    assert all(member.isreg() and member.uid == 0 and member.mtime == 0 for member in members)
    assert {member.mode for member in members} <= {0o644, 0o755}
