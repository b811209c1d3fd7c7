"""Rights and denials of the run that are known, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from iam.replay import Right
from iam.scenario import JOBS, OPERATORS_OWN

_POLLING = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
_KEY = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*")

LAMBDA = (
    "Lambda itself calls with the function's role to write logs, poll queues and read the stream;"
    " the lab's Lambda needs no call for it (Lambda developer guide, execution role)"
)
EC2 = (
    "EC2 calls KMS with the launching role's rights where a volume has a key of the account; the"
    " lab's volumes are no disks (EC2 user guide, Amazon EBS encryption)"
)
POINTER = (
    "a log record's pointer names its group to CloudWatch Logs only, so the lab asks for the right"
    " on every group, which operators do not have"
)
OPERATORS = "an operator's own policy for jobs; the jobs of the run do not need it"
UNEXERCISED: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("dispatch", "OwnLog"): (_LOG, LAMBDA),
    ("provision", "OwnLog"): (_LOG, LAMBDA),
    ("sandbox", "OwnLog"): (_LOG, LAMBDA),
    ("provision", "Nudges"): (_POLLING, LAMBDA),
    ("reap", "Messages"): (_POLLING, LAMBDA),
    ("sandbox", "Mail"): (_STREAM, LAMBDA),
    ("sandbox", "FindStream"): (("dynamodb:ListStreams",), LAMBDA),
    ("provision", "UseTaggedVolumeKeys"): (_KEY, EC2),
    ("provision", "GrantTaggedVolumeKeys"): (("kms:CreateGrant",), EC2),
    ("operator", "ReadLogs"): (("logs:GetLogRecord",), POINTER),
    ("sandbox", OPERATORS_OWN): ((JOBS,), OPERATORS),
}
"""By principal and Sid: the actions that no call of the run needs, and why."""
DENIED: Mapping[tuple[str, str], str] = {
    ("bootstrap", "ssm:UpdateInstanceInformation"): (
        "a machine's stand-in of Amazon's SSM agent tells Systems Manager of itself; hosts have no"
        " right to, so that nobody reaches them by it"
    ),
}
"""By principal and action: why a request of the run is denied."""


def unexercised() -> set[Right]:
    """The rights that no call of the run needs."""
    return {
        Right(who, sid, action)
        for (who, sid), (actions, _) in UNEXERCISED.items()
        for action in actions
    }
