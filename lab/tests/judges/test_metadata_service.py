"""The lab's metadata service, call by call against AWS's own metadata mock.

Both serve the same instance. The mock knows more documents than the lab; what the lab serves is
compared. Where the answers differ, `differences.py` says who is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from judges.differences import CONTENT, DIFFERENCES, MEDIA_TYPE, STATUS, Difference
from judges.metadata_calls import DIRECTORIES, DOCUMENTS, Call, Seen, all_calls, ask, shared
from judges.metadata_mock import running, values_of
from judges.tools import MissingToolError
from local.machine_kit import ACCOUNT, INSTANCE, a_boot, a_profile
from local.test_imds_contract import Imds

WHEN = datetime(2036, 1, 2, 3, 4, 5, tzinfo=UTC)
NEVER = "1000000"
"""Seconds until the mock announces something."""
HOSTNAME = "ip-10-0-3-7.eu-central-1.compute.internal"
SECONDS = "time to live"
NOTICES = ("/latest/meta-data/spot/instance-action", "/latest/meta-data/spot/termination-time")


@pytest.fixture
def lab() -> Iterator[Imds]:
    found = Imds()
    found.ec2.profiles[INSTANCE] = a_profile("bootstrap")
    yield found
    found.doors.stop()


@pytest.fixture
def noticed(lab: Imds, tmp_path: Path) -> Iterator[str]:
    """The URL of a mock that has announced an interruption, as the lab has."""
    lab.ec2.interruption = WHEN
    yield from mock_like(lab, tmp_path, "--rebalance-delay-sec", NEVER)


@pytest.fixture
def calm(lab: Imds, tmp_path: Path) -> Iterator[str]:
    """The URL of a mock that announces nothing."""
    yield from mock_like(lab, tmp_path, "--mock-delay-sec", NEVER, "--rebalance-delay-sec", NEVER)


def mock_like(lab: Imds, folder: Path, *arguments: str) -> Iterator[str]:
    profile = lab.ec2.profiles[INSTANCE]
    assert profile is not None
    config = values_of(a_boot(b"#!/bin/sh\n"), profile, HOSTNAME, ACCOUNT)
    config["spot"] = {"time": WHEN.strftime("%Y-%m-%dT%H:%M:%SZ")}
    try:
        with running(folder, config, *arguments) as url:
            yield url
    except MissingToolError as error:
        pytest.skip(str(error))


def compared(theirs: Seen, ours: Seen) -> Iterator[tuple[str, object, object]]:
    """The aspects in which two answers differ. After two statuses nothing else counts."""
    if theirs.status != ours.status:
        yield STATUS, theirs.status, ours.status
        return
    if theirs.media_type != ours.media_type:
        yield MEDIA_TYPE, theirs.media_type, ours.media_type
    if (content := shared(ours, theirs)) != ours.content:
        yield CONTENT, content, ours.content
    if theirs.seconds != ours.seconds:
        yield SECONDS, theirs.seconds, ours.seconds


def listed(each: Difference) -> Iterator[tuple[tuple[str, str], tuple[object, object]]]:
    for call in each.calls:
        mock = each.mock[call] if isinstance(each.mock, dict) else each.mock
        yield (call, each.aspect), (mock, each.lab)


def test_the_lab_and_awss_mock_differ_only_where_somebody_is_known_to_be_wrong(
    lab: Imds, noticed: str
) -> None:
    found = {
        (call.name, aspect): (theirs, ours)
        for call in all_calls()
        for aspect, theirs, ours in compared(ask(noticed, call), ask(lab.doors.urls[0], call))
    }
    assert found == dict(pair for each in DIFFERENCES for pair in listed(each))


def test_the_comparison_has_every_path_that_the_lab_serves(lab: Imds) -> None:
    lab.ec2.interruption = WHEN
    served = set(walked(lab, "/latest"))
    assert served == {path for path in [*DIRECTORIES, *DOCUMENTS] if served_as_latest(path)}


def served_as_latest(path: str) -> bool:
    return path.startswith("/latest") and not path.endswith("/")


def walked(lab: Imds, path: str) -> Iterator[str]:
    """The path, and all paths that listings name below it."""
    yield path
    if path in DIRECTORIES:
        content = ask(lab.doors.urls[0], Call(path, path)).content
        for name in content if isinstance(content, list) else []:
            yield from walked(lab, f"{path}/{name.removesuffix('/')}")


@pytest.mark.parametrize("path", NOTICES)
def test_no_notice_is_served_before_an_interruption_is_announced(
    lab: Imds, calm: str, path: str
) -> None:
    call = Call(path, path)
    assert [ask(url, call).status for url in (calm, lab.doors.urls[0])] == [404, 404]
