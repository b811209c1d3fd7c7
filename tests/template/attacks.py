"""The form of an attack in the tables, and what the attacks name."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.template.test_host_rights import SSM, Context

Row = tuple[str, str, str, Context]
"""What a job tries, in words; the actions that would do it; the resource; the condition keys."""

FOREIGN: Context = {"aws:ResourceTag/mayfly-stack": "other"}
UNTAGGED: Context = {}
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
INSTANCE = f"{EC2}:instance/i-0b"
DYNAMODB = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
ELSEWHERE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
CLOUDFORMATION = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"
TOKEN = f"{SSM}/buildkite/mayfly/agent-token"
TOKEN_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
ACCESS_POINT = f"arn:aws:s3:{REGION}:{ACCOUNT}:accesspoint"
