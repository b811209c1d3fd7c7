"""Prepares a queue and a pipeline at Buildkite, runs the contract suite, prints the findings."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mayfly_cli.buildkite import Api, agent_api, rest_api, token_from
from mayfly_cli.check_buildkite.recorder import Recorder
from mayfly_cli.checkout import ROOT
from mayfly_cli.endpoints import AGENT_TOKEN, API_TOKEN
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, before_any_change
from mayfly_cli.findings import COLUMNS, Unknown, Verdict, wrapped
from mayfly_cli.preflight import gather_buildkite
from mayfly_cli.preflight.snapshot import Cluster, ClusterQueue

SUITE = Path(__file__).parent / "suite"
"""The expectations, as files of tests. The lab runs the same files against its emulator."""
UNCHECKED = Path(__file__).parent / "unchecked.md"
"""The list of expectations that only the emulator can be checked for."""
_WORDS = {Verdict.OK: "held", Verdict.WRONG: "broken", Verdict.UNKNOWN: "not checked"}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command."""

    queue: str
    all: bool
    """Whether to list the expectations that cannot be checked."""
    agent_endpoint: str
    api_endpoint: str


def run(options: Options) -> int:
    """Run the suite against Buildkite and print one line for each expectation.

    Returns the exit status: 1 if an expectation is broken, else 0.

    Raises:
        UsageError: a token is missing or refused, or the queue cannot be used for this.
        BrokenError: the pipeline cannot be created, or the suite cannot be run.
    """
    tokens = {name: token_from(name) for name in (AGENT_TOKEN, API_TOKEN)}
    if missing := [name for name, token in tokens.items() if not token]:
        raise UsageError(f"set {' and '.join(missing)} in the environment (never an argument)")
    agent = agent_api(options.agent_endpoint, tokens[AGENT_TOKEN])
    rest = rest_api(options.api_endpoint, tokens[API_TOKEN])
    with before_any_change():
        organization, cluster = _cluster(agent)
        _require_queue(agent, rest, Cluster(organization, cluster, ""), options.queue)
        _require_idle_queue(agent, options.queue)
    with _pipeline(rest, organization, cluster, options.queue) as pipeline:
        recorder = _run(
            {
                "MAYFLY_CONTRACT_AGENT_ENDPOINT": agent.address,
                "MAYFLY_CONTRACT_API_ENDPOINT": rest.address,
                "MAYFLY_CONTRACT_CLUSTER": cluster,
                "MAYFLY_CONTRACT_KEY": pipeline,
                "MAYFLY_CONTRACT_ORGANIZATION": organization,
                "MAYFLY_CONTRACT_PIPELINE": pipeline,
                "MAYFLY_CONTRACT_QUEUE": options.queue,
            }
        )
    return _show(recorder, every=options.all)


def _cluster(agent: Api) -> tuple[str, str]:
    """The organisation's slug and the cluster's id of the agent token."""
    answer = agent.call("GET", "/token")
    if answer.status in {401, 403}:
        raise UsageError(f"Buildkite refuses {AGENT_TOKEN}: {answer.message}")
    if not answer.ok or not answer.content.get("cluster_uuid"):
        raise BrokenError(f"Buildkite does not name the cluster of {AGENT_TOKEN}: {answer.message}")
    return str(answer.content["organization_slug"]), str(answer.content["cluster_uuid"])


def _require_queue(agent: Api, rest: Api, where: Cluster, queue: str) -> None:
    match gather_buildkite.queue(agent, rest, where, queue):
        case Unknown(reason):
            raise UsageError(reason)
        case None:
            raise UsageError(f"the cluster of {AGENT_TOKEN} has no queue {queue}: create it")
        case ClusterQueue(hosted=True):
            raise UsageError(f"queue {queue} is hosted by Buildkite: create a self-hosted queue")


def _require_idle_queue(agent: Api, queue: str) -> None:
    answer = agent.call("GET", "/metrics")
    if not answer.ok or not isinstance(answer.content, dict):
        raise BrokenError(f"cannot see whether agents serve the queue: {answer.message}")
    for kind in ("agents", "jobs"):
        if (answer.content.get(kind) or {}).get("queues", {}).get(queue, {}).get("total"):
            raise UsageError(f"queue {queue} has {kind}: take a queue without agents and jobs")


@contextlib.contextmanager
def _pipeline(rest: Api, organization: str, cluster: str, queue: str) -> Iterator[str]:
    """Create a pipeline for the checks and yield its slug; delete the pipeline at the end."""
    name = f"mayfly-check-{secrets.token_hex(4)}"
    place = f"/organizations/{quote(organization)}/pipelines"
    body = {
        "name": name,
        "repository": "https://github.com/buildkite/bash-example.git",
        "cluster_id": cluster,
        "configuration": json.dumps({"agents": {"queue": queue}, "steps": [{"command": "true"}]}),
    }
    answer = rest.call("POST", place, body)
    if answer.status in {401, 403}:
        raise UsageError(f"Buildkite refuses {API_TOKEN}: {answer.message}")
    if not answer.ok:
        raise BrokenError(f"cannot create a pipeline for the checks: {answer.message}")
    try:
        yield str(answer.content["slug"])
    finally:
        gone = rest.call("DELETE", f"{place}/{answer.content['slug']}")
        if not gone.ok:
            sys.stdout.write(f"delete the pipeline {name} yourself: {gone.message}\n")


def _run(environment: dict[str, str]) -> Recorder:
    """Run the suite in this process, so that the tokens reach no other process.

    Raises:
        BrokenError: there is no suite, or pytest cannot collect or run it.
        KeyboardInterrupt: the user stopped the run.
    """
    import pytest  # late: the import takes half a second, and --help must not wait for it

    recorder = Recorder()
    os.environ.update(environment)
    suite = sorted(str(path) for path in SUITE.glob("test_*.py"))
    if not suite:
        # Without a file argument, pytest would collect the whole checkout.
        raise BrokenError(f"there is no suite in {SUITE}")
    options = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = pytest.main([*options, "--tb=short", *suite], plugins=[recorder])
    if status == pytest.ExitCode.INTERRUPTED and not recorder.broken_suite:
        raise KeyboardInterrupt
    if recorder.broken_suite or status not in {
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
    }:
        raise BrokenError(
            f"the suite could not be run: {', '.join(recorder.broken_suite) or status}"
        )
    return recorder


def _show(recorder: Recorder, *, every: bool) -> int:
    findings = sorted(recorder.findings.values(), key=lambda each: each.subject)
    for finding in findings:
        sys.stdout.write(f"{_WORDS[finding.verdict]:12}{finding.subject}\n")
        for line in wrapped(finding.detail, COLUMNS - 16):
            sys.stdout.write(f"{'':16}{line}\n")
    unchecked = _unchecked()
    if every:
        for name in unchecked:
            sys.stdout.write(f"{'not checked':12}{name}\n")
    counts = {word: sum(each.verdict is v for each in findings) for v, word in _WORDS.items()}
    left = len(unchecked)
    sys.stdout.write(
        f"\n{counts['held']} held, {counts['broken']} broken, {counts['not checked'] + left} not"
        f" checked ({left} need the emulator's own clock or state; --all names them)\n"
    )
    return WRONG if counts["broken"] else WELL


def _unchecked() -> list[str]:
    """The emulator's expectations that are not in the suite, one sentence each."""
    lines = UNCHECKED.read_text("utf-8").splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]
