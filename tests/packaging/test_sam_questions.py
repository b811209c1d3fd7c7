"""The questions of the real `sam deploy --guided` are those of the first-day guide."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from build.guide import PAGE, questions
from tests.packaging.conftest import ROOT, SAM

EXAMPLES = {
    "$VPC": "vpc-0123",
    "$SUBNETS": "subnet-0123,subnet-4567",
    "$RELEASE": f"3.138.3,{'0' * 64},{'1' * 64}",
}


def test_sam_asks_the_questions_of_the_guide_with_its_defaults_and_takes_its_answers(
    environment: Mapping[str, str], checkout: Path
) -> None:
    """Without an account SAM gets to its first call, after which it asks only for the last yes."""
    (checkout / "samconfig.toml").write_bytes((ROOT / "samconfig.toml").read_bytes())
    *before, last = questions(PAGE.read_text("utf-8"))
    answers = [EXAMPLES.get(each.answer, each.answer) for each in before]
    asked = subprocess.run(
        [str(SAM), "deploy", "--guided"],
        cwd=checkout,
        env={
            **environment,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        },
        input="".join(f"{answer}\n" for answer in answers),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    shown = asked.stdout + asked.stderr
    found = re.findall(r"\t([^\t\n#]+?) \[([^]]*)\]: ", shown)
    assert found == [(each.text, each.default) for each in before], shown
    assert "Looking for resources needed for deployment" in shown
    assert (last.text, last.answer) == ("Deploy this changeset?", "y")
    source = SAM.parent.parent / "lib"
    [texts] = source.glob("python*/site-packages/samcli/commands/deploy/deploy_context.py")
    assert last.text in texts.read_text("utf-8")
