"""Reap: the console output of a host gives the reason that the host could not report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.answers import Ec2Instance
from mayfly.reap import consoles
from mayfly.reap.view import ReapView
from mayfly.reap.words import wants_console
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.tick.actions import WriteRecords
from mayfly_protocol.report import Report
from tests.unit.builders import a_report, an_instance, ec2_id, row, saves, seen
from tests.unit.reap_views import decided

S = InstanceState
OVER = seen(state="terminated", reason="Client.InstanceInitiatedShutdown")
ENDING = seen(state="shutting-down", reason="Client.InstanceInitiatedShutdown")
BEGAN = "[    0.9] Linux\nmayfly: user data: fetching the bundle\n"
WRONG = (
    f"{BEGAN}mayfly: user data: bundle.tar.gz has a wrong SHA-256\n"
    "mayfly: user data: failed in line 49: check\nreboot: Power down\n"
)
NO_ROOM = (
    f"{BEGAN}mayfly 2026-11-21T08:00:00.000Z FAILED at: setting up: no room\n"
    "mayfly 2026-11-21T08:00:00.000Z | dd: error\n"
    "mayfly 2026-11-21T08:00:09.000Z switching off\n"
)


def a_view(one: Instance, shown: Ec2Instance | None, reports: dict[str, Report]) -> ReapView:
    seen_by_id = {ec2_id(): shown} if shown is not None else {}
    return ReapView((one,), seen_by_id, reports, {}, {}, frozenset(), {}, frozenset(), {})


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
@pytest.mark.parametrize(
    ("code", "names_key"),
    [
        ("Client.InternalError: Client error on launch", True),
        ("Client.VolumeLimitExceeded: Volume limit exceeded", False),
        ("Server.InternalError: Internal error on launch", False),
    ],
)
def test_the_reason_of_a_client_error_on_launch_names_the_kms_key(
    state: str, code: str, names_key: bool
) -> None:
    one, shown = an_instance(S.LAUNCHING), seen(state=state, reason=code)
    actions = decided(a_view(one, shown, {}))
    (write,) = [action for action in actions if isinstance(action, WriteRecords)]
    reason = saves(write)["Instance"].reason
    assert code in reason
    assert ("KMS key" in reason) is names_key
    assert ("mayfly-stack" in reason) is names_key


@pytest.mark.parametrize(
    ("console", "words"),
    [
        ("", ""),
        (BEGAN, ""),
        (WRONG, "bundle.tar.gz has a wrong SHA-256; failed in line 49: check"),
        (
            WRONG.replace("\n", "\r\n"),
            "bundle.tar.gz has a wrong SHA-256; failed in line 49: check",
        ),
        (NO_ROOM, "setting up: no room"),
        ("mayfly 2026-11-21T08:00:00.000Z FAILED: host.json is no JSON\n", "host.json is no JSON"),
        (f"mayfly: user data: {'x' * 1000}\n", "x" * 400),
        ("job output: mayfly 2026 FAILED at: nothing\n", ""),
    ],
)
def test_the_reason_of_a_failed_host_is_read_from_its_console(console: str, words: str) -> None:
    assert consoles.failure(console) == words


@pytest.mark.parametrize(
    ("story", "one", "shown", "report", "wanted"),
    [
        ("the host ended without a report", an_instance(S.LAUNCHING), OVER, None, True),
        (
            "the host shuts down without a reason",
            an_instance(S.BOOTING),
            ENDING,
            a_report("booting"),
            True,
        ),
        ("the host lives", an_instance(S.BOOTING), seen(), None, False),
        ("EC2 does not show the host", an_instance(S.BOOTING), None, None, False),
        ("the host reported a failure", an_instance(S.BOOTING), OVER, a_report("failed"), False),
        ("the host finished its job", an_instance(S.RUNNING), OVER, a_report("done"), False),
        ("Mayfly terminated the host", an_instance(S.CONDEMNED), OVER, None, False),
        ("the host is done", an_instance(S.DONE), OVER, None, False),
    ],
)
def test_a_console_is_read_only_for_an_unexplained_end(
    story: str, one: Instance, shown: Ec2Instance | None, report: Report | None, wanted: bool
) -> None:
    view = a_view(one, shown, {row(one): report} if report else {})
    assert wants_console(one, view) is wanted, story


@pytest.mark.parametrize("shown", [OVER, ENDING], ids=["over", "ending"])
def test_the_record_of_a_host_that_could_not_report_quotes_its_console(
    shown: Ec2Instance,
) -> None:
    one = an_instance(S.LAUNCHING)
    view = a_view(one, shown, {})
    actions = decided(replace(view, consoles={ec2_id(): WRONG}))
    (write,) = [action for action in actions if isinstance(action, WriteRecords)]
    reason = saves(write)["Instance"].reason
    assert "Client.InstanceInitiatedShutdown; its console says: bundle.tar.gz has" in reason
