"""S3's calls as IAM's requests.

Sources: service authorization reference of S3; S3 user guide, "Required permissions for Amazon S3
API operations".
"""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.iam.authorization import known, types
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.need import Need, UnmappedCallError

_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}
_OF_VERSIONS = {
    "DeleteObject": "DeleteObjectVersion",
    "GetObject": "GetObjectVersion",
    "HeadObject": "GetObjectVersion",
}
"""Operations that need another action when they name a version."""


def needs(call: Call, facts: Facts) -> Iterator[Need]:
    """What IAM must allow for a call to S3.

    Raises:
        UnmappedCallError: IAM has no action of that name, or the call names no bucket.
    """
    given, operation = call.parameters, call.operation
    bucket = str(given.get("Bucket") or "")
    match operation:
        case "DeleteObjects":
            for each in (given.get("Delete") or {}).get("Objects") or [{"Key": "*"}]:
                name = "DeleteObjectVersion" if each.get("VersionId") else "DeleteObject"
                yield _of_object(name, f"{bucket}/{each.get('Key')}", facts)
            return
        case "CopyObject" | "UploadPartCopy":
            source = given.get("CopySource") or ""
            path = source if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"
            yield _of_object("GetObject", path.lstrip("/").partition("?")[0], facts)
            yield _of_object("PutObject", f"{bucket}/{given.get('Key')}", facts)
            return
    name = _ACTIONS.get(operation, operation)
    if given.get("VersionId"):
        name = _OF_VERSIONS.get(operation, name)
    if not known(f"s3:{name}"):
        raise UnmappedCallError(call, "IAM has no such action")
    kinds = types(f"s3:{name}")
    if "object" in kinds and given.get("Key"):
        yield _of_object(name, f"{bucket}/{given['Key']}", facts)
    elif "bucket" in kinds and bucket:
        keys: dict[str, Values] = {
            f"s3:{key}": str(given[parameter])
            for key, parameter in (("prefix", "Prefix"), ("delimiter", "Delimiter"))
            if given.get(parameter)
        }
        yield Need(f"s3:{name}", facts.arn("s3", "bucket", bucket), "bucket", keys)
    elif kinds:
        raise UnmappedCallError(call, "it names no bucket")
    else:
        yield Need(f"s3:{name}")


def _of_object(name: str, path: str, facts: Facts) -> Need:
    return Need(f"s3:{name}", facts.arn("s3", "object", *path.split("/", 1)), "object")
