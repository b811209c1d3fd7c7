"""No text of a pipeline ends in anything but a build or a refusal with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
import yaml

from buildkite_emulator import Buildkite, PipelineError
from emulator.buildkite_client import Contract, contract
from emulator.odd_pipelines import WHOLE_FILES, all_of_them

BATCH = 100


@pytest.fixture
def buildkite() -> Iterator[Buildkite]:
    made = Buildkite(lambda: datetime.now(UTC))
    yield made
    made.close()


def build_or_refusal(buildkite: Buildkite, text: str) -> str:
    """The build's state, or the reason for the refusal."""
    buildkite.add_pipeline("odd", text, "https://git.example.org/odd.git", as_uploaded=True)
    try:
        made = buildkite.create_build("odd")
    except PipelineError as error:
        return str(error)
    assert buildkite.build(made.id).state
    return made.state


@pytest.mark.parametrize("text", WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_an_odd_file_is_built_or_refused_with_a_reason(buildkite: Buildkite, text: str) -> None:
    assert build_or_refusal(buildkite, text)


@pytest.mark.parametrize("start", range(0, 2500, BATCH))
def test_odd_values_of_every_attribute_are_built_or_refused_with_a_reason(
    buildkite: Buildkite, start: int
) -> None:
    for name, text in islice(all_of_them(), start, start + BATCH):
        try:
            assert build_or_refusal(buildkite, text)
        except Exception as error:
            error.add_note(f"{name}: {text[:200]}")
            raise


def test_the_batches_hold_every_odd_pipeline() -> None:
    assert sum(1 for _ in all_of_them()) <= 2500


def test_an_odd_upload_is_applied_or_rejected_with_a_reason() -> None:
    with contract("default") as bk:
        session = bk.running(bk.one_job("steps: [{command: x, key: own}]"))
        for number, content in enumerate(_uploads()):
            body = {"uuid": f"00000000-0000-4000-8000-{number:012}", "pipeline": content}
            answer = session.job("POST", "/pipelines", body)
            assert answer.status_code in {200, 422}, (content, answer.text)
            assert answer.status_code == 200 or answer.json()["message"]
        _require_builds(bk)


def test_a_body_that_is_nested_too_deep_is_a_bad_request() -> None:
    with contract("default") as bk:
        session = bk.running(bk.one_job())
        deep = '{"uuid": "x", "pipeline": ' + "[" * 100_000 + "]" * 100_000 + "}"
        answer = bk.http.post(
            f"{bk.url}/v3/jobs/{session.job_id}/pipelines",
            data=deep,
            headers={"Authorization": f"Token {session.job_token}"},
        )
        assert answer.status_code == 400


def _require_builds(bk: Contract) -> None:
    answer = bk.rest("GET", "/pipelines/demo/builds/1")
    assert answer.status_code == 200


def _uploads() -> Iterator[Any]:
    """JSON of the odd pipelines that have one, a text, and JSON that is nested deep."""
    for _, text in islice(all_of_them(), 0, 2500, 7):
        if len(text) < 400:
            try:
                yield json.loads(json.dumps(yaml.safe_load(text), allow_nan=False))
            except (yaml.YAMLError, TypeError, ValueError, LookupError):
                yield text
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    yield {"steps": [{"command": "x", "plugins": [{"a": deep}]}]}
    yield {"steps": [{"command": "x", "label": "\ud800"}]}
