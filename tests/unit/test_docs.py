"""Generated blocks of the documents are current with the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from build import docs
from build.blocks import ROOT, BadMarkers, table
from mayfly.config.parameters import DESCRIPTIONS
from mayfly.metrics import Metric
from mayfly.records.states import INSTANCE_STATES


def written(root: Path, text: str) -> Path:
    for name in docs.DOCUMENTS.names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("# Nothing generated\n", "utf-8")
    guide = root / "docs/operating.md"
    guide.write_text(text, "utf-8")
    return guide


def test_the_generated_blocks_of_the_documents_are_current() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "build.docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.stderr == ""
    assert check.returncode == 0


def test_a_stale_block_is_named_and_renewed(tmp_path: Path) -> None:
    guide = written(
        tmp_path, "before\n<!-- generated:deadlines -->\nold\n<!-- /generated -->\nafter\n"
    )
    assert docs.DOCUMENTS.stale(tmp_path, write=False) == ["docs/operating.md"]
    assert "old" in guide.read_text("utf-8")
    assert docs.DOCUMENTS.stale(tmp_path, write=True) == ["docs/operating.md"]
    text = guide.read_text("utf-8")
    assert text.startswith("before\n<!-- generated:deadlines -->\n\n| record |")
    assert text.endswith("|\n\n<!-- /generated -->\nafter\n")
    assert "old" not in text
    assert docs.DOCUMENTS.stale(tmp_path, write=False) == []


@pytest.mark.parametrize(
    "text",
    [
        "<!-- generated:deadlines -->\n",
        "<!-- /generated -->\n",
        "<!-- generated:deadlines -->\n<!-- generated:deadlines -->\n<!-- /generated -->\n",
        "<!-- generated:nonsense -->\n<!-- /generated -->\n",
    ],
)
def test_wrong_markers_are_an_error(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(BadMarkers):
        docs.DOCUMENTS.stale(tmp_path, write=True)


@pytest.mark.parametrize("name", sorted(docs.BLOCKS))
def test_every_block_can_be_generated_and_renewed(name: str) -> None:
    text = docs.DOCUMENTS.renewed(f"<!-- generated:{name} -->\n<!-- /generated -->\n")
    assert docs.DOCUMENTS.renewed(text) == text
    assert len(text.splitlines()) > 4


def test_the_table_of_parameters_has_every_parameter() -> None:
    for about in DESCRIPTIONS.values():
        assert f"| `{about.name}` | {about.meaning} |" in docs.parameters()


def test_the_table_of_metrics_has_every_metric_with_its_alarm() -> None:
    text = docs.metrics()
    for metric in Metric:
        assert f"| `{metric}` | {metric.unit} |" in text
        assert f"| {metric.meaning} |" in text
    alarms = {line.split(" | ")[0]: line.split(" | ")[-1] for line in text.splitlines()}
    assert alarms["| `NoCapacity`"] == "`CapacityMissing` |"
    assert alarms["| `BadConfiguration`"] == "`BadConfigurationFound` |"
    assert alarms["| `LeftConflict`"] == "none |"
    assert alarms["| `QueueProblems`"] == "`BadConfiguration` |"
    assert alarms["| `OldestWait`"] == "`JobsWaitTooLong` |"


def test_the_diagram_of_states_has_every_edge() -> None:
    text = docs.diagram(INSTANCE_STATES)
    rows = INSTANCE_STATES.items()
    edges = [f"    {old} --> {new}\n" for old, traits in rows for new in traits.edges]
    assert all(edge in text for edge in edges)
    assert text.count("-->") == len(edges) + 2


def test_a_pipe_in_a_table_cell_is_escaped() -> None:
    assert table(("a",), (("x|y",),)).splitlines()[-1] == "| x\\|y |"
