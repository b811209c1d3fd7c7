"""What remains allowed is on the written list, and the list has nothing that is not allowed."""

from __future__ import annotations

import dataclasses

from tests.security.principals import ATTACHMENTS, managed
from tests.security.remaining import Comparison, compared, entries
from tests.security.sweep import rights


def test_every_right_is_on_the_list_and_the_list_has_no_other() -> None:
    found = compared(rights(), entries())
    unlisted = sorted({(r.principal, r.thing, r.action, r.attached) for r in found.unlisted})
    assert not unlisted, f"{len(unlisted)} rights are not in remaining.yaml"
    assert not found.unneeded


def test_a_right_without_an_entry_and_an_entry_without_a_right_are_found() -> None:
    first = entries()[0]
    its = [right for right in rights() if first.covering(right)]
    assert its
    assert compared(its, [first]) == Comparison((), ())
    assert compared(its, []) == Comparison(tuple(its), ())
    strange = dataclasses.replace(first, who=(*first.who, "nobody"), may=(*first.may, "a4b:*"))
    assert len(compared(its, [strange]).unneeded) == 2


def test_attached_policies_only_allow() -> None:
    """The sweep tries AdministratorAccess first, and takes its denials for those of the others."""
    effects = {statement["Effect"] for name in ATTACHMENTS for statement in managed(name)}
    assert effects == {"Allow"}
    (everything,) = managed("AdministratorAccess")
    assert everything == {"Effect": "Allow", "Action": "*", "Resource": "*"}
