"""Deployments that the local AWS refuses, with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws_lab import Lab, a_lab
from mayfly_cli.templates.reading import TemplateError, read
from mayfly_lab.aws.deploy.content import BuildError, built, packed
from mayfly_lab.aws.deploy.stacks import Deployment, QueueStack, StaleBundleError

TOKEN = "bkct_the-cluster-token"
ENDPOINT = "http://127.0.0.1:9/v3"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Lab]:
    with a_lab(tmp_path / "lab") as lab:
        yield lab


def deployment(root: Path, **changes: Any) -> Deployment:
    return Deployment(root=root, token=TOKEN, endpoint=ENDPOINT, **changes)


def changed(sources: Path, tmp_path: Path, old: str, new: str) -> Path:
    root = tmp_path / "changed"
    shutil.copytree(sources, root)
    template = root / "template.yaml"
    text = template.read_text()
    assert old in text
    template.write_text(text.replace(old, new, 1))
    return root


def test_an_unsupported_resource_type_is_refused(bare: Lab, sources: Path, tmp_path: Path) -> None:
    new = "  Extra:\n    Type: AWS::SecretsManager::RotationSchedule\n\n  FleetTable:\n"
    root = changed(sources, tmp_path, "  FleetTable:\n", new)
    with pytest.raises(Exception, match="cannot create a AWS::SecretsManager::RotationSchedule"):
        bare.aws.deploy(deployment(root))


def test_an_unsupported_property_is_refused(bare: Lab, sources: Path, tmp_path: Path) -> None:
    new = "      TableClass: STANDARD\n      BillingMode: PAY_PER_REQUEST\n"
    root = changed(sources, tmp_path, "      BillingMode: PAY_PER_REQUEST\n", new)
    with pytest.raises(Exception, match=r"FleetTable: the lab would lose TableClass"):
        bare.aws.deploy(deployment(root))


@pytest.mark.parametrize("package", ["instance/mayfly_instance", "protocol/mayfly_protocol"])
def test_a_bundle_with_another_hash_than_the_templates_is_refused(
    bare: Lab, sources: Path, tmp_path: Path, package: str
) -> None:
    root = tmp_path / "changed"
    shutil.copytree(sources, root)
    module = root / "layers" / package / "__init__.py"
    module.write_text(module.read_text() + "\n")
    with pytest.raises(StaleBundleError, match="make bundle"):
        bare.aws.deploy(deployment(root))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Colour": "red"}, "no parameter Colour"),
        ({"AssignPublicIp": "maybe"}, "AssignPublicIp: 'maybe' is not allowed"),
        ({"TokenParameter": "/mayfly/x"}, "TokenParameter: '/mayfly/x' is not allowed"),
        ({"InstanceSizes": "large,UPPER"}, "InstanceSizes: 'UPPER' is not allowed"),
    ],
)
def test_a_parameter_value_that_the_template_does_not_allow_is_refused(
    bare: Lab, sources: Path, parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bare.aws.deploy(deployment(sources, parameters=parameters))


def test_a_queue_without_its_required_parameters_is_refused(bare: Lab, sources: Path) -> None:
    queue = QueueStack("no such key!")
    with pytest.raises(TemplateError, match="QueueKey"):
        bare.aws.deploy(deployment(sources, queues=(queue,)))


def test_a_queue_whose_control_plane_publishes_no_token_is_refused(
    bare: Lab, sources: Path, tmp_path: Path
) -> None:
    name = "Name: !Sub /mayfly-infra/${AWS::StackName}/token-parameter"
    root = changed(sources, tmp_path, name, name + "s")
    agent = {"AgentVersion": "3.1.0", "AgentSha256Amd64": "1" * 64, "AgentSha256Arm64": "2" * 64}
    with pytest.raises(Exception, match=r"\[ssm:/mayfly-infra/mayfly/token-parameter\] cannot be"):
        bare.aws.deploy(deployment(root, queues=(QueueStack("linux", agent),)))


def test_a_missing_template_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot read"):
        read(tmp_path / "none.yaml")


def test_the_same_files_are_packed_to_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n")
    (tmp_path / "Makefile").write_text("build-X:\n")
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    (cache / "app.pyc").write_bytes(b"\0")
    first = packed(tmp_path)
    (tmp_path / "app.py").touch()
    assert packed(tmp_path) == first
    assert b"app.py" in first
    assert b"Makefile" not in first
    assert b"__pycache__" not in first


def test_the_error_of_a_failed_layer_build_has_makes_output(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("build-Broken:\n\t@echo no such thing >&2; exit 1\n")
    with pytest.raises(BuildError, match="no such thing"):
        built(tmp_path, "Broken")
