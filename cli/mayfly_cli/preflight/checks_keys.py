"""Findings about the KMS keys of root volumes and of the image.

EC2 checks no key before it answers a launch: an unusable key ends each instance at its start.
"""

from __future__ import annotations

from collections.abc import Iterator

from mayfly_cli.findings import Finding, Unknown, ok, unknown, wrong
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.checks_instances import SPOT_ROLE
from mayfly_cli.preflight.quotas import SPOT, markets
from mayfly_cli.preflight.snapshot import Image, Snapshot, VolumeKey

_VOLUME, _IMAGE = "volume key", "image key"
_ENDS = "each instance would end with Client.InternalError"


def keys(answers: Answers, image: Image | Unknown | None) -> tuple[str, ...]:
    """ARNs of the keys to check: of root volumes, if one is named, and of an encrypted image."""
    named = answers.queue_stack["RootVolumeKey"] if answers.queue else ""
    own = image.key if isinstance(image, Image) and isinstance(image.key, str) else ""
    return tuple(key for key in (named, own) if key)


def check(answers: Answers, seen: Snapshot) -> Iterator[Finding]:
    """Findings about the key of root volumes, and about the key of an encrypted image."""
    named = answers.queue_stack["RootVolumeKey"]
    if named:
        yield _usable(_VOLUME, named, answers, seen)
    else:
        yield ok(_VOLUME, "alias/aws/ebs, which needs no right; the default key is not used")
    key = seen.image.key if isinstance(seen.image, Image) else ""
    if isinstance(key, Unknown):
        yield unknown(_IMAGE, key.reason)
    elif key:
        finding = _usable(_IMAGE, key, answers, seen)
        yield _granted(finding, key, answers, seen)


def _usable(subject: str, name: str, answers: Answers, seen: Snapshot) -> Finding:
    """Whether `provision` may use the key for volumes."""
    match seen.volume_keys.get(name, Unknown("preflight did not read it")):
        case Unknown(reason):
            return unknown(subject, f"{name}: {reason}")
        case None:
            detail = f"there is no key {name}: {_ENDS}"
            return wrong(subject, detail, f"list: aws kms list-keys --region {seen.region}")
        case VolumeKey(state=state) if state != "Enabled":
            remedy = f"aws kms enable-key --region {seen.region} --key-id {name}"
            return wrong(subject, f"{name} is {state}: {_ENDS}", remedy)
        case VolumeKey(customer=False):
            return ok(subject, f"{name}, a key of AWS")
        case VolumeKey(account=account) if account != seen.account:
            detail = f"{name} is of account {account}; Mayfly may only use keys of {seen.account}"
            return wrong(subject, detail, _of_this_account(subject))
        case VolumeKey(stack=Unknown(reason)):
            return unknown(subject, f"{name}: its tags are unknown: {reason}")
        case VolumeKey(stack=stack) if stack != answers.stack:
            remedy = (
                f"aws kms tag-resource --region {seen.region} --key-id {name}"
                f" --tags TagKey=mayfly-stack,TagValue={answers.stack}"
            )
            detail = f"{name} lacks the tag mayfly-stack={answers.stack}: {_ENDS}"
            return wrong(subject, detail, remedy)
        case _:
            return ok(subject, f"{name}, enabled, with the tag mayfly-stack={answers.stack}")


def _of_this_account(subject: str) -> str:
    if subject == _VOLUME:
        return "answer RootVolumeKey with a key of this account, or leave it empty"
    return "copy the image with a key of this account: aws ec2 copy-image --encrypted --kms-key-id"


def _granted(finding: Finding, name: str, answers: Answers, seen: Snapshot) -> Finding:
    """The finding; for a customer's key on spot, whether spot's own role has a grant on it.

    Source: EC2 user guide, service-linked role for spot requests, encrypted AMIs.
    """
    key = seen.volume_keys.get(name)
    needed = isinstance(key, VolumeKey) and key.customer and key.state == "Enabled"
    if not needed or SPOT not in markets(answers.config.purchase) or finding.remedy:
        return finding
    match key:
        case VolumeKey(spot_grant=Unknown(reason)):
            return unknown(_IMAGE, f"{name}: its grants are unknown: {reason}")
        case VolumeKey(spot_grant=False):
            partition = name.split(":")[1]
            role = f"role/aws-service-role/spot.amazonaws.com/{SPOT_ROLE}"
            remedy = (
                f"aws kms create-grant --region {seen.region} --key-id {name}"
                f" --grantee-principal arn:{partition}:iam::{seen.account}:{role}"
                " --operations Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext"
                " CreateGrant DescribeKey ReEncryptFrom ReEncryptTo"
            )
            return wrong(_IMAGE, f"{SPOT_ROLE} has no grant on {name}: {_ENDS}", remedy)
        case _:
            return finding
