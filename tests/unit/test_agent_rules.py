"""Agent query rules of jobs against the tags of a queue."""

from __future__ import annotations

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import Mismatch, agent_tags, offer, shape_for
from mayfly.records.model import Shape

QUEUE = QueueConfig(
    queue="build",
    instance_types=("m7i.large", "m6i.large"),
    tags={"os": "linux", "gpu": "none"},
    purchase="spot",
)
WHOLE = Shape("build", "x86_64", ("m7i.large", "m6i.large"), "spot")
NARROW = Shape("build", "x86_64", ("m6i.large",), "spot")


@pytest.mark.parametrize(
    ("rules", "shape"),
    [
        (["queue=build"], WHOLE),
        (["queue=*"], WHOLE),
        (["queue"], WHOLE),
        ([" queue = build "], WHOLE),
        (["queue=build", "os=linux"], WHOLE),
        (["queue=build", "os=*"], WHOLE),
        (["queue=build", "os"], WHOLE),
        (["queue=build", "os=linux", "gpu=none", "arch=x86_64"], WHOLE),
        (["queue=build", "arch=amd64"], WHOLE),
        (["queue=build", "architecture=x86_64"], WHOLE),
        (["queue=build", "arch=*"], WHOLE),
        (["queue=build", "instance-type=m6i.large"], NARROW),
        (["queue=build", "aws:instance-type=m6i.large"], NARROW),
        (["queue=build", "instance-type=*"], WHOLE),
        (["queue=build", "instance-type"], WHOLE),
        (["queue=build", "instance-type=m6i.large", "instance-type=m6i.large"], NARROW),
    ],
)
def test_rules_that_the_queue_meets_give_the_shape(rules: list[str], shape: Shape) -> None:
    assert shape_for(QUEUE, rules) == shape


@pytest.mark.parametrize(
    ("rules", "failed", "reason"),
    [
        (["queue=other"], "queue=other", "queue=build"),
        (["queue=build", "os=mac"], "os=mac", "os=linux"),
        (["queue=build", "arch=arm64"], "arch=arm64", "x86_64"),
        (["queue=build", "arch=aarch64"], "arch=aarch64", "x86_64"),
        (["queue=build", "arch=sparc"], "arch=sparc", "x86_64"),
        (["queue=build", "docker=true"], "docker=true", "no tag docker"),
        (["queue=build", "docker=*"], "docker=*", "no tag docker"),
        (["queue=build", "docker"], "docker", "no tag docker"),
        (["queue=build", "OS=linux"], "OS=linux", "no tag OS"),
        (["queue=build", "aws:instance-id=i-1"], "aws:instance-id=i-1", "no tag"),
        (["queue=build", ""], "", "no tag"),
        (["queue=build", "instance-type=c5.large"], "instance-type=c5.large", "m7i.large"),
        (
            ["queue=build", "instance-type=m7i.large", "instance-type=m6i.large"],
            "instance-type=m6i.large",
            "m7i.large",
        ),
    ],
)
def test_a_mismatch_names_the_failed_rule_and_the_offer(
    rules: list[str], failed: str, reason: str
) -> None:
    mismatch = shape_for(QUEUE, rules)
    assert isinstance(mismatch, Mismatch)
    assert mismatch.rule == failed
    assert reason in mismatch.reason


@pytest.mark.parametrize("rules", [[], ["os=linux"], ["queue=build"]])
def test_jobs_that_name_no_queue_match_any_queue(rules: list[str]) -> None:
    assert shape_for(QUEUE, rules) == WHOLE


def test_jobs_that_name_another_queue_do_not_match() -> None:
    assert isinstance(shape_for(QUEUE, ["queue=other"]), Mismatch)


@pytest.mark.parametrize("value", ["arm64", "aarch64"])
def test_arm64_is_also_called_aarch64(value: str) -> None:
    config = QueueConfig(queue="q", architecture="arm64", instance_types=("m7g.large",))
    shape = shape_for(config, ["queue=q", f"arch={value}"])
    assert shape == Shape("q", "arm64", ("m7g.large",), "on-demand")


def test_an_instance_type_is_offered_only_by_a_shape_of_one_type() -> None:
    assert offer(QUEUE, WHOLE) == {
        "queue": "build",
        "arch": "x86_64",
        "os": "linux",
        "gpu": "none",
    }
    assert offer(QUEUE, NARROW)["instance-type"] == "m6i.large"


def test_the_agent_gets_its_tags_in_one_line() -> None:
    assert agent_tags(QUEUE, NARROW) == (
        "queue=build,arch=x86_64,instance-type=m6i.large,os=linux,gpu=none"
    )


def test_rules_made_of_an_offer_give_its_shape() -> None:
    rules = [f"{key}={value}" for key, value in offer(QUEUE, NARROW).items()]
    assert shape_for(QUEUE, rules) == NARROW
