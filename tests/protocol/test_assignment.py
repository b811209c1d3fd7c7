"""Hosts read assignments exactly as dispatch writes them, and refuse any other."""

from __future__ import annotations

import ast
import json
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from mayfly_protocol.agent_settings import REFUSED
from mayfly_protocol.assignment import Assignment, parse, to_row
from mayfly_protocol.grants import Grants, Role, Secrets
from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.words import Imds, Root
from tests.protocol.proof_settings import PROOF_SETTINGS

LAYERS = Path(__file__).parents[2] / "layers"
JOB = "0190a8b7-6d2e-4c43-9a6c-3f2b8e1d7c55"
BOOT, QUEUE = "0f3b", "deploy"
FULL = Assignment(
    job=JOB,
    boot=BOOT,
    queue=QUEUE,
    name="deploy-i-1",
    tags="queue=deploy",
    endpoint="http://127.0.0.1:1/v3",
    imds=Imds.OFF,
    root=Root.YES,
    max_minutes=30,
    rules=("pipeline=web fork=no", "branch=main fork=no"),
    repository="https://example.org/acme/web",
    config="no-plugins=true\nno-pty=true",
    token="bkjat_token",
)
PLAIN = replace(
    FULL, endpoint="", imds=Imds.SUPERVISOR, root=Root.NO, rules=(), repository=None, config=""
)
FACTS = JobFacts(organization="acme", pipeline="web", build="7")
GRANTED = replace(
    PLAIN,
    grants=Grants(
        FACTS, Secrets("/vendors/buildkite/deploy"), role=Role("arn:aws:iam::1:role/x", 900)
    ),
)
"""A job that is root gets no grants, so no sample has everything."""


@pytest.mark.parametrize("assignment", [FULL, PLAIN, GRANTED], ids=["full", "plain", "granted"])
def test_an_assignment_is_read_as_it_was_written(assignment: Assignment) -> None:
    sent = json.loads(json.dumps(to_row(assignment)))
    assert parse(sent, BOOT, QUEUE) == assignment


@pytest.mark.parametrize("imds", list(Imds))
def test_every_value_of_imds_survives_writing_and_parsing(imds: Imds) -> None:
    assignment = replace(PLAIN, imds=imds)
    assert to_row(assignment)["imds"] == imds.value
    assert parse(to_row(assignment), BOOT, QUEUE).imds is imds


@pytest.mark.parametrize("root", list(Root))
def test_every_value_of_root_survives_writing_and_parsing(root: Root) -> None:
    assignment = replace(PLAIN, imds=Imds.OFF, root=root)
    assert to_row(assignment)["root"] == root.value
    assert parse(to_row(assignment), BOOT, QUEUE).root is root


def test_the_samples_fill_every_field() -> None:
    silent = [each.name for each in fields(FULL) if not getattr(FULL, each.name)]
    assert silent == ["grants"]
    assert GRANTED.grants
    defaults = [each.name for each in fields(FULL) if each.default is not MISSING]
    assert defaults == ["grants", "token"]


def test_a_host_that_knows_no_grants_refuses_an_assignment_with_grants() -> None:
    assert (to_row(PLAIN)["protocol"], to_row(GRANTED)["protocol"]) == (1, 2)


@pytest.mark.parametrize(("of", "protocol"), [(PLAIN, 2), (GRANTED, 1), (PLAIN, 3), (GRANTED, "2")])
def test_an_assignment_whose_protocol_and_grants_disagree_is_refused(
    of: Assignment, protocol: object
) -> None:
    with pytest.raises(ValueError, match="protocol"):
        parse({**to_row(of), "protocol": protocol}, BOOT, QUEUE)


@pytest.mark.parametrize(
    ("imds", "root"), [(Imds.JOB, Root.NO), (Imds.OFF, Root.YES), (Imds.OFF, Root.DOCKER)]
)
def test_a_job_that_could_take_other_jobs_secrets_gets_none(imds: Imds, root: Root) -> None:
    sent = to_row(replace(GRANTED, imds=imds, root=root))
    with pytest.raises(ValueError, match="could take those of other jobs"):
        parse(sent, BOOT, QUEUE)


def attributes(package: str) -> set[str]:
    """Names of the attributes that the sources in this package read."""
    trees = [ast.parse(path.read_text()) for path in (LAYERS / package).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if isinstance(node.ctx, ast.Load)}


def test_the_host_reads_every_field_of_the_assignment() -> None:
    # Boot and queue are compared by the parser.
    names = {field.name for field in fields(Assignment)} - {"boot", "queue"}
    assert names <= attributes("instance/mayfly_instance")


def test_the_repr_hides_the_token_and_a_row_needs_one() -> None:
    assert "bkjat" not in repr(FULL)
    with pytest.raises(ValueError, match="without its token"):
        to_row(replace(FULL, token=""))


@pytest.mark.parametrize("name", sorted(to_row(FULL)))
def test_an_assignment_without_a_required_field_is_refused(name: str) -> None:
    sent = {key: value for key, value in to_row(FULL).items() if key != name}
    if name in {"endpoint", "config"}:
        assert not getattr(parse(sent, BOOT, QUEUE), name)
    else:
        with pytest.raises(ValueError, match="the assignment") as caught:
            parse(sent, BOOT, QUEUE)
        assert "bkjat" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(REFUSED.keys() | PROOF_SETTINGS),
        "exporttoken",
        "spawn-with-anything",
        "disconnect-after-a-setting-to-come",
        "tags-from-gcp",
        "meta-data-to-come",
        "exporttags-from-gcp",
    ],
)
@pytest.mark.parametrize("line", ["{}=x", "{} =x", "debug=true\n{}=x"])
def test_an_agent_setting_refused_in_a_queue_is_refused_in_an_assignment(
    name: str, line: str
) -> None:
    sent: dict[str, Any] = {**to_row(FULL), "config": line.format(name)}
    with pytest.raises(ValueError, match=f"agent config sets '{name}'"):
        parse(sent, BOOT, QUEUE)


@pytest.mark.parametrize(
    ("config", "max_minutes", "why"),
    [
        ("cancel-grace-period=61", 1, "grace period is longer than its max_minutes"),
        ("cancel-grace-period=300", 60, "may be at most"),
        ("cancel-grace-period=5\nsignal-grace-period-seconds=5", 60, "must be less than"),
    ],
)
def test_a_grace_period_that_cannot_fit_is_refused_in_an_assignment(
    config: str, max_minutes: int, why: str
) -> None:
    sent = {**to_row(FULL), "config": config, "max_minutes": max_minutes}
    with pytest.raises(ValueError, match=why):
        parse(sent, BOOT, QUEUE)
