"""Findings of preflight about the KMS keys of root volumes and of an encrypted image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly_cli.findings import Finding, Unknown, Verdict
from mayfly_cli.preflight.checks_keys import keys
from mayfly_cli.preflight.snapshot import Image, Snapshot, VolumeKey
from mayfly_cli.preflight.survey import decide
from tests.cli.test_preflight_checks import GOOD, NO, answers

KEY = "arn:aws:kms:eu-1:123456789012:key/k"
USABLE = VolumeKey(KEY, "123456789012", customer=True, state="Enabled", stack="mayfly")
PLAIN = Image("ami-1", "available", "x86_64", "/dev/xvda")
ENCRYPTED = replace(PLAIN, key=KEY)


def seeing(key: VolumeKey | Unknown | None, image: Image = PLAIN) -> Snapshot:
    return replace(GOOD, volume_keys={KEY: key}, image=image)


def findings(seen: Snapshot, *words: str) -> dict[str, Finding]:
    return {each.subject: each for each in decide(answers(*words), seen)}


def of_volume(key: VolumeKey | Unknown | None) -> Finding:
    return findings(seeing(key), f"RootVolumeKey={KEY}")["volume key"]


def test_without_a_named_key_volumes_have_awss_own_key() -> None:
    found = findings(GOOD)
    assert found["volume key"].verdict is Verdict.OK
    assert "alias/aws/ebs" in found["volume key"].detail
    assert "image key" not in found


def test_the_keys_to_read_are_those_of_the_answer_and_of_the_image() -> None:
    named = answers("RootVolumeKey=arn:other")
    assert keys(named, ENCRYPTED) == ("arn:other", KEY)
    assert keys(answers(), PLAIN) == ()
    assert keys(answers(), replace(PLAIN, key=NO)) == ()
    assert keys(named, None) == ("arn:other",)


@pytest.mark.parametrize("key", [USABLE, replace(USABLE, customer=False, stack="")])
def test_a_usable_key_is_ok(key: VolumeKey) -> None:
    assert of_volume(key).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("key", "says", "mends"),
    [
        (None, "there is no key", "list-keys"),
        (replace(USABLE, state="Disabled"), "is Disabled", "enable-key"),
        (replace(USABLE, account="9"), "account 9", "key of this account"),
        (replace(USABLE, stack=""), "lacks the tag", "TagKey=mayfly-stack,TagValue=mayfly"),
        (replace(USABLE, stack="other"), "lacks the tag", "tag-resource"),
    ],
)
def test_an_unusable_key_is_reported_with_its_remedy(
    key: VolumeKey | None, says: str, mends: str
) -> None:
    finding = of_volume(key)
    assert finding.verdict is Verdict.WRONG
    assert says in finding.detail
    assert mends in finding.remedy


@pytest.mark.parametrize("key", [NO, replace(USABLE, stack=NO)])
def test_a_key_that_could_not_be_read_is_unknown(key: VolumeKey | Unknown) -> None:
    assert of_volume(key).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("purchase", "changes", "verdict"),
    [
        ("on-demand", {}, Verdict.OK),
        ("spot", {}, Verdict.WRONG),
        ("spot-then-on-demand", {}, Verdict.WRONG),
        ("spot", {"spot_grant": True}, Verdict.OK),
        ("spot", {"spot_grant": NO}, Verdict.UNKNOWN),
        ("spot", {"customer": False}, Verdict.OK),
        ("on-demand", {"stack": ""}, Verdict.WRONG),
    ],
)
def test_an_image_under_a_customers_key_needs_a_tag_and_on_spot_a_grant(
    purchase: str, changes: dict[str, Any], verdict: Verdict
) -> None:
    seen = seeing(replace(USABLE, **changes), ENCRYPTED)
    finding = findings(seen, f"launch/purchase={purchase}")["image key"]
    assert finding.verdict is verdict
    if changes == {} and verdict is Verdict.WRONG:
        assert "no grant" in finding.detail
        assert "aws kms create-grant --region eu-1" in finding.remedy
        assert "/AWSServiceRoleForEC2Spot --operations Decrypt" in finding.remedy


def test_an_image_with_an_unreadable_snapshot_is_unknown() -> None:
    seen = replace(GOOD, image=replace(PLAIN, key=NO))
    assert findings(seen)["image key"].verdict is Verdict.UNKNOWN
