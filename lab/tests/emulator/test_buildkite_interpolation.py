"""`$VAR` in a pipeline: the same text from the emulator and from an agent.

Source of each expectation, unless the test says otherwise: seen with buildkite-agent 3.83.1
(`pipeline upload --dry-run`), and buildkite/docs pages/agent/cli/reference/pipeline.md,
"Environment variable substitution".
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildkite_emulator import BuildRequest, PipelineError
from buildkite_emulator.pipelines.definition import Context, parse
from buildkite_emulator.pipelines.interpolation import interpolate
from buildkite_emulator.pipelines.steps import CommandStep
from emulator.buildkite_agents import REAL
from emulator.buildkite_client import Contract, contract

VARIABLES = {"NAME": "value", "EMPTY": "", "COMMIT": "0123456789"}
FILLED = [
    ("plain", "plain"),
    ("$NAME and ${NAME}", "value and value"),
    ("[$NONE] [${NONE}]", "[] []"),
    ("$NAME.txt $NAME-1", "value.txt value-1"),
    ("$NAME_1", ""),
    ("${NONE:-d} ${EMPTY:-d} ${NAME:-d}", "d d value"),
    ("${NONE-d} [${EMPTY-d}] ${NAME-d}", "d [] value"),
    ("${NONE:-$NAME} ${NONE-${EMPTY:-x}}", "value x"),
    ("${NONE:-}", ""),
    ("${COMMIT:0:7} ${COMMIT:7} ${COMMIT:8:9}", "0123456 789 89"),
    ("${COMMIT:-3} ${COMMIT: -3} ${COMMIT:0:-3}", "0123456789 789 0123456"),
    ("[${COMMIT:20}] [${NONE:0:3}]", "[] []"),
    ("$$NAME \\$NAME $${NAME} \\${NAME:-x}", "$NAME $NAME ${NAME} ${NAME:-x}"),
    ("$$$$", "$$"),
    ("$(date) $(echo $NAME)", "$(date) $(echo value)"),
    ("costs 5$", "costs 5$"),
    ("${NAME?needed} ${NAME?}", "value value"),
    ("a\\\\b", "a\\\\b"),
]
REFUSED = [
    ("$0", "Expected identifier to start with a letter, got 0"),
    ("$@", "Expected identifier to start with a letter, got @"),
    ("$_x", "Expected identifier to start with a letter, got _"),
    ("${NONE?}", "$NONE: not set"),
    ("${NONE?say $NAME}", "$NONE: say value"),
    ("${NAME", "Expected an operator, got the end of the text"),
    ("${NAME+x}", "Expected an operator, got +"),
]


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.mark.parametrize(("text", "expected"), FILLED)
def test_variables_are_interpolated(text: str, expected: str) -> None:
    assert interpolate(text, VARIABLES) == expected


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_invalid_variables_are_refused(text: str, reason: str) -> None:
    with pytest.raises(PipelineError) as error:
        interpolate(text, VARIABLES)
    assert error.value.words == reason


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
def test_a_real_agent_interpolates_variables_to_the_same_text(tmp_path: Path) -> None:
    """The whole table above, by the agent on PATH."""
    shown = _dry_run(tmp_path, [text for text, _ in FILLED])
    assert shown.returncode == 0, shown.stderr
    steps = json.loads(shown.stdout)["steps"]
    assert [step.get("label", "") for step in steps] == [expected for _, expected in FILLED]


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
@pytest.mark.parametrize("text", [text for text, _ in REFUSED])
def test_a_real_agent_refuses_the_same_variables(tmp_path: Path, text: str) -> None:
    assert _dry_run(tmp_path, [text]).returncode == 1


def _dry_run(place: Path, labels: list[str]) -> subprocess.CompletedProcess[str]:
    steps = [{"command": "true", "label": label} for label in labels]
    return _dry_run_of(place, json.dumps({"steps": steps}))


def _dry_run_of(place: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = place / "pipeline.yml"
    file.write_text(text)
    arguments = ["--dry-run", "--job", "j", "--agent-access-token", "t", str(file)]
    env = {"PATH": os.environ["PATH"], "HOME": str(place), **VARIABLES}
    return subprocess.run(
        [str(REAL), "pipeline", "upload", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


SCALARS = {
    "1.10": "1.1",
    "1.0": "1",
    ".5": "0.5",
    "1e3": "1000",
    "1.5e10": "1.5e+10",
    "0x10": "16",
    "010": "8",
    "0o10": "8",
    "1_000": "1000",
    "100000000": "100000000",
    "true": "true",
    "False": "false",
    "yes": "yes",
    "off": "off",
    "~": "",
    "12:30": "12:30",
    "1234567.5": "1.2345675e+06",
    "0.00001": "1e-05",
    "'1.10'": "1.10",
    "1.10.2": "1.10.2",
}


def test_yaml_scalars_become_the_text_that_agents_write() -> None:
    text = "".join(f"  V{n}: {scalar}\n" for n, scalar in enumerate(SCALARS))
    definition = parse(f"env:\n{text}steps: [wait]", Context("default"))
    assert list(definition.env.values()) == list(SCALARS.values())


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
def test_a_real_agent_writes_yaml_scalars_as_the_same_text(tmp_path: Path) -> None:
    """The whole table above, by the agent on PATH."""
    text = "".join(f"  V{n}: {scalar}\n" for n, scalar in enumerate(SCALARS))
    shown = _dry_run_of(tmp_path, f"env:\n{text}steps: [wait]\n")
    env = json.loads(shown.stdout)["env"]
    assert [env[f"V{n}"] for n in range(len(SCALARS))] == list(SCALARS.values())


STEPS = """
env:
  TARGET: ${BUILDKITE_BRANCH}-x
steps:
  - command: deploy $TARGET $OWN ${BUILDKITE_BUILD_NUMBER:-none} $$HOME
    label: ${BUILDKITE_MESSAGE}
    key: at-$BUILDKITE_PIPELINE_SLUG
"""


@pytest.mark.parametrize(
    ("as_uploaded", "number"),
    [
        pytest.param(False, "none", id="saved steps are filled in before the build has a number"),
        pytest.param(True, "1", id="a file is filled in by its first job"),
    ],
)
def test_saved_steps_know_some_variables_of_the_build_and_uploaded_steps_all(
    bk: Contract, as_uploaded: bool, number: str
) -> None:
    """buildkite/docs pages/pipelines/configure/environment_variables.md.

    Assumed: saved steps also know the build's own environment.
    """
    bk.buildkite.add_pipeline("demo", STEPS, "r", as_uploaded=as_uploaded)
    request = BuildRequest(branch="topic", message="hello $NAME", env={"OWN": "mine"})
    [job] = bk.buildkite.create_build("demo", request).jobs
    assert job.command == f"deploy topic-x mine {number} $HOME"
    assert (job.label, job.step_key) == ("hello $NAME", "at-demo")


def test_an_unset_required_variable_refuses_the_build_with_its_line(bk: Contract) -> None:
    bk.buildkite.add_pipeline("demo", "steps:\n  - command: a\n  - command: ${NONE?give it}\n", "r")
    with pytest.raises(PipelineError, match=r"^line 3: \$NONE: give it$"):
        bk.buildkite.create_build("demo")


def test_the_env_of_a_pipeline_is_interpolated_once_and_in_order() -> None:
    """buildkite/go-pipeline pipeline.go interpolates `env` first, and the rest after it."""
    text = """
        env: {PATH: "$PATH:/x", COST: "$$5", EARLY: "$LATE", LATE: late, "K_$LATE": k}
        steps: [{command: "$PATH $LATE"}]
    """
    definition = parse(text, Context("default", variables={"PATH": "/usr"}))
    assert definition.env == {
        "PATH": "/usr:/x",
        "COST": "$5",
        "EARLY": "",
        "LATE": "late",
        "K_late": "k",
    }
    [step] = definition.steps
    assert isinstance(step, CommandStep)
    assert step.command == "/usr:/x late"
