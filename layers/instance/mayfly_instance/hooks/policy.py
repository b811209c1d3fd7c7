"""The host's own check that this job may run here, before any of the job's code.

The policy comes from the assignment, the facts from Buildkite through the agent. The job's own
environment is not read, because the pipeline may have changed it. `dispatch` judges rules by the
same code (`mayfly_protocol.rules`). An unreadable policy or environment denies the job.

The pre-bootstrap hook runs this file as a script: `policy.py POLICY_JSON ENVIRONMENT_JSON JOB_ID`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

# ruff: noqa: PTH111, PTH123, PTH208 - importing pathlib would take longer than the rest, before each job
if not __package__:
    # The hook runs Python isolated, so sys.path lacks the bundle's directory.
    sys.path.insert(0, __file__.rsplit("/", 3)[0])

from mayfly_protocol import rules
from mayfly_protocol.repository import same_repository, ssh_host


def denial(policy: Mapping[str, object], environment: Mapping[str, str]) -> str:
    """Why the policy denies the job; empty if it allows it. Raises KeyError without a policy."""
    lines, repository = policy["rules"], policy["repository"]
    if not isinstance(lines, list):
        return "the policy has no readable rules"
    seen = rules.facts(environment)
    if lines and not any(rules.matches(str(line), seen) for line in lines):
        return "no rule of the queue's policy allows it"
    if repository is not None and not same_repository(str(repository), seen.get("repository", "")):
        return "another repository is registered for its pipeline"
    return ""


def difference(facts: object, environment: Mapping[str, str]) -> str:
    """Why the job is not the one that these facts describe; empty if it may be.

    What a job is given was chosen by the facts. A fact that Buildkite did not state there is empty,
    and gave the job nothing.
    """
    if not isinstance(facts, dict):
        return "the facts about the job are not readable"
    for name, fact in sorted(facts.items()):
        if fact and fact != environment.get(name, ""):
            return f"its {name} differs from the one by which it was given secrets or a role"
    return ""


def missing_key(environment: Mapping[str, str], home: str) -> str:
    """The host for which this user lacks an ssh key; empty with any key, or without need of one.

    A key has a name beginning with `id_`, or `config` names it (ssh_config(5), IdentityFile), or an
    agent holds it.
    """
    host = ssh_host(environment.get("BUILDKITE_REPO", ""))
    try:
        found = os.listdir(f"{home}/.ssh")
    except OSError:
        found = []
    held = "SSH_AUTH_SOCK" in os.environ or "config" in found
    return "" if held or any(name.startswith("id_") for name in found) else host


def main(policy_file: str, environment_file: str, job: str) -> int:
    """Exit status: 0 if the job may run, else 1 with the reason on stderr.

    An unreadable file raises, which denies the job as well.
    """
    with (
        open(policy_file, encoding="utf-8") as one,
        open(environment_file, encoding="utf-8") as other,
    ):
        policy, environment = json.load(one), json.load(other)
    why = "this host was assigned another job" if policy["job"] != job else ""
    why = why or denial(policy, environment) or policy["refused"]
    why = why or difference(policy["facts"], environment)
    if why:
        sys.stderr.write(f"mayfly: the job is refused: {why}\n")
    elif lacking := not policy["has_key"] and missing_key(environment, os.path.expanduser("~")):
        sys.stderr.write(f"mayfly: there is no ssh key for {lacking}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
