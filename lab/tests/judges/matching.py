"""The templates' event patterns, and who matches them: AWS's Event Ruler, and the lab."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from moto.events.models import EventPattern

from judges.tools import ROOT, ruler
from mayfly_cli.templates.resolution import REGION, Deployment
from mayfly_cli.templates.translation import translate
from mayfly_lab.aws.patterns import matches

Event = dict[str, Any]
SUMS = {"AgentSha256Amd64": "1" * 64, "AgentSha256Arm64": "2" * 64}
STACKS: Mapping[str, Mapping[str, str]] = {
    "template.yaml": {},
    "stacks/queue.yaml": {
        **SUMS,
        "AgentVersion": "3.138.3",
        "ControlStack": "mayfly",
        "QueueKey": "linux",
        "VpcId": "vpc-1",
        "Subnets": "subnet-1",
    },
}


@cache
def patterns() -> dict[str, Any]:
    """All patterns of rules and of triggers' filters in the deployed stack `mayfly`."""
    found = {}
    stored: dict[
        str, str
    ] = {}  # by name: SSM parameters of the first stack, which the second reads
    for path, parameters in STACKS.items():
        template = translate(ROOT / path, REGION).template
        deployed = Deployment(template, "mayfly", parameters, stored)
        stored = deployed.published
        for name, resource in deployed.resources.items():
            properties = resource.get("Properties", {})
            if pattern := properties.get("EventPattern"):
                found[name] = pattern
            filters = properties.get("FilterCriteria", {}).get("Filters", [])
            for number, each in enumerate(filters):
                found[f"{name} {number}"] = json.loads(each["Pattern"])
    return found


def examples() -> Iterator[tuple[str, Event]]:
    """All events in `events/`: whole files, records of batches, and their bodies."""
    for path in sorted((ROOT / "events").glob("*.json")):
        event = json.loads(path.read_text())
        yield path.name, event
        for number, record in enumerate(event.get("Records", [])):
            yield f"{path.name} record {number}", record
            if "body" in record:
                yield f"{path.name} body {number}", json.loads(record["body"])


def judged(events: list[Event], by: Mapping[str, Any] | None = None) -> list[set[str]]:
    """For each event the names of the patterns that match it, as Event Ruler says.

    Without named patterns they are those of the templates.

    Raises:
        MissingToolError: Event Ruler is not on this machine.
    """
    lines = "".join(f"{json.dumps(each)}\n" for each in [by or patterns(), *events])
    done = subprocess.run(
        ruler(), input=lines, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = [set(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(answers) == len(events)
    return answers


def in_the_lab(event: Event) -> set[str]:
    """The patterns that match the event, as the lab says."""
    return {name for name, pattern in _loaded().items() if matches(pattern, event)}


@cache
def _loaded() -> dict[str, EventPattern]:
    return {name: EventPattern.load(json.dumps(each)) for name, each in patterns().items()}


def texts(node: Any) -> Iterator[str]:
    """All texts among a pattern's values."""
    if isinstance(node, str):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from texts(each)
