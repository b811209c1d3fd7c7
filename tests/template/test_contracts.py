"""Values that templates and code must agree on."""

from __future__ import annotations

from typing import Any

from build.embed import INSTANCE, PLACEHOLDER
from mayfly.config.infra import Infra
from mayfly.config.parameters import DESCRIPTIONS
from mayfly.config.queue import DEFAULT_TYPES
from mayfly_instance import host
from tests.template.test_people_rights import OPERATORS, SECURITY_OWNERS

Resources = dict[str, dict[str, Any]]


def test_the_control_plane_parses_what_a_queue_stack_publishes(queue: Resources) -> None:
    published = queue["Published"]["Properties"]["Value"]
    infra = Infra.parse("linux", "acme", published)
    assert set(infra.templates) == {"x86_64", "arm64"}
    assert infra.sandbox_role.endswith("/acme-linux-sandbox")


def test_a_host_parses_the_json_in_its_user_data(queue: Resources) -> None:
    data = queue["LaunchTemplateArm64"]["Properties"]["LaunchTemplateData"]["UserData"]
    before, after = (INSTANCE / "user-data.sh").read_text(encoding="utf-8").split(PLACEHOLDER)
    told = host.parse(data.removeprefix(before).removesuffix(after))
    assert told.mailbox == "acme-mailbox"
    assert told.agent_sha256.keys() == {"amd64", "arm64"}


def test_each_queue_parameter_has_an_owner() -> None:
    named = {about.name.replace("<name>", "deploy") for about in DESCRIPTIONS.values()}
    assert named <= {*OPERATORS, *SECURITY_OWNERS}
    # These names are no parameters: they test patterns that match too much.
    assert {*OPERATORS, *SECURITY_OWNERS} - named == {
        "policy/rules/paused",
        "policy/rules/pool/hot",
        "policy/rules/tags",
        "role/paused",
        "role/tags",
    }


def test_provision_may_launch_the_default_instance_types(control: Resources) -> None:
    (policy,) = control["ProvisionFunctionRole"]["Properties"]["Policies"]
    statements = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    patterns = statements["LaunchTaggedInstances"]["Condition"]["StringLike"]["ec2:InstanceType"]
    for types in DEFAULT_TYPES.values():
        assert all(f"*.{name.split('.')[1]}" in patterns for name in types)
