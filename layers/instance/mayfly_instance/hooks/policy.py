"""Checks once more, on the host, that this job may run here.

The policy comes from the assignment, the facts from Buildkite by way of the agent; nothing comes
from the job's own environment as the pipeline may have shaped it on the way. Rules are judged by
the very code that `dispatch` judges them by; what cannot be read is denied.

Run by the pre-bootstrap hook, alone: `policy.py POLICY_JSON ENVIRONMENT_JSON JOB_ID`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

# ruff: noqa: PTH123 - importing pathlib takes longer than all the rest, for every job
if not __package__:
    # Python is isolated here: nothing but this says where the bundle lies.
    sys.path.insert(0, __file__.rsplit("/", 3)[0])

from mayfly_protocol import rules
from mayfly_protocol.repository import same_repository


def denial(policy: Mapping[str, object], environment: Mapping[str, str]) -> str:
    """Why the job may not run here; empty when it may."""
    lines, repository = policy["rules"], policy["repository"]
    if not isinstance(lines, list):
        return "the policy has no readable rules"
    seen = rules.facts(environment)
    if lines and not any(rules.matches(str(line), seen) for line in lines):
        return "no rule of the queue's policy allows it"
    if repository is not None and not same_repository(str(repository), seen.get("repository", "")):
        return "another repository is registered for its pipeline"
    return ""


def main(policy_file: str, environment_file: str, job: str) -> int:
    """0 when the job may run. Whatever cannot be read raises, which denies it as well."""
    with (
        open(policy_file, encoding="utf-8") as one,
        open(environment_file, encoding="utf-8") as other,
    ):
        policy, environment = json.load(one), json.load(other)
    why = "this host was assigned another job" if policy["job"] != job else ""
    why = why or denial(policy, environment)
    if why:
        sys.stderr.write(f"mayfly: the job is refused: {why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
