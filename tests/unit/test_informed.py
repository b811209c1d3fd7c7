"""What operators are told where purchase or stopped pool work otherwise than wanted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.provision.held import standing
from mayfly.provision.view import ProvisionView
from mayfly.records.states import InstanceState
from mayfly.records.why import HOLDS_NOTHING, Code
from tests.unit.builders import NOW, SHAPE, a_config, a_ledger, ago, an_instance, ec2_id, later
from tests.unit.provision_views import a_view

S = InstanceState
SPOT = replace(SHAPE, purchase="spot-then-on-demand")
DRY = a_view(ledger=a_ledger(spot_dry_until={str(SPOT): later(3)}))
STOPPED = an_instance(S.STOPPED)
STOPPING = an_instance(S.STOPPING, since=ago(2))
CASES = [
    (Code.SPOT_DRY, DRY, "spot-then-on-demand", "on-demand instances are bought until 09:03:00"),
    (
        Code.START_REFUSED,
        a_view(stopped=(replace(STOPPED, start_after=later(5)),)),
        "on-demand",
        "EC2 did not start a stopped instance",
    ),
    (
        Code.STOP_REFUSED,
        a_view(stopped=(STOPPING,), power={ec2_id(): "running"}),
        "on-demand",
        "EC2 has not stopped an instance since 08:58:00 UTC",
    ),
    (Code.STOPPED_KEPT, a_view(stopped=(STOPPED,), paused=True), "on-demand", "while the queue is"),
    (
        Code.STOPPED_REPLACED,
        a_view(stopped=(replace(STOPPED, spec="old"),)),
        "on-demand",
        "made by an older configuration",
    ),
]


@pytest.mark.parametrize(("code", "view", "purchase", "words"), CASES)
def test_the_standing_says_it(code: Code, view: ProvisionView, purchase: str, words: str) -> None:
    (found,) = standing(view, a_config(purchase=purchase), (), NOW).reasons
    assert found.code is code
    assert words in found.text


def test_nothing_is_said_where_all_is_as_wanted() -> None:
    assert standing(a_view(stopped=(STOPPED,)), a_config(), (), NOW).reasons == ()
    assert standing(DRY, a_config(purchase="spot"), (), NOW).reasons == ()
    assert Code.START_REFUSED not in HOLDS_NOTHING
