"""What holds for an instance that Mayfly started from the stopped state. Pure.

The instance lost its bootstrap profile at its first boot. Nothing here replaces a profile: another
profile than the sandbox's means that somebody gave it from outside, and ends the instance.
"""

from __future__ import annotations

from collections.abc import Sequence

from mayfly.answers import Association, only_profile
from mayfly.records.model import Instance
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report


def of_this_boot(instance: Instance, report: Report | None) -> Report | None:
    """The report, if another boot than the proven one wrote it; else None.

    Until the started host reports, its row has the last report of the boot before.
    """
    return report if report is not None and report.boot not in {"", instance.boot} else None


def foreign_profile(instance: Instance, shown: Sequence[Association]) -> str:
    """A profile that EC2 shows for the instance and that is not its sandbox's; empty without."""
    others = (a.profile for a in shown if a.profile != instance.pinned.sandbox_profile)
    return next(others, "")


def is_sandboxed(instance: Instance, shown: Sequence[Association]) -> bool:
    """Whether EC2 shows exactly one association, to the pinned sandbox profile, and in force."""
    return only_profile(shown) == instance.pinned.sandbox_profile


def is_proof(instance: Instance, report: Report | None) -> bool:
    """Whether the report proves the boot that Mayfly commanded with its latest order."""
    said = of_this_boot(instance, report)
    return said is not None and said.phase is Phase.SANDBOXED and said.start == instance.starts
