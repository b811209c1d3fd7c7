"""When a shape counts as one that gets no instances."""

from __future__ import annotations

import pytest

from mayfly.config.stalled import REFUSALS, stalled_shapes, why_stalled
from tests.unit.builders import SHAPE, SPEC, a_config, a_ledger


@pytest.mark.parametrize("misses", range(REFUSALS + 2))
def test_a_shape_is_stalled_from_the_second_launch_in_a_row_that_ec2_refuses(misses: int) -> None:
    ledger = a_ledger(misses={str(SHAPE): misses} if misses else {})
    why = f"EC2 refused the last {misses} launches of {SHAPE}" if misses >= 2 else ""
    assert why_stalled(SHAPE, ledger, SPEC, a_config()) == why
    assert stalled_shapes([SHAPE], ledger, SPEC, a_config()) == ({SHAPE} if why else set())
