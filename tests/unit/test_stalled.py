"""When a shape counts as one that gets no instances."""

from __future__ import annotations

import pytest

from mayfly.config.stalled import REFUSALS, stalled_shapes, why_stalled
from mayfly.records.ledger import Losses
from tests.unit.builders import NOW, SHAPE, SPEC, a_config, a_ledger, ago, later


@pytest.mark.parametrize("misses", range(REFUSALS + 2))
def test_a_shape_is_stalled_from_the_second_launch_in_a_row_that_ec2_refuses(misses: int) -> None:
    refused = {str(SHAPE): misses} if misses else {}
    ledger = a_ledger(misses=refused, retry_at={str(SHAPE): NOW})
    why = f"EC2 refused the last {misses} launches of {SHAPE}" if misses >= 2 else ""
    assert why_stalled(SHAPE, ledger, SPEC, a_config(), NOW) == why
    assert stalled_shapes([SHAPE], ledger, SPEC, a_config(), NOW) == ({SHAPE} if why else set())


def test_refusals_of_long_ago_stall_no_shape() -> None:
    refused = a_ledger(misses={str(SHAPE): 9}, retry_at={str(SHAPE): NOW})
    assert why_stalled(SHAPE, refused, SPEC, a_config(), later(4.9))
    assert not why_stalled(SHAPE, refused, SPEC, a_config(), later(5))
    untimed = a_ledger(misses={str(SHAPE): 9})
    assert not why_stalled(SHAPE, untimed, SPEC, a_config(), NOW)


def test_losses_of_long_ago_stall_no_shape() -> None:
    for minutes, is_stalled in ((10, True), (11, False)):
        lost = a_ledger(losses={str(SHAPE): Losses(9, ago(minutes), "instance i-1: gone")})
        assert bool(why_stalled(SHAPE, lost, SPEC, a_config(), NOW)) is is_stalled
