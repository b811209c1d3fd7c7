"""Cases: launches, ends, configuration, code of the control plane, its wake-ups and logs."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import ABSENT, Case
from tests.security.principals import profile_arn
from tests.security.things import parameter_arn

ADMIN, POWER, DYNAMODB = "AdministratorAccess", "PowerUserAccess", "AmazonDynamoDBFullAccess"
EC2_FULL, SSM_FULL = "AmazonEC2FullAccess", "AmazonSSMFullAccess"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
RUN, FLEET = "ec2:RunInstances", "ec2:CreateFleet"
TEMPLATE = f"{EC2}:launch-template/lt-0a"
LAUNCH = {
    "aws:RequestTag/mayfly-launch": "l1",
    "aws:RequestTag/mayfly-queue": "linux",
    "aws:RequestTag/mayfly-stack": "acme",
    "aws:TagKeys": ["mayfly-launch", "mayfly-queue", "mayfly-stack"],
    "ec2:InstanceProfile": profile_arn("bootstrap"),
    "ec2:InstanceType": "m7g.large",
    "ec2:IsLaunchTemplateResource": "true",
    "ec2:LaunchTemplate": TEMPLATE,
    "ec2:MetadataHttpTokens": "required",
}
NEW = f"{EC2}:instance/*"
OWN_PART = {"ec2:LaunchTemplate": TEMPLATE, "ec2:IsLaunchTemplateResource": "true"}
HOSTS = (("job", "A job"), ("bootstrap", "Set-up"))


def _launches() -> tuple[Case, ...]:
    wrong = (
        ("without the stack's tag", {"aws:RequestTag/mayfly-stack": ABSENT}),
        ("with another stack's tag", {"aws:RequestTag/mayfly-stack": "acme-2"}),
        ("with the stack's tag in another case", {"aws:RequestTag/mayfly-stack": "Acme"}),
        ("without the queue's tag", {"aws:RequestTag/mayfly-queue": ABSENT}),
        ("with another queue's tag", {"aws:RequestTag/mayfly-queue": "linux2"}),
        ("with an asterisk as the queue's tag", {"aws:RequestTag/mayfly-queue": "*"}),
        ("without the launch's tag", {"aws:RequestTag/mayfly-launch": ABSENT}),
        ("without a launch template", {"ec2:LaunchTemplate": ABSENT}),
        ("without a profile", {"ec2:InstanceProfile": ABSENT}),
        ("with the sandbox profile", {"ec2:InstanceProfile": profile_arn("sandbox")}),
        (
            "with another queue's profile",
            {"ec2:InstanceProfile": profile_arn("bootstrap", "linux2")},
        ),
        (
            "with another stack's profile",
            {"ec2:InstanceProfile": profile_arn("bootstrap", "linux", "acme-2")},
        ),
        ("that answers metadata without tokens", {"ec2:MetadataHttpTokens": "optional"}),
        ("whose metadata options are not told", {"ec2:MetadataHttpTokens": ABSENT}),
        ("of a size that no queue may have", {"ec2:InstanceType": "u7i-12tb.224xlarge"}),
    )
    return (
        Case(
            "The function provision can launch an instance of a queue",
            "provision",
            RUN,
            NEW,
            LAUNCH,
        ),
        *(
            Case(
                f"The function provision cannot launch an instance {how}",
                "provision",
                RUN,
                NEW,
                LAUNCH | change,
            )
            for how, change in wrong
        ),
    )


LAUNCHES = (
    *_launches(),
    *(
        Case(
            f"The function provision can launch {verb}from the launch template of a queue",
            "provision",
            action,
            "part/launch-template",
        )
        for verb, action in (("", RUN), ("a fleet ", FLEET))
    ),
    *(
        Case(
            f"The function provision cannot launch from a launch template {which}",
            "provision",
            RUN,
            "part/launch-template",
            {"aws:ResourceTag/mayfly-stack": value},
        )
        for which, value in (
            ("without the stack's tag", ABSENT),
            ("of another stack", "acme-2"),
            ("whose tag has another case", "ACME"),
        )
    ),
    *(
        Case(
            f"The function provision can launch with {part} of its template",
            "provision",
            RUN,
            arn,
            OWN_PART,
        )
        for part, arn in (
            ("the subnet", f"{EC2}:subnet/subnet-1"),
            ("the security group", f"{EC2}:security-group/sg-0a"),
            ("the image", f"arn:aws:ec2:{REGION}::image/ami-0a"),
            ("a volume", f"{EC2}:volume/*"),
            ("a network interface", f"{EC2}:network-interface/*"),
        )
    ),
    *(
        Case(
            f"The function provision cannot launch with {part} outside a launch template",
            "provision",
            RUN,
            arn,
        )
        for part, arn in (
            ("a subnet", f"{EC2}:subnet/subnet-1"),
            ("a security group", f"{EC2}:security-group/sg-0a"),
            ("an image", f"arn:aws:ec2:{REGION}::image/ami-0a"),
        )
    ),
    Case(
        "The function provision cannot launch an instance with a key pair",
        "provision",
        RUN,
        f"{EC2}:key-pair/admin",
        OWN_PART,
    ),
    Case(
        "The function provision can pass the bootstrap role to EC2",
        "provision",
        "iam:PassRole",
        "role/bootstrap",
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    *(
        Case(
            f"The function provision cannot pass {which}",
            "provision",
            "iam:PassRole",
            thing,
            {"iam:PassedToService": service},
        )
        for which, thing, service in (
            ("the bootstrap role to Lambda", "role/bootstrap", "lambda.amazonaws.com"),
            ("the bootstrap role without a service", "role/bootstrap", ABSENT),
            ("the sandbox role", "role/sandbox", "ec2.amazonaws.com"),
            ("a function's role", "role/dispatch", "ec2.amazonaws.com"),
        )
    ),
    Case(
        "The function provision can tag an instance as it launches it",
        "provision",
        "ec2:CreateTags",
        NEW,
        {"ec2:CreateAction": "CreateFleet", "aws:TagKeys": ["mayfly-stack"]},
    ),
    *(
        Case(
            f"The function provision cannot tag {which}",
            "provision",
            "ec2:CreateTags",
            arn,
            {"aws:TagKeys": ["mayfly-stack"]},
        )
        for which, arn in (
            ("an instance later", "instance/ready"),
            ("an instance of others", f"{EC2}:instance/i-0f"),
        )
    ),
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot tag a new instance with {key}",
            "job",
            "ec2:CreateTags",
            NEW,
            {"ec2:CreateAction": "RunInstances", "aws:TagKeys": [key, "Name"]},
            EC2_FULL,
        )
        for key in ("mayfly-stack", "Mayfly-Queue", "mayfly-launch")
    ),
    Case(
        "A job with AmazonEC2FullAccess can launch an instance without Mayfly's tags",
        "job",
        RUN,
        NEW,
        {"ec2:InstanceType": "m7g.large"},
        EC2_FULL,
    ),
)

ENDS = (
    *(
        Case(f"The function reap can {way}", "reap", action, "instance/ready")
        for way, action in (
            ("terminate an instance of its stack", "ec2:TerminateInstances"),
            ("read the console of an instance of its stack", "ec2:GetConsoleOutput"),
        )
    ),
    *(
        Case(
            f"The function reap cannot terminate an instance {which}",
            "reap",
            "ec2:TerminateInstances",
            "instance/ready",
            {"aws:ResourceTag/mayfly-stack": value},
        )
        for which, value in (
            ("without the stack's tag", ABSENT),
            ("of another stack", "acme-2"),
            ("whose tag has another case", "ACME"),
        )
    ),
    *(
        Case(
            f"The function {who} cannot terminate an instance",
            who,
            "ec2:TerminateInstances",
            "instance/ready",
        )
        for who in ("dispatch", "provision", "sandbox")
    ),
    *(
        Case(
            f"The function {who} cannot start an instance",
            who,
            "ec2:StartInstances",
            "instance/ready",
        )
        for who in ("dispatch", "provision", "sandbox", "reap")
    ),
    Case(
        "An operator can terminate an instance of the stack",
        "operator",
        "ec2:TerminateInstances",
        "instance/ready",
    ),
    Case(
        "An operator cannot terminate an instance of another stack",
        "operator",
        "ec2:TerminateInstances",
        "instance/stack-2",
    ),
    Case(
        "A security owner cannot terminate an instance",
        "security-owner",
        "ec2:TerminateInstances",
        "instance/ready",
    ),
)


def _parameters() -> tuple[Case, ...]:
    put, ours = "ssm:PutParameter", "/mayfly/acme/queues/linux"
    return (
        *(
            Case(f"Set-up can read {what}", "bootstrap", "ssm:GetParameter", thing)
            for what, thing in (
                ("the published bundle", "parameter/bundle"),
                ("its queue's bootstrap/script", "parameter/script"),
                ("its queue's job/root", "parameter/root"),
            )
        ),
        *(
            Case(f"Set-up cannot read {what}", "bootstrap", "ssm:GetParameter", thing)
            for what, thing in (
                ("a parameter of another queue", "parameter/queue-2"),
                ("a parameter of another stack", "parameter/stack-2"),
                ("its queue's policy", "parameter/policy"),
                ("its queue's published facts", "parameter/published"),
                (
                    "a parameter whose path goes on with a slash",
                    parameter_arn(f"{ours}/bootstrap/script/old"),
                ),
                ("a parameter named by an asterisk", parameter_arn("/mayfly/acme/queues/*")),
            )
        ),
        *(
            Case(
                f"{title} with AdministratorAccess cannot {way}",
                who,
                f"ssm:{action}",
                thing,
                {},
                ADMIN,
            )
            for who, title in HOSTS
            for way, action, thing in (
                ("change its queue's policy", "PutParameter", "parameter/policy"),
                ("change its queue's bootstrap/script", "PutParameter", "parameter/script"),
                ("change its queue's job/root", "PutParameter", "parameter/root"),
                ("change a parameter of another queue", "PutParameter", "parameter/queue-2"),
                ("change a parameter of another stack", "PutParameter", "parameter/stack-2"),
                ("delete its queue's policy", "DeleteParameters", "parameter/policy"),
                ("list the stack's configuration", "GetParametersByPath", "parameter/tree"),
                ("change the published bundle", "PutParameter", "parameter/bundle"),
                ("change a queue's published facts", "PutParameter", "parameter/published"),
                ("change published facts of another stack", "PutParameter", "parameter/infra-2"),
                ("label a version of the bundle", "LabelParameterVersion", "parameter/bundle"),
            )
        ),
        *(
            Case(f"An operator {word} change {what}", "operator", put, thing)
            for word, what, thing in (
                ("can", "pool/hot", "parameter/pool"),
                ("cannot", "bootstrap/script", "parameter/script"),
                ("cannot", "job/root", "parameter/root"),
                ("cannot", "a policy rule", "parameter/policy"),
                ("cannot", "the published bundle", "parameter/bundle"),
                ("cannot", "a parameter of another stack", "parameter/stack-2"),
            )
        ),
        *(
            Case(
                f"An operator cannot change a policy rule named {name}",
                "operator",
                put,
                parameter_arn(f"{ours}/policy/rules/{name}"),
            )
            for name in ("paused", "tags", "pool/hot", "limits/x")
        ),
        *(
            Case(f"A security owner {word} change {what}", "security-owner", put, thing)
            for word, what, thing in (
                ("can", "a policy rule", "parameter/policy"),
                ("can", "bootstrap/script", "parameter/script"),
                ("cannot", "pool/hot", "parameter/pool"),
                ("cannot", "the published bundle", "parameter/bundle"),
                ("cannot", "the cluster's agent token", "parameter/token"),
            )
        ),
        Case(
            "The function provision can read the stack's configuration",
            "provision",
            "ssm:GetParametersByPath",
            "parameter/tree",
        ),
        Case(
            "The function provision cannot read another stack's configuration",
            "provision",
            "ssm:GetParametersByPath",
            parameter_arn("/mayfly/acme-2/queues"),
        ),
        Case(
            "The function provision cannot read every parameter by path",
            "provision",
            "ssm:GetParametersByPath",
            "token-path/root",
        ),
        *(
            Case(f"The function {who} cannot change a parameter", who, put, "parameter/policy")
            for who in ("dispatch", "provision", "sandbox", "reap")
        ),
    )


CONFIGURATION = _parameters()

CODE = (
    Case(
        "Set-up can fetch the bundle's layer",
        "bootstrap",
        "lambda:GetLayerVersion",
        "layer/instance-version",
    ),
    Case(
        "Set-up cannot fetch the control plane's layer",
        "bootstrap",
        "lambda:GetLayerVersion",
        "layer/mayfly-version",
    ),
    *(
        Case(f"{title} with PowerUserAccess cannot {way}", who, action, thing, {}, POWER)
        for who, title in HOSTS
        for way, action, thing in (
            ("change the code of dispatch", "lambda:UpdateFunctionCode", "function/dispatch"),
            (
                "change the settings of provision",
                "lambda:UpdateFunctionConfiguration",
                "function/provision",
            ),
            ("invoke sandbox", "lambda:InvokeFunction", "function/sandbox"),
            ("stop reap by reserved concurrency", "lambda:PutFunctionConcurrency", "function/reap"),
            ("delete reap", "lambda:DeleteFunction", "function/reap"),
            (
                "delete a version of the bundle's layer",
                "lambda:DeleteLayerVersion",
                "layer/instance-version",
            ),
            (
                "publish a version of the bundle's layer",
                "lambda:PublishLayerVersion",
                "layer/instance",
            ),
            ("delete an event source mapping", "lambda:DeleteEventSourceMapping", "mapping/reap"),
            (
                "switch off an event source mapping",
                "lambda:UpdateEventSourceMapping",
                "mapping/reap",
            ),
            ("change the control plane's stack", "cloudformation:UpdateStack", "stack/control"),
            ("delete the queue's stack", "cloudformation:DeleteStack", "stack/queue"),
            ("delete another queue's stack", "cloudformation:DeleteStack", "stack/queue-2"),
        )
    ),
    Case(
        "A job with PowerUserAccess can change a function of others",
        "job",
        "lambda:UpdateFunctionCode",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop",
        {},
        POWER,
    ),
)

SIGNALS = (
    *(
        Case(f"A job with {attached} cannot {way}", "job", action, thing, {}, attached)
        for way, action, thing, attached in (
            (
                "switch off the rule for ends of instances",
                "events:DisableRule",
                "rule/InstanceStateChange",
                POWER,
            ),
            (
                "delete the schedule of dispatch",
                "events:DeleteRule",
                "rule/DispatchFunctionTick",
                POWER,
            ),
            ("empty the queue that wakes provision", "sqs:PurgeQueue", "queue/NudgeQueue", POWER),
            ("wake reap", "sqs:SendMessage", "queue/ReapQueue", POWER),
            (
                "take messages from the queue that wakes reap",
                "sqs:ReceiveMessage",
                "queue/ReapQueue",
                POWER,
            ),
            ("delete an alarm", "cloudwatch:DeleteAlarms", "alarm/dispatch", EC2_FULL),
            ("silence an alarm", "cloudwatch:DisableAlarmActions", "alarm/dispatch", EC2_FULL),
            ("delete the topic of alarms", "sns:DeleteTopic", "topic/alarms", DYNAMODB),
            ("read the log of dispatch", "logs:FilterLogEvents", "log/dispatch", SSM_FULL),
            ("delete the log of dispatch", "logs:DeleteLogGroup", "log/dispatch", SSM_FULL),
            ("read last words", "logs:GetLogEvents", "log/last-words-stream", SSM_FULL),
        )
    ),
    *(
        Case(f"The function {who} can {way}", who, action, thing)
        for who, way, action, thing in (
            ("dispatch", "wake provision", "sqs:SendMessage", "queue/NudgeQueue"),
            ("dispatch", "wake reap", "sqs:SendMessage", "queue/ReapQueue"),
            ("provision", "take its messages", "sqs:ReceiveMessage", "queue/NudgeQueue"),
            ("reap", "take its messages", "sqs:ReceiveMessage", "queue/ReapQueue"),
            ("dispatch", "write its log", "logs:PutLogEvents", "log/dispatch-stream"),
            ("reap", "write last words", "logs:PutLogEvents", "log/last-words-stream"),
            ("sandbox", "read the Mailbox's stream", "dynamodb:GetRecords", "mailbox/stream"),
        )
    ),
    *(
        Case(f"The function {who} cannot {way}", who, action, thing)
        for who, way, action, thing in (
            ("reap", "wake itself", "sqs:SendMessage", "queue/ReapQueue"),
            ("dispatch", "take messages of reap", "sqs:ReceiveMessage", "queue/ReapQueue"),
            ("sandbox", "write last words", "logs:PutLogEvents", "log/last-words-stream"),
            ("provision", "write the log of dispatch", "logs:PutLogEvents", "log/dispatch-stream"),
            ("dispatch", "read the Mailbox's stream", "dynamodb:GetRecords", "mailbox/stream"),
        )
    ),
    Case(
        "An operator can read the log of dispatch",
        "operator",
        "logs:FilterLogEvents",
        "log/dispatch",
    ),
    Case(
        "An operator can read last words", "operator", "logs:GetLogEvents", "log/last-words-stream"
    ),
    Case(
        "An operator cannot delete the log of dispatch",
        "operator",
        "logs:DeleteLogGroup",
        "log/dispatch",
    ),
)

ROOM_FOR_NOTHING = ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},)

OTHERS = (
    *(
        Case(
            f"{title} with AdministratorAccess cannot {way} of queue linux",
            who,
            action,
            thing,
            {},
            ADMIN,
        )
        for who, title in (
            ("job-of-queue-2", "A job of the queue linux2"),
            ("job-of-stack-2", "A job of the stack acme-2"),
            ("bootstrap-of-queue-2", "Set-up of the queue linux2"),
            ("bootstrap-of-stack-2", "Set-up of the stack acme-2"),
        )
        for way, action, thing in (
            ("terminate an instance", "ec2:TerminateInstances", "instance/ready"),
            (
                "replace the root volume of an instance",
                "ec2:CreateReplaceRootVolumeTask",
                "instance/bootstrap",
            ),
            ("replace a profile", "ec2:ReplaceIamInstanceProfileAssociation", "instance/bootstrap"),
            ("change a role", "iam:PutRolePolicy", "role/sandbox"),
            ("change a parameter", "ssm:PutParameter", "parameter/script"),
            ("change the published facts", "ssm:PutParameter", "parameter/published"),
        )
    ),
    *(
        Case(
            f"Set-up of the queue linux2 cannot read the parameter {name} of the queue linux",
            "bootstrap-of-queue-2",
            "ssm:GetParameter",
            parameter_arn(f"/mayfly/acme/queues/linux/{name}"),
        )
        for name in ("bootstrap/script", "job/root", "agent/config")
    ),
    Case(
        "Set-up of the stack acme-2 cannot fetch the bundle's layer of the stack acme",
        "bootstrap-of-stack-2",
        "lambda:GetLayerVersion",
        "layer/instance-version",
    ),
    Case(
        "A job with AdministratorAccess cannot use S3 under a permissions boundary without it",
        "job",
        "s3:PutObject",
        "arn:aws:s3:::others/object",
        {},
        ADMIN,
        ({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"},),
    ),
    Case(
        "A job cannot write its report under a permissions boundary without DynamoDB",
        "job",
        "dynamodb:UpdateItem",
        "row/own/report",
        {},
        boundary=ROOM_FOR_NOTHING,
    ),
)
