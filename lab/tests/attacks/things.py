"""What calls are aimed at: Mayfly's things, and the attacker's own of the same kinds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attacks.asking import REGION
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.deploy.stacks import TOKEN_PARAMETER
from mayfly_lab.lab import SCRIPTS, STACK
from stories.stage import Stage

OWN = "attacker"
_ARN = "arn:aws:{service}:" + f"{REGION}:{ACCOUNT}:"
EVENTS_ARN = _ARN.format(service="sqs") + f"{OWN}-events"
"""A queue of the attacker, as the source of events for functions."""
EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
TRUSTS_THE_ACCOUNT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            }
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the row that is attacked."""

    name: str
    key_name: str
    row: str

    @property
    def arn(self) -> str:
        return _ARN.format(service="dynamodb") + f"table/{self.name}"

    @property
    def key(self) -> Mapping[str, Any]:
        return {self.key_name: {"S": self.row}}


@dataclass(frozen=True, slots=True)
class Things:
    """One owner's things of each kind that a call can name."""

    table: Table
    stream: str
    instance: str
    volume: str
    image: str
    template: str
    parameter: str
    """The name of a plain parameter."""
    secret: str
    """The name of an encrypted parameter."""
    bucket: str
    object: str
    function: str
    layer: str
    key: str
    """A KMS key under which `ciphertext` is encrypted."""
    ciphertext: bytes
    context: Mapping[str, str]
    role: str
    role_arn: str
    stack: str
    queue: str
    """The URL of an SQS queue."""
    rule: str
    log_group: str
    namespace: str
    """The namespace of metrics."""
    alarm: str


def mayflys(stage: Stage, own: Things, victim: str, queue: str, scripts: str) -> Things:
    """Mayfly's: an instance of `queue` that waits for a job, and the scripts of `scripts`."""
    aws, record = stage.lab.aws, stage.instance(victim)
    stream = aws.client("dynamodb").describe_table(TableName=f"{STACK}-mailbox")["Table"]
    urls = aws.client("sqs").list_queues()["QueueUrls"]
    rules = aws.client("events").list_rules()["Rules"]
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    context = {"PARAMETER_ARN": _ARN.format(service="ssm") + f"parameter{TOKEN_PARAMETER}"}
    published = stage.published(queue)
    role = aws.client("lambda").get_function_configuration(FunctionName=f"{STACK}-dispatch")["Role"]
    return Things(
        table=Table(f"{STACK}-mailbox", "key", record.sandbox_row or ""),
        stream=stream["LatestStreamArn"],
        instance=victim,
        volume=_volume(stage, victim),
        image=own.image,
        template=published["templates"]["x86_64"]["id"],
        parameter=f"/mayfly/{STACK}/queues/{queue}/pool/hot",
        secret=TOKEN_PARAMETER,
        bucket=SCRIPTS,
        object=f"{scripts}/script",
        function=f"{STACK}-dispatch",
        layer=f"{STACK}-instance",
        key=own.key,
        ciphertext=_encrypted(stage, own.key, context),
        context=context,
        role=role.rpartition("/")[2],
        role_arn=role,
        stack=STACK,
        queue=next(url for url in urls if "NudgeQueue" in url),
        rule=next(rule["Name"] for rule in rules if rule["Name"].startswith(STACK)),
        log_group=f"/aws/lambda/{STACK}-dispatch",
        namespace="Mayfly",
        alarm=next(each["AlarmName"] for each in alarms if each["AlarmName"].startswith(STACK)),
    )


def fleet(queue: str) -> Table:
    """The control plane's records, and that of a queue."""
    return Table(f"{STACK}-fleet", "pk", f"queue#{queue}")


def owned(stage: Stage) -> Things:
    """Make things of the attacker: the same kinds, without Mayfly's tags and names."""
    aws = stage.lab.aws
    table = Table(OWN, "key", "row")
    stream = aws.client("dynamodb").create_table(
        TableName=table.name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]["LatestStreamArn"]
    instance = own_instance(stage)
    ec2 = aws.client("ec2")
    template = ec2.create_launch_template(
        LaunchTemplateName=OWN, LaunchTemplateData={"InstanceType": "m7i.large"}
    )["LaunchTemplate"]["LaunchTemplateId"]
    ssm = aws.client("ssm")
    ssm.put_parameter(Name=f"/{OWN}/plain", Value="1", Type="String")
    ssm.put_parameter(Name=f"/{OWN}/secret", Value="1", Type="SecureString")
    aws.client("s3").create_bucket(Bucket=OWN)
    aws.client("s3").put_object(Bucket=OWN, Key="script", Body=b"#")
    aws.client("sqs").create_queue(QueueName=f"{OWN}-events")
    role = aws.client("iam").create_role(RoleName=OWN, AssumeRolePolicyDocument=TRUSTS_THE_ACCOUNT)
    aws.client("lambda").create_function(
        FunctionName=OWN,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": code()},
    )
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    context = {"PARAMETER_ARN": _ARN.format(service="ssm") + f"parameter/{OWN}/secret"}
    aws.client("cloudformation").create_stack(StackName=OWN, TemplateBody=TEMPLATE)
    aws.client("events").put_rule(Name=OWN, ScheduleExpression="rate(1 day)")
    aws.client("logs").create_log_group(logGroupName=OWN)
    aws.client("cloudwatch").put_metric_alarm(AlarmName=OWN, **ALARM)
    return Things(
        table=table,
        stream=stream,
        instance=instance,
        volume=_volume(stage, instance),
        image=image_of(stage),
        template=template,
        parameter=f"/{OWN}/plain",
        secret=f"/{OWN}/secret",
        bucket=OWN,
        object="script",
        function=OWN,
        layer=OWN,
        key=key,
        ciphertext=_encrypted(stage, key, context),
        context=context,
        role=OWN,
        role_arn=role["Role"]["Arn"],
        stack=OWN,
        queue=aws.client("sqs").create_queue(QueueName=OWN)["QueueUrl"],
        rule=OWN,
        log_group=OWN,
        namespace="Own",
        alarm=OWN,
    )


TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
ALARM: Mapping[str, Any] = {
    "Namespace": "Own",
    "MetricName": "m",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def own_instance(stage: Stage) -> str:
    """An instance of the attacker, without tags."""
    launch = {"ImageId": image_of(stage), "InstanceType": "m7i.large"}
    made = stage.lab.aws.client("ec2").run_instances(**launch, MinCount=1, MaxCount=1)
    return str(made["Instances"][0]["InstanceId"])


def image_of(stage: Stage) -> str:
    """The id of an image that everybody may use."""
    found = stage.lab.aws.client("ec2").describe_images(Owners=["amazon"])
    return str(found["Images"][0]["ImageId"])


def code() -> bytes:
    """An archive with a function's code."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return 1\n")
    return packed.getvalue()


def _volume(stage: Stage, instance: str) -> str:
    named = [{"Name": "attachment.instance-id", "Values": [instance]}]
    found = stage.lab.aws.client("ec2").describe_volumes(Filters=named)["Volumes"]
    return str(found[0]["VolumeId"])


def _encrypted(stage: Stage, key: str, context: Mapping[str, str]) -> bytes:
    made = stage.lab.aws.client("kms").encrypt(
        KeyId=key, Plaintext=b"token", EncryptionContext=context
    )
    return bytes(made["CiphertextBlob"])
