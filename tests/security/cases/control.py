"""Cases: configuration, code of the control plane, its wake-ups and logs."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import Case
from tests.security.things_of_data import parameter_arn

ADMIN, POWER, DYNAMODB = "AdministratorAccess", "PowerUserAccess", "AmazonDynamoDBFullAccess"
EC2_FULL, SSM_FULL = "AmazonEC2FullAccess", "AmazonSSMFullAccess"
HOSTS = (("job", "A job"), ("bootstrap", "Set-up"))


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
            Case(
                f"An operator cannot change {name}",
                "operator",
                put,
                parameter_arn(f"{ours}/{name}"),
            )
            for name in ("secrets/path", "ssh/known-hosts", "role/deploy", "role/paused")
        ),
        *(
            Case(
                f"A security owner can change {name}",
                "security-owner",
                put,
                parameter_arn(f"{ours}/{name}"),
            )
            for name in ("secrets/path", "ssh/known-hosts", "role/deploy")
        ),
        *(
            Case(
                f"The function dispatch {word} read {what}",
                "dispatch",
                "ssm:GetParameters",
                parameter_arn(f"/vendors/buildkite/linux/global/{name}"),
            )
            for word, what, name in (
                ("can", "a list of pipelines beside secrets", "allowed_pipelines"),
                ("can", "a list of teams beside secrets", "allowed_teams"),
                ("cannot", "a secret", "env/TOKEN"),
                ("cannot", "a job's ssh key", "ssh/key"),
            )
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
            "The function provision can read who changed a parameter of the stack",
            "provision",
            "ssm:GetParameterHistory",
            "parameter/pool",
        ),
        Case(
            "The function provision cannot read the history of another stack's parameter",
            "provision",
            "ssm:GetParameterHistory",
            "parameter/stack-2",
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
            ("replace the dashboard", "cloudwatch:PutDashboard", "dashboard/own", EC2_FULL),
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
