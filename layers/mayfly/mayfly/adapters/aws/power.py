"""StartInstances and StopInstances over many instances, of which EC2 may refuse some.

EC2 does nothing for any instance of a call when it refuses one of them. Calls for one instance each
would be throttled: StartInstances has a bucket of 5 calls, refilled by 2 a second (EC2 developer
guide, "Request throttling for the Amazon EC2 API").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from mayfly.adapters.aws.boto_errors import translated
from mayfly.batched import batched
from mayfly.errors import FAILURES, Failure, Transient

_AT_ONCE = 16
"""Instances of one call. A call that EC2 refuses is halved: at most 31 calls for 16 instances."""


def each(
    instance_ids: Collection[str], call: Callable[[list[str]], object]
) -> Mapping[str, Failure]:
    """Make the call for all instances. Returns by id why EC2 did nothing for an instance.

    A refused call is made again for each half of its instances, so that one bad instance holds up
    no other. After a Transient, a throttle above all, no further call is made.
    """
    failed: dict[str, Failure] = {}
    for batch in batched(list(dict.fromkeys(instance_ids)), _AT_ONCE):
        _halve(list(batch), call, failed)
    return failed


def _halve(
    instance_ids: list[str], call: Callable[[list[str]], object], failed: dict[str, Failure]
) -> None:
    throttled = next((e for e in failed.values() if isinstance(e, Transient)), None)
    if throttled is not None:
        failed.update(dict.fromkeys(instance_ids, throttled))
        return
    try:
        with translated():
            call(instance_ids)
    except FAILURES as error:
        if len(instance_ids) == 1 or isinstance(error, Transient):
            failed.update(dict.fromkeys(instance_ids, error))
            return
        half = len(instance_ids) // 2
        _halve(instance_ids[:half], call, failed)
        _halve(instance_ids[half:], call, failed)
