"""What Mayfly's hooks do for a job with a role, sourced by a real shell as the agent does it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import mayfly_instance

HOOKS = Path(mayfly_instance.__file__ or "").parent / "hooks"
GIVEN = "directory=''\nagent=''\nshared=''\nrepository=''\npid=''\nkeep=''\nregion='eu-west-1'\n"
LOST = "the session of arn:aws:iam::123456789012:role/ci/app ended at 11:19:26 UTC (docs)."


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    for name in ("give-secrets", "tell-causes", "operator-hook"):
        shutil.copy(HOOKS / name, tmp_path)
    (tmp_path / "given").write_text(GIVEN)
    (tmp_path / "notes").write_text("")
    return tmp_path


def sourced(hook: Path, then: str, **environment: str) -> str:
    script = f'source "{hook}" || echo failed; {then}'
    done = subprocess.run(
        ["/bin/bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("said", "region", "default"),
    [
        ({}, "eu-west-1", "eu-west-1"),
        ({"AWS_REGION": "us-east-1"}, "us-east-1", "us-east-1"),
        ({"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2", "us-east-2"),
        ({"AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1"}, "a-1", "b-1"),
    ],
)
def test_the_region_is_the_machines_unless_the_pipeline_says_one(
    hooks: Path, said: dict[str, str], region: str, default: str
) -> None:
    told = sourced(hooks / "give-secrets", 'env | grep "^AWS_" | sort', **said)
    assert told == f"AWS_DEFAULT_REGION={default}\nAWS_REGION={region}\n"


def test_a_job_without_a_role_gets_no_region(hooks: Path) -> None:
    (hooks / "given").write_text(GIVEN.replace("eu-west-1", ""))
    assert sourced(hooks / "give-secrets", 'env | grep "^AWS_" || true') == ""


def test_the_log_tells_that_the_role_was_lost_beside_any_other_cause(hooks: Path) -> None:
    assert "Mayfly" not in sourced(hooks / "tell-causes", "true")
    (hooks / "role-lost").write_text(f"{LOST}\n")
    (hooks / "cause").write_text("the queue's limit of 60 minutes is over.\n")
    told = sourced(hooks / "tell-causes", "true").splitlines()
    assert told == ["+++ Mayfly: the queue's limit of 60 minutes is over.", f"+++ Mayfly: {LOST}"]
