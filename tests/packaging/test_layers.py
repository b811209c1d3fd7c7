"""The output of `sam build` fits Lambda, on whatever machine it was built."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
from collections.abc import Mapping
from email.parser import Parser
from pathlib import Path

import pytest

from build.embed import bundle_sha256
from mayfly_cli.templates.reading import read
from tests.packaging.conftest import FUNCTIONS, LOCK, ROOT, python_313

pytestmark = pytest.mark.slow
EM_AARCH64 = 183
"""`e_machine` of an ELF header for AArch64 (System V ABI)."""
UNZIPPED = 250 * 1024 * 1024
"""Lambda's limit for a function with all its layers."""


def packages(built: Path) -> Path:
    return built / "DependenciesLayer" / "python"


def files(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


def test_native_code_is_for_arm(built: Path) -> None:
    libraries = list(packages(built).rglob("*.so*"))
    assert any("_pydantic_core" in library.name for library in libraries)
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18) == (EM_AARCH64,), library.name


def test_wheels_are_for_lambdas_python(built: Path) -> None:
    for wheel in packages(built).glob("*.dist-info/WHEEL"):
        tags = Parser().parsestr(wheel.read_text()).get_all("Tag") or []
        fitting = [t for t in tags if t.endswith("-none-any") or re.match("cp313-.*aarch64$", t)]
        assert fitting, f"{wheel.parent.name}: {tags}"


def test_the_dependencies_layer_has_the_locked_versions(built: Path) -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", LOCK.read_text(), re.MULTILINE))
    shipped = {
        re.sub("[-_.]+", "-", name).lower(): version
        for name, version in (
            path.name.removesuffix(".dist-info").rsplit("-", 1)
            for path in packages(built).glob("*.dist-info")
        )
    }
    # A universal lock also names packages that only other systems or older Pythons need.
    assert shipped.items() <= locked.items()
    assert {"boto3", "pydantic", "requests", "aws-lambda-powertools"} <= shipped.keys()


def test_the_dependencies_layer_holds_only_packages(built: Path) -> None:
    names = {path.name for path in packages(built).iterdir()}
    assert not names & {"bin", ".lock"}
    assert {path.name for path in (built / "DependenciesLayer").iterdir()} == {"python"}
    assert not [name for name in files(packages(built)) if name.endswith(".pyi")]


def test_every_aws_service_that_is_called_has_its_model(built: Path) -> None:
    source = "".join(p.read_text() for p in (ROOT / "layers/mayfly/mayfly").rglob("*.py"))
    called = set(re.findall(r"""\.client\(\s*["']([a-z0-9-]+)["']""", source))
    assert called
    data = packages(built) / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == called


def test_functions_hold_only_the_file_of_handlers(built: Path) -> None:
    for name in FUNCTIONS:
        assert files(built / f"{name.capitalize()}Function") == {"app.py"}


def test_the_mayfly_layer_holds_mayfly_and_its_protocol(built: Path) -> None:
    packages = (ROOT / "layers/mayfly/mayfly", ROOT / "layers/protocol/mayfly_protocol")
    ours = {
        path.relative_to(package.parent).as_posix()
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"mayfly/wiring.py", "mayfly_protocol/assignment.py"} <= ours
    shipped = {name for name in files(built / "MayflyLayer" / "python") if ".pyc" not in name}
    assert shipped == ours


@pytest.mark.skipif(python_313() is None, reason="no Python 3.13 runs here to compile with")
@pytest.mark.parametrize("layer", ["DependenciesLayer", "MayflyLayer"])
def test_layers_ship_byte_code(built: Path, layer: str) -> None:
    for source in (built / layer / "python").rglob("*.py"):
        code = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        # PEP 552: flag 1 is "hash based", 2 would be "check the source".
        assert struct.unpack_from("<I", code.read_bytes(), 4) == (1,), source


def test_the_instance_layer_is_the_bundle_of_the_template(built: Path) -> None:
    layer = built / "InstanceLayer"
    assert files(layer) == {"bundle/mayfly-instance.tar.gz"}
    content = (layer / "bundle" / "mayfly-instance.tar.gz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == bundle_sha256()


def test_the_nested_queue_is_built_unchanged(built: Path) -> None:
    assert read(built / "FirstQueue" / "template.yaml") == read(ROOT / "stacks" / "queue.yaml")


def test_the_layers_fit_into_lambda(built: Path) -> None:
    layers = (built / "DependenciesLayer", built / "MayflyLayer")
    size = sum(path.stat().st_size for layer in layers for path in layer.rglob("*"))
    assert size < UNZIPPED / 4


@pytest.mark.parametrize("layer", ["dependencies", "mayfly", "instance"])
def test_a_second_build_gives_the_same_bytes(
    built: Path,
    checkout: Path,
    environment: Mapping[str, str],
    layer: str,
    tmp_path: Path,
) -> None:
    name = f"{layer.capitalize()}Layer"
    subprocess.run(
        ["make", f"build-{name}", f"ARTIFACTS_DIR={tmp_path}"],
        cwd=checkout / "layers",
        env=environment,
        capture_output=True,
        check=True,
    )
    first, second = built / name, tmp_path
    assert files(first) == files(second)
    different = [n for n in files(first) if (first / n).read_bytes() != (second / n).read_bytes()]
    assert different == []
