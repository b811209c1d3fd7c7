"""Patterns, events and whether they match: those of the templates, and all kinds of comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from build.blocks import ROOT

Event = dict[str, Any]

_STATES = ("shutting-down", "stopped", "stopping", "terminated")

EXAMPLES: Mapping[str, set[str]] = {
    "instance-messages.json body 0": {"InstanceStateChange"},
    "instance-messages.json body 1": {"SpotWarning"},
    "instance-state-change.json": {"InstanceStateChange"},
    "mailbox.json record 0": {"SandboxFunctionMail 0"},
    "parameter-call.json": {"ProvisionFunctionParameterCall"},
    "parameter-change.json": {"ProvisionFunctionParameterChange"},
    "spot-warning.json": {"SpotWarning"},
}
"""The patterns that each example must match; all other examples match none."""


def _detail(base: str, **changes: Any) -> Event:
    """The example in this file, with changed fields of its detail."""
    event: Event = json.loads((ROOT / "events" / base).read_text())
    return {**event, "detail": {**event["detail"], **changes}}


def _parameter(name: Any) -> Event:
    return _detail("parameter-change.json", name=name)


def _call(**changes: Any) -> Event:
    return _detail("parameter-call.json", **changes)


def _mail(kind: str) -> Event:
    event: Event = json.loads((ROOT / "events" / "mailbox.json").read_text())
    return {**event["Records"][0], "eventName": kind}


TEMPLATE_CASES: list[tuple[str, Event, set[str]]] = [
    *(
        (f"an instance is {state}", _detail("instance-state-change.json", state=state), wanted)
        for states, wanted in (
            (_STATES, {"InstanceStateChange"}),
            (("pending", "running", "Terminated", "terminated ", None, ""), set[str]()),
        )
        for state in states
    ),
    ("a hot parameter", _parameter("/mayfly/mayfly/x"), {"ProvisionFunctionParameterChange"}),
    ("infra", _parameter("/mayfly-infra/mayfly/x"), {"ProvisionFunctionParameterChange"}),
    ("another stack", _parameter("/mayfly/other/x"), set()),
    ("a stack whose name is longer", _parameter("/mayfly/mayfly2/x"), set()),
    ("the folder alone", _parameter("/mayfly/mayfly"), set()),
    ("a folder above", _parameter("/x/mayfly/mayfly/x"), set()),
    ("the token", _parameter("/buildkite/mayfly/agent-token"), set()),
    *(
        (f"CloudTrail: {title}", _call(**changes), wanted)
        for title, changes, wanted in (
            ("a put", {"eventName": "PutParameter"}, {"ProvisionFunctionParameterCall"}),
            (
                "a deletion of several, one of them ours",
                {
                    "eventName": "DeleteParameters",
                    "requestParameters": {"names": ["/x/y", "/mayfly/mayfly/queues/q/paused"]},
                },
                {"ProvisionFunctionParameterCall"},
            ),
            ("a read", {"eventName": "GetParameter"}, set[str]()),
            ("a label", {"eventName": "LabelParameterVersion"}, set[str]()),
            ("another service", {"eventSource": "kms.amazonaws.com"}, set[str]()),
            ("another stack", {"requestParameters": {"name": "/mayfly/mayfly2/x"}}, set[str]()),
            ("no parameters", {"requestParameters": None}, set[str]()),
        )
    ),
    ("new mail", _mail("INSERT"), {"SandboxFunctionMail 0"}),
    ("changed mail", _mail("MODIFY"), {"SandboxFunctionMail 0"}),
    ("mail that is gone", _mail("REMOVE"), set()),
    (
        "a rebalance recommendation",
        {
            **_detail("spot-warning.json"),
            "detail-type": "EC2 Instance Rebalance Recommendation",
        },
        set(),
    ),
]

_PAIR = {"detail": {"name": ["a"], "state": ["on"]}}

PATTERN_CASES: Mapping[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "a text": ({"source": ["a"]}, {"source": "a"}, True),
    "another text": ({"source": ["a"]}, {"source": "A"}, False),
    "one of several texts": ({"source": ["a", "b"]}, {"source": "b"}, True),
    "an array with the text": ({"source": ["a"]}, {"source": ["b", "a"]}, True),
    "an array in an array": ({"source": ["a"]}, {"source": [["b"], ["a"]]}, True),
    "an empty array": ({"source": ["a"]}, {"source": []}, False),
    "null": ({"source": ["a"]}, {"source": None}, False),
    "null that is wanted": ({"source": [None]}, {"source": None}, True),
    "a missing field": ({"source": ["a"]}, {"other": "a"}, False),
    "a number for a text": ({"source": ["1"]}, {"source": 1}, False),
    "a key with dots": (_PAIR, {"detail.name": "a", "detail.state": "on"}, True),
    "an object in an array": (_PAIR, {"detail": [{"name": "a", "state": "on"}]}, True),
    "fields of two objects": (_PAIR, {"detail": [{"name": "a"}, {"state": "on"}]}, False),
    "fields of the second object": (
        _PAIR,
        {"detail": [{"name": "b", "state": "on"}, {"name": "a", "state": "on"}]},
        True,
    ),
    "fields of an object and an array": (
        {"detail": {"name": ["a"], "tags": {"key": ["k"]}}},
        {"detail": {"name": "a", "tags": [{"key": "j"}, {"key": "k"}]}},
        True,
    ),
    "a prefix": ({"source": [{"prefix": "/a/"}]}, {"source": "/a/b"}, True),
    "half a prefix": ({"source": [{"prefix": "/a/"}]}, {"source": "/a"}, False),
    "a prefix of an array's text": ({"source": [{"prefix": "a"}]}, {"source": ["b", "ab"]}, True),
    "a field that must exist": ({"source": [{"exists": True}]}, {"source": ""}, True),
    "a field that must be absent": ({"source": [{"exists": False}]}, {"other": 1}, True),
    "anything but a text": ({"source": [{"anything-but": "a"}]}, {"source": "b"}, True),
    "anything but this text": ({"source": [{"anything-but": "a"}]}, {"source": "a"}, False),
}
