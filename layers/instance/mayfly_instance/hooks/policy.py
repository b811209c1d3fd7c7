"""Checks once more, on the host, that this job may run here.

The policy comes from the assignment, the facts from Buildkite by way of the agent; nothing comes
from the job's own environment as the pipeline may have shaped it on the way. It decides as
`mayfly.dispatch.policy` does, by values that were checked there; what it cannot read, it denies.

Run by the pre-bootstrap hook, alone: `policy.py POLICY_JSON ENVIRONMENT_JSON JOB_ID`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_LOGIN = r"(?:[^/@\s\\]*@)?"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_URL = re.compile(rf"(?P<scheme>ssh|https|http|git)://{_LOGIN}{_HOST}{_PORT}/(?P<path>.+)")
_SCP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]*@{_HOST}:/?(?P<path>.+)")
_SEGMENT = re.compile(r"[A-Za-z0-9._~+-]+")
_USUAL_PORTS = {"ssh": "22", "https": "443", "http": "80", "git": "9418"}
_FACTS = {
    "pipeline": "BUILDKITE_PIPELINE_SLUG",
    "repository": "BUILDKITE_REPO",
    "branch": "BUILDKITE_BRANCH",
    "source": "BUILDKITE_SOURCE",
}


def denial(policy: Mapping[str, object], environment: Mapping[str, str]) -> str:
    """Why the job may not run here; empty when it may."""
    rules, repository = policy["rules"], policy["repository"]
    if not isinstance(rules, list):
        return "the policy has no readable rules"
    seen = facts(environment)
    if rules and not any(_holds(str(rule), seen) for rule in rules):
        return "no rule of the queue's policy allows it"
    if repository is not None and not _same(str(repository), seen.get("repository", "")):
        return "another repository is registered for its pipeline"
    return ""


def facts(environment: Mapping[str, str]) -> dict[str, str]:
    """What Buildkite says of the job. What it does not say meets no condition."""
    seen = {key: environment[name] for key, name in _FACTS.items() if environment.get(name)}
    pull_request = environment.get("BUILDKITE_PULL_REQUEST")
    if pull_request == "false":
        seen["fork"] = "no"
    elif pull_request:
        origin = environment.get("BUILDKITE_PULL_REQUEST_REPO", "")
        seen["fork"] = "no" if _same(origin, seen.get("repository", "")) else "yes"
    return seen


def _holds(rule: str, seen: Mapping[str, str]) -> bool:
    conditions = [word.partition("=") for word in rule.split()]
    return bool(conditions) and all(
        key in seen and equals and _meets(key, values.split(","), seen[key])
        for key, equals, values in conditions
    )


def _meets(key: str, values: Iterable[str], fact: str) -> bool:
    if key == "repository":
        actual = canonical(fact)
        return actual is not None and any(_covers(value, actual) for value in values)
    if key == "branch":
        patterns = ("[^/]*".join(map(re.escape, value.split("*"))) for value in values)
        return any(re.fullmatch(pattern, fact) for pattern in patterns)
    return fact in values


def _covers(value: str, actual: str) -> bool:
    """Whether a repository is this one, or one of this owner (`…/*`)."""
    if not value.endswith("/*"):
        return canonical(value) == actual
    any_of_them = canonical(f"{value[:-1]}x")
    return any_of_them is not None and any_of_them.rpartition("/")[0] == actual.rpartition("/")[0]


def _same(one: str, other: str) -> bool:
    found = canonical(one)
    return found is not None and found == canonical(other)


def canonical(url: str) -> str | None:
    """`host/path` of a clone URL, with the port where it is unusual; None for any other text."""
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if found is None:
        return None
    parts = found.groupdict()
    segments = parts["path"].removesuffix("/").removesuffix(".git").split("/")
    if not all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        return None
    port = parts.get("port")
    unusual = port is not None and port != _USUAL_PORTS[parts["scheme"]]
    return f"{parts['host'].lower()}{f':{port}' if unusual else ''}/{'/'.join(segments)}"


def main(policy_file: str, environment_file: str, job: str) -> int:
    """0 when the job may run. Whatever cannot be read raises, which denies it as well."""
    # ruff: noqa: PTH123 - importing pathlib takes longer than all the rest, for every job
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
