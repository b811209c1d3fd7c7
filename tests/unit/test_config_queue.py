"""The stored form of a configuration: no field is lost, and any other text is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from mayfly.config.queue import GRANTED, QueueConfig, Script
from mayfly.config.roles import parse_roles
from mayfly.config.rules import UNREADABLE, parse_rules
from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import parse_schedule
from mayfly.errors import Misconfigured

FULL = QueueConfig(
    queue="deploy",
    hot=parse_schedule("3; Mon-Fri 08:00-18:00 Europe/Berlin = 7"),
    stopped=parse_schedule("2; Mon-Fri 08:00-18:00 Europe/Berlin = 4"),
    max_stopped=timedelta(hours=9),
    max_idle=timedelta(minutes=90),
    grace=timedelta(minutes=2),
    max_instances=7,
    max_launches_per_minute=8,
    per_pipeline=6,
    architecture="arm64",
    instance_types=("m7g.large", "c7g.xlarge"),
    purchase="spot",
    boot_minutes=9,
    tags={"os": "linux", "gpu": "no"},
    max_minutes=60,
    attempts=2,
    root="yes",
    imds="job",
    rules=(*parse_rules("a", "pipeline=web branch=main,release/*\nfork=yes"), UNREADABLE),
    repository_from="/buildkite/pipelines/{pipeline}/repository",
    paused=True,
    generation="2026-11-30",
    script=Script("s3://b/x.sh", 15, 4, "version-1", "a" * 64),
    agent_config="no-plugins=true\ndebug=true",
    keep_failed=timedelta(minutes=30),
    secrets_path="/vendors/buildkite/deploy",
    shared_ssh_keys=("/vendors/buildkite/plugins/ssh/key", "/vendors/buildkite/more/ssh/key"),
    ssh_during_command=True,
    known_hosts="github.com ssh-ed25519 AAAA\n",
    over_443=("github.com", "gitlab.com"),
    roles=parse_roles(
        "deploy",
        "pipeline=web branch=main,release/* -> arn:aws:iam::123456789012:role/ci/web minutes=15\n"
        "pipeline=api fork=yes,no -> arn:aws:iam::123456789012:role/ci/api",
    ),
    grants_unread=True,
)


def test_every_field_of_a_configuration_is_read_somewhere() -> None:
    layer = Path(__file__).parents[2] / "layers/mayfly/mayfly"
    declared = {layer / "config/queue.py", layer / "config/parameters.py"}
    sources = [path.read_text() for path in layer.rglob("*.py") if path not in declared]
    unread = [
        f.name
        for f in fields(QueueConfig)
        if not any(re.search(rf"\.{f.name}\b", s) for s in sources)
    ]
    assert not unread


def test_the_full_example_leaves_no_field_at_its_default() -> None:
    default = QueueConfig(queue="")
    same = [f.name for f in fields(FULL) if getattr(FULL, f.name) == getattr(default, f.name)]
    assert same == []


@pytest.mark.parametrize("config", [FULL, QueueConfig(queue="q")])
def test_the_stored_form_of_a_configuration_keeps_every_field(config: QueueConfig) -> None:
    assert QueueConfig.from_json(config.to_json()) == config


def test_equal_configurations_have_equal_stored_forms() -> None:
    one = QueueConfig(queue="q", tags={"a": "1", "b": "2"})
    other = QueueConfig(queue="q", tags={"b": "2", "a": "1"})
    assert one.to_json() == other.to_json()


LATER = {
    "boot_minutes": None,
    "per_pipeline": None,
    "grace": timedelta(minutes=5),
    "generation": "",
    "stopped": Schedule(0),
    "max_stopped": timedelta(hours=168),
    "secrets_path": None,
    "shared_ssh_keys": (),
    "ssh_during_command": False,
    "known_hosts": "",
    "over_443": (),
    "roles": (),
    "grants_unread": False,
}
"""Fields that came after records were stored, and what held before."""


@pytest.mark.parametrize("field", LATER)
def test_a_stored_form_without_a_field_that_came_later_has_what_held_before(field: str) -> None:
    plain = json.loads(FULL.to_json())
    del plain[field]
    assert getattr(QueueConfig.from_json(json.dumps(plain)), field) == LATER[field]


@pytest.mark.parametrize("field", LATER)
def test_the_stored_form_of_a_default_that_came_later_is_that_of_before(field: str) -> None:
    assert field not in json.loads(QueueConfig(queue="q").to_json())


@pytest.mark.parametrize(
    ("stored", "schedule"),
    [(3, "3"), ("3; Sat = 1", "3; Sat = 1"), ("3; Sat UTC = 1", "3; Sat = 1")],
)
def test_a_pool_is_stored_as_a_count_or_a_schedule(stored: object, schedule: str) -> None:
    plain = {**json.loads(FULL.to_json()), "hot": stored}
    assert QueueConfig.from_json(json.dumps(plain)).hot == parse_schedule(schedule)


def test_the_stored_form_of_a_count_is_that_of_before_schedules() -> None:
    config = QueueConfig(queue="q", hot=parse_schedule("3"))
    assert json.loads(config.to_json())["hot"] == 3


@pytest.mark.parametrize("stored", [True, None, 3.5, "", "many", "3; Sat Nowhere/City = 1", []])
def test_a_stored_pool_of_another_form_is_refused(stored: object) -> None:
    plain = {**json.loads(FULL.to_json()), "hot": stored}
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps(plain))


def test_the_stored_form_of_a_script_without_a_pin_is_that_of_before() -> None:
    config = QueueConfig(queue="q", script=Script("s3://b/x.sh", 15, 4))
    assert json.loads(config.to_json())["script"] == ["s3://b/x.sh", 15, 4]
    assert QueueConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("pin", [["a"], ["a", 1], [None, "a"], ["a", "b", "c"]])
def test_a_stored_script_with_another_pin_is_refused(pin: list[object]) -> None:
    plain = json.loads(FULL.to_json())
    plain["script"] = ["s3://b/x.sh", 15, 4, *pin]
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize("field", [f.name for f in fields(QueueConfig) if f.name not in LATER])
def test_a_stored_form_without_one_of_its_fields_is_refused(field: str) -> None:
    plain = json.loads(FULL.to_json())
    del plain[field]
    with pytest.raises(Misconfigured, match=field):
        QueueConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null"])
def test_text_that_is_no_stored_configuration_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(text)


def test_a_stored_rule_without_conditions_is_refused() -> None:
    plain = json.loads(FULL.to_json())
    plain["rules"] = [["a", []]]
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize(
    "stored",
    [
        *(None, True, {"a": 1}, [["deploy"]], [["deploy", [], "arn:x", 60]]),
        [["deploy", [["pipeline", "web"]], "arn:x", 60]],
        *([["deploy", [["pipeline", ["web"]]], "arn:x", given]] for given in (14, 61, "60", None)),
        [["deploy", [["pipeline", ["web"]]], None, 60]],
        [[None, [["pipeline", ["web"]]], "arn:x", 60]],
    ],
)
def test_stored_roles_of_another_form_are_refused(stored: object) -> None:
    plain = {**json.loads(FULL.to_json()), "roles": stored}
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize("field", ["shared_ssh_keys", "over_443"])
@pytest.mark.parametrize("stored", [None, "abc", [1], {"a": "b"}, [["a"]]])
def test_stored_lists_of_another_form_are_refused(field: str, stored: object) -> None:
    plain = {**json.loads(FULL.to_json()), field: stored}
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize("field", GRANTED)
def test_a_queue_that_gives_anything_reads_the_environments_of_its_jobs(field: str) -> None:
    config = QueueConfig(queue="q", **{field: getattr(FULL, field)})
    assert config.has_grants
    assert config.restricted
    assert config.reads_environments


def test_a_queue_that_gives_nothing_reads_no_environments() -> None:
    config = QueueConfig(queue="q", grants_unread=True)
    assert not config.has_grants
    assert not config.reads_environments


def test_decisions_do_not_import_pydantic() -> None:
    loaded = "import mayfly.config.shapes, mayfly.dispatch.policy, mayfly.config.roles, sys"
    code = f"{loaded}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
