"""Buildkite held to the contract suite of the emulator: prepared, run, shown."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mayfly_cli.buildkite import Api, agent_api, rest_api, token_from
from mayfly_cli.check_buildkite.recorder import Recorder
from mayfly_cli.checkout import ROOT
from mayfly_cli.endpoints import AGENT_TOKEN, API_TOKEN
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, beginning
from mayfly_cli.findings import COLUMNS, Unknown, Verdict
from mayfly_cli.preflight import gather_buildkite
from mayfly_cli.preflight.snapshot import Cluster, QueueSeen

SUITE = Path(__file__).parent / "suite"
"""The expectations, as files of tests. The lab holds its emulator to the same ones."""
UNCHECKED = Path(__file__).parent / "unchecked.md"
"""The expectations that only an emulator can be held to."""
_WORDS = {Verdict.OK: "held", Verdict.WRONG: "broken", Verdict.UNKNOWN: "not checked"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be held against which Buildkite."""

    queue: str
    all: bool
    """Whether what cannot be checked is named."""
    agent_endpoint: str
    api_endpoint: str


def run(chosen: Chosen) -> int:
    """Run the suite against Buildkite, and print one line for each expectation; the exit status.

    Raises:
        UsageError: a token is missing or refused, or the queue cannot be used for this.
        BrokenError: no pipeline can be made, or the suite cannot be run.
    """
    tokens = {name: token_from(name) for name in (AGENT_TOKEN, API_TOKEN)}
    if missing := [name for name, token in tokens.items() if not token]:
        raise UsageError(f"set {' and '.join(missing)} in the environment (never an argument)")
    agent = agent_api(chosen.agent_endpoint, tokens[AGENT_TOKEN])
    rest = rest_api(chosen.api_endpoint, tokens[API_TOKEN])
    with beginning():
        organization, cluster = _cluster(agent)
        _see_that_it_is_there(agent, rest, Cluster(organization, cluster, ""), chosen.queue)
        _see_that_it_is_idle(agent, chosen.queue)
    with _pipeline(rest, organization, cluster, chosen.queue) as pipeline:
        recorder = _run(
            {
                "MAYFLY_CONTRACT_AGENT_ENDPOINT": agent.address,
                "MAYFLY_CONTRACT_API_ENDPOINT": rest.address,
                "MAYFLY_CONTRACT_CLUSTER": cluster,
                "MAYFLY_CONTRACT_KEY": pipeline,
                "MAYFLY_CONTRACT_ORGANIZATION": organization,
                "MAYFLY_CONTRACT_PIPELINE": pipeline,
                "MAYFLY_CONTRACT_QUEUE": chosen.queue,
            }
        )
    return _show(recorder, every=chosen.all)


def _cluster(agent: Api) -> tuple[str, str]:
    """Organisation and cluster of the agent token."""
    answer = agent.call("GET", "/token")
    if answer.status in {401, 403}:
        raise UsageError(f"Buildkite refuses {AGENT_TOKEN}: {answer.message}")
    if not answer.ok or not answer.content.get("cluster_uuid"):
        raise BrokenError(f"whose token {AGENT_TOKEN} is, Buildkite does not say: {answer.message}")
    return str(answer.content["organization_slug"]), str(answer.content["cluster_uuid"])


def _see_that_it_is_there(agent: Api, rest: Api, where: Cluster, queue: str) -> None:
    match gather_buildkite.queue(agent, rest, where, queue):
        case Unknown(reason):
            raise UsageError(reason)
        case None:
            raise UsageError(f"the cluster of {AGENT_TOKEN} has no queue {queue}: make one")
        case QueueSeen(hosted=True):
            raise UsageError(f"queue {queue} is hosted by Buildkite: make a self-hosted one")


def _see_that_it_is_idle(agent: Api, queue: str) -> None:
    answer = agent.call("GET", "/metrics")
    if not answer.ok or not isinstance(answer.content, dict):
        raise BrokenError(f"whether agents serve the queue is not seen: {answer.message}")
    for kind in ("agents", "jobs"):
        if (answer.content.get(kind) or {}).get("queues", {}).get(queue, {}).get("total"):
            raise UsageError(f"queue {queue} has {kind}: take a queue that nobody uses")


@contextlib.contextmanager
def _pipeline(rest: Api, organization: str, cluster: str, queue: str) -> Iterator[str]:
    """A pipeline for the time of the checks."""
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
        raise BrokenError(f"a pipeline for the checks cannot be made: {answer.message}")
    try:
        yield str(answer.content["slug"])
    finally:
        gone = rest.call("DELETE", f"{place}/{answer.content['slug']}")
        if not gone.ok:
            sys.stdout.write(f"delete the pipeline {name} yourself: {gone.message}\n")


def _run(environment: dict[str, str]) -> Recorder:
    """Run the suite in this process: the tokens stay in its environment."""
    import pytest  # half a second of start-up: not for --help

    recorder = Recorder()
    os.environ.update(environment)
    suite = sorted(str(path) for path in SUITE.glob("test_*.py"))
    if not suite:
        # Without a file to run, pytest would collect the whole checkout instead.
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
        for line in textwrap.wrap(finding.detail, COLUMNS - 16):
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
    """What the emulator is held to beside the suite, a sentence each."""
    lines = UNCHECKED.read_text("utf-8").splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]
